"""From results to what is published: checks, pages, one RO-Crate."""
