"""Which reading of the abstract is the default, by the declared rule."""
