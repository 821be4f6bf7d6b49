"""One cell trained on one device: no paths of a study, no command line."""
