"""A study as data: configuration, cells, result files, and their paths."""
