"""Checks shipped or fresh results, file by file and together; nothing is changed."""
