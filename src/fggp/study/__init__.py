"""A study as data: configuration, cells, result files, and where they lie."""
