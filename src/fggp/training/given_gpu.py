"""Whether a process was allocated a GPU, according to the environment and the driver.

Sources: the output environment variables of ``srun`` and ``sbatch`` in Slurm's manual, and
``CUDA_VISIBLE_DEVICES`` in NVIDIA's CUDA programming guide. Does not import PyTorch, which takes
seconds.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

SLURM = {"SLURM_STEP_GPUS": "", "SLURM_JOB_GPUS": "", "SLURM_GPUS_ON_NODE": "0"}
"""The variables by which Slurm names the GPUs of a step or a job, or counts them on the node, each
with the value that means none."""
VISIBLE = "CUDA_VISIBLE_DEVICES"
HIDDEN = ("", "-1", "NoDevFiles")
"""First entries of `VISIBLE` that hide every GPU; the last one is Slurm's."""
ANSWER_SECONDS = 30
"""Time limit for an answer of the driver, in seconds; on a broken node it never answers."""


def given_gpu(listed: Callable[[], str] | None = None) -> str:
    """Return the sign that this process was given a GPU, in words; empty if it was not.

    Args:
        listed: returns the output of ``nvidia-smi -L``, empty if it fails; runs it by default.
            It is called only if neither Slurm's variables nor `VISIBLE` are set.

    """
    for name, none in SLURM.items():
        value = os.environ.get(name, "").strip()
        if value not in ("", none):
            return f"{name}={value}"
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        return "" if hides(visible) else f"{VISIBLE}={visible}"
    lines = (_listed() if listed is None else listed()).splitlines()
    first = next((line for line in lines if line.startswith("GPU ")), None)
    return "" if first is None else f"nvidia-smi lists {first.partition(' (UUID')[0]}"


def hides(visible: str) -> bool:
    """Whether a value of `VISIBLE` hides every GPU, which its first entry decides."""
    return visible.partition(",")[0].strip() in HIDDEN


def _listed() -> str:
    try:
        ran = subprocess.run(
            ["nvidia-smi", "-L"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout if ran.returncode == 0 else ""
