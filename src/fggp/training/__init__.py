"""Training of one cell on one device, independent of study paths and command line."""
