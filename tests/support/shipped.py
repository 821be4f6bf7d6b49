"""The number of shipped results, which changes only when results are shipped."""

SHIPPED_RESULTS = 984
