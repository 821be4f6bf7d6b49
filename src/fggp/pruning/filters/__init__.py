"""Whole filters in place of single weights: groups of a network, scores, and masks of groups."""
