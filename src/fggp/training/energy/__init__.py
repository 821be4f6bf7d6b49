"""What a training takes of its machine, measured: energy and speed. Nothing here changes a bit."""
