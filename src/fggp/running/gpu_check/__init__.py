"""Check that a GPU trains correctly, before a whole grid: see `fggp.running.gpu_check.parts`.

Every part that computes runs in a process of its own: a crash or a hang ends that part alone, and
no process but the one at work holds the GPU.
"""
