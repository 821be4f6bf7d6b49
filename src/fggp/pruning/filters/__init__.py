"""Filter pruning: groups of channels, their scores, and their masks."""
