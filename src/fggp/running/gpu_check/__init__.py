"""Check that a GPU trains correctly, before a whole grid: see `fggp.running.gpu_check.parts`.

Every part that computes runs in its own process: a crash or a hang ends only that part, and no
other process holds the GPU.
"""
