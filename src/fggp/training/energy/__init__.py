"""The energy that a training takes of its device, measured. Nothing here changes a bit."""
