"""The measured energy of a training. Nothing here changes a result."""
