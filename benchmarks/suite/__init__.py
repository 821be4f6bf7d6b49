"""The benchmarks of `run.py`, one file each, and their shared parts."""
