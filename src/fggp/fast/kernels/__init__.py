"""The kernels: each function returns the IR of one, which depends on sizes alone."""
