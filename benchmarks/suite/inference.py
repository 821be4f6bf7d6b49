"""Pruned networks on one core: compiled, and dense in torch, channels last and onnxruntime.

Beside the times stand the ratios that are demanded of ours, about 70 to 75 % of what was measured
when it was planned, on a Zen 4: of the fastest rounds, as a busy machine only ever adds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from fggp.fast.contenders import contenders
from suite.ours import FULL, NARROW
from suite.pruned_masks import own, pruned
from suite.work import LeftOut, Options, Row, Work
from suite.worker import side_by_side

Demands = dict[tuple[str, str, int], dict[int, tuple[float, float]]]
DEMANDS: Demands = {
    ("vgg19", "trained-like", 98): {1: (16, 7.5), 32: (5.5, 5)},
    ("vgg19", "ERK", 98): {1: (22, 10), 32: (8.5, 8)},
    ("vgg19", "trained-like", 95): {1: (9.5, 4.5), 32: (4, 3.8)},
    ("vgg19", "trained-like", 90): {1: (5.5, 2.6), 32: (2.9, 2.8)},
    ("resnet50", "trained-like", 98): {1: (8, 5), 32: (7, 4.5)},
    ("resnet50", "ERK", 98): {1: (12, 7.5), 32: (10, 6.5)},
    ("resnet50", "trained-like", 95): {1: (5.5, 3.5), 32: (5, 3.2)},
    ("resnet50", "trained-like", 90): {1: (4, 2.5), 32: (3.6, 2.3)},
    ("resnet50", "ERK", 90): {1: (3, 2), 32: (2.6, 1.7)},
}
"""Network, masks and percent pruned; per batch how many times as fast as torch and onnxruntime."""
PEERS = ("torch", "onnxruntime")
NAMES = {
    "ours": "fggp",
    "ours, batched": "fggp batched",
    "torch": "torch",
    "torch, channels last": "torch channels_last",
    "onnxruntime": "onnxruntime",
}
REPEATS = {1: 3, 32: 1}

Make = Callable[[], nn.Module]


def measure(options: Options) -> list[Row]:
    """Return milliseconds of a call, and the ratios of the fastest rounds."""
    rows: list[Row] = []
    width = NARROW if options.tiny else FULL
    demands = dict(list(DEMANDS.items())[:1]) if options.tiny else DEMANDS
    for (name, kind, percent), wanted in demands.items():
        title = f"{name} {percent} %, {kind}"
        for batch, least in wanted.items():
            make = partial(pruned, name, kind, percent, width)
            rows += _case(title, make, batch, least, options)
    for name in () if options.tiny else ("vgg19", "resnet50"):
        for title, model in own(name, width):
            for batch in REPEATS:
                rows += _case(title, partial(_same, model), batch, None, options)
    return rows


def _same(model: nn.Module) -> nn.Module:
    return model


def _case(
    title: str, make: Make, batch: int, least: tuple[float, float] | None, options: Options
) -> list[Row]:
    case = f"{title}, batch {batch}"
    factories = {
        name: partial(work, make, wanted, batch, options.threads)
        for name, wanted in NAMES.items()
        if batch >= 16 or name != "ours, batched"
    }
    found = side_by_side(
        "inference", case, factories, rounds=options.times(9 if batch == 1 else 5),
        threads=options.threads,
    )  # fmt: skip
    each = REPEATS[batch]
    rows = [replace(it, wall=_divided(it.wall, each), cpu=_divided(it.cpu, each)) for it in found]
    return [*rows, *_ratios(rows, case, least)]


def _divided(samples: tuple[float, ...], by: int) -> tuple[float, ...]:
    return tuple(it / by for it in samples)


def _ratios(rows: list[Row], case: str, least: tuple[float, float] | None) -> list[Row]:
    """Return how many times as fast ours is by the fastest rounds, beside what is demanded."""
    fastest = {it.contender: min(it.cpu) for it in rows if it.cpu}
    ours = min(time for name, time in fastest.items() if name.startswith("ours"))
    found = []
    for number, peer in enumerate(PEERS):
        if peer in fastest:
            wanted = "" if least is None else f", at least {least[number]:g} demanded"
            name = f"ours, fastest round{wanted}"
            ratio = (fastest[peer] / ours,)
            found.append(Row(f"times as fast as {peer}", case, name, "times", ratio))
    return found


def work(make: Make, name: str, batch: int, threads: int) -> Work:
    """Return some calls of one way of computing a network."""
    model = make()
    images = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.set_grad_enabled(False)
    found = contenders(model, images, threads)
    if name not in found:
        raise LeftOut("onnxruntime and onnx are not installed")
    call = found[name]

    def run() -> None:
        for _ in range(REPEATS[batch]):
            call(images)

    return Work(run, lambda: call(images))
