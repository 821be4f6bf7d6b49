"""What a training takes of its machine, measured: energy and speed. Nothing here changes a bit."""

MOST_SHARE = 1.2
"""Of a measured peak. Beyond it the peak was not one: others used the device just then."""
