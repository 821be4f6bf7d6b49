"""The progress of a study, read from its files."""
