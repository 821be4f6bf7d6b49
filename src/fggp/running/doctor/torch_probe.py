"""Probe PyTorch in a separate process: a broken installation can crash, hang or be slow."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from fggp.running.commands import TIMED_OUT, run

PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Gpu:
    """A GPU as PyTorch sees it.

    Attributes:
        name: name of the model.
        capability: major and minor number.
        memory: bytes in total.
        free: bytes that no process uses.
        trouble: the error of a small training step on it; empty if it succeeded.

    """

    name: str
    capability: tuple[int, int]
    memory: int
    free: int
    trouble: str = ""


@dataclass(frozen=True)
class Probed:
    """PyTorch's report on a machine.

    Attributes:
        failure: why the probe failed; empty if it did not.
        torch: version of PyTorch.
        cuda: CUDA version that it was built with; None for a build without CUDA.
        cudnn: version of its cuDNN, such as 92600; None for a build without CUDA.
        architectures: architectures of its kernels, such as sm_80; empty if it sees no GPU.
        torchvision_trouble: why torchvision cannot be imported.
        warnings: warnings of PyTorch during its search for GPUs.
        cpu_trouble: error of a small training step on the CPU.
        gpus: GPUs that it sees.

    """

    failure: str = ""
    torch: str = ""
    cuda: str | None = None
    cudnn: int | None = None
    architectures: tuple[str, ...] = ()
    torchvision_trouble: str = ""
    warnings: tuple[str, ...] = ()
    cpu_trouble: str = ""
    gpus: tuple[Gpu, ...] = field(default=())


def probe(precision: str) -> Probed:
    """Probe PyTorch on this machine; never raises."""
    command = [sys.executable, "-m", "fggp.running.doctor.torch_probe", precision]
    ran = run(command, PATIENCE_SECONDS)
    if ran.status == TIMED_OUT:
        return Probed(failure=f"PyTorch did not answer within {PATIENCE_SECONDS} seconds")
    try:
        facts = json.loads(ran.out.splitlines()[-1])
    except (ValueError, IndexError):
        last = (ran.err.strip().splitlines() or [f"exit status {ran.status}"])[-1]
        return Probed(failure=last[:200])
    gpus = tuple(Gpu(**gpu | {"capability": tuple(gpu["capability"])}) for gpu in facts["gpus"])
    lists = {name: tuple(facts[name]) for name in ("warnings", "architectures")}
    return Probed(**facts | {"gpus": gpus} | lists)


def _facts(precision: str) -> dict[str, Any]:
    import warnings

    import torch

    facts: dict[str, Any] = {"torch": torch.__version__, "cuda": torch.version.cuda}
    if torch.version.cuda is not None:
        facts["cudnn"] = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    try:
        import_module("torchvision.datasets")
    except Exception as error:
        facts["torchvision_trouble"] = _one_line(error)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        facts["architectures"] = torch.cuda.get_arch_list()
        facts["gpus"] = [_gpu(number, precision) for number in range(count)]
        facts["cpu_trouble"] = _step("cpu", precision)
    facts["warnings"] = list(dict.fromkeys(_one_line(it.message) for it in caught))
    return facts


def _gpu(number: int, precision: str) -> dict[str, Any]:
    import torch

    properties = torch.cuda.get_device_properties(number)
    facts: dict[str, Any] = {
        "name": properties.name,
        "capability": [properties.major, properties.minor],
        "memory": properties.total_memory,
        "free": 0,
    }
    facts["trouble"] = _step(f"cuda:{number}", precision)
    if not facts["trouble"]:
        facts["free"] = torch.cuda.mem_get_info(number)[0]
    return facts


def _step(device: str, precision: str) -> str:
    """Run one small training step; return the error, if any."""
    import torch

    try:
        images = torch.randn(8, 3, 16, 16, device=device)
        layer = torch.nn.Conv2d(3, 8, 3).to(device)
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        with torch.autocast(device.partition(":")[0], kind, enabled=precision == "bf16"):
            loss = (layer(images).flatten(1) @ torch.randn(8 * 14 * 14, 8, device=device)).sum()
        loss.backward()
        gradient = layer.weight.grad
        finite = gradient is not None and bool(gradient.isfinite().all())
    except Exception as error:
        return _one_line(error)
    return "" if finite else "its gradients are not finite"


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


if __name__ == "__main__":
    print(json.dumps(_facts(sys.argv[1])))
