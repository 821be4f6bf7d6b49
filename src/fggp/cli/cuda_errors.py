"""The errors of CUDA that a user can act on, each with its fix.

Sources of the texts: ``cudaError_t`` in NVIDIA's CUDA Runtime API reference, the status names of
cuBLAS and cuDNN, and the messages that PyTorch prints for them.
"""

from __future__ import annotations

import os

BLOCKING = "CUDA_LAUNCH_BLOCKING"
"""The environment variable that makes CUDA report an error where it happens."""

_CONTINUES = "the same command continues from the last checkpoint"
_BUILD = "`fggp doctor` on that machine prints the command"
_NODE = f"use another GPU or node (sbatch --exclude), and report this one; {_CONTINUES}"

FIXES = {
    (
        "no kernel image is available",
        "device kernel image is invalid",
    ): f"this PyTorch has no kernels for this type of GPU: install a build that has; {_BUILD}",
    (
        "driver version is insufficient",
        "driver on your system is too old",
        "unsupported toolchain",
        "forward compatibility was attempted",
    ): f"the driver is older than this PyTorch: update it, or install an older PyTorch; {_BUILD}",
    (
        "uncorrectable ecc error",
        "gpu is lost",
        "fallen off the bus",
        "uncorrectable nvlink error",
        "hardware stack error",
    ): f"the GPU is broken: {_NODE}",
    (
        "device-side assert",
    ): f"a kernel received an invalid value: repeat with {BLOCKING}=1, which shows where",
    (
        "mps client",
        "mps server",
        "mps control daemon",
        "support device connections have been exhausted",
    ): (
        "the service that shares the GPU failed, or a neighbour's training ended it: "
        f"omit --config cells_per_gpu, or unset CUDA_MPS_PIPE_DIRECTORY; {_CONTINUES}"
    ),
    (
        "busy or unavailable",
    ): "another process has exclusive use of the GPU: end it (see nvidia-smi), or use another GPU",
    (
        "cudnn_status_not_initialized",
        "cublas_status_not_initialized",
        "cudnn_status_internal_error",
    ): (
        "a CUDA library cannot start, usually for lack of GPU memory: check what else runs there "
        "(nvidia-smi), train fewer cells at once, or reinstall PyTorch"
    ),
    (
        "illegal memory access",
        "illegal instruction",
        "misaligned address",
        "unspecified launch failure",
        "launch timed out",
        "cudnn_status_execution_failed",
        "cublas_status_execution_failed",
    ): (
        "the GPU failed, or, under MPS, another training did: "
        f"{_CONTINUES}; if it happens again, repeat with {BLOCKING}=1"
    ),
}
"""The fix for each group of texts, in lower case; the first match is used."""


def cuda_error(text: str) -> str | None:
    """Return one line with the fix for a CUDA error; None for other errors, and for a traceback.

    With `BLOCKING` set a traceback is wanted, because it then ends at the error.

    Args:
        text: message of the error, on one line.

    """
    lowered = text.lower()
    found = next((fix for words, fix in FIXES.items() if any(it in lowered for it in words)), None)
    if found is None or os.environ.get(BLOCKING, "0") != "0":
        return None
    # The rest is the same advice for every error.
    first = text.partition(" CUDA kernel errors might be")[0].partition(" Search for `cuda")[0]
    return f"the GPU cannot be used ({first.removeprefix('CUDA error: ')[:200]}); {found}"
