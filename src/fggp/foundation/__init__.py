"""The base of every package: errors, exact numbers, random streams, files."""
