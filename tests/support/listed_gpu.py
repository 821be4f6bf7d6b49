"""A machine whose driver lists a GPU, for tests on machines without one."""

from __future__ import annotations

from pathlib import Path

LISTED = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1c2d)"
VARIABLES = (
    *("SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "SLURM_GPUS_ON_NODE"),
    *("CUDA_VISIBLE_DEVICES", "FGGP_DEVICE"),
)
"""The variables that give a process a GPU, or name its device."""


def nvidia_smi(folder: Path, answer: str = f"echo '{LISTED}'") -> Path:
    """Write a program of that name which runs ``answer``; returns its folder, for PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    return folder
