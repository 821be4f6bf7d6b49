"""The functions that compute: each returns the IR of one, which depends on sizes alone."""
