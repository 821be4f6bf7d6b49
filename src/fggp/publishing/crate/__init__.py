"""A study as a Workflow Run RO-Crate: one zip with results, tables and their provenance."""
