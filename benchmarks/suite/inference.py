"""Pruned networks on one core: compiled, and dense in torch, channels last and onnxruntime.

The times are followed by the required ratios, about 70 to 75 % of those measured on a Zen 4 when
they were planned. Ratios are those of the fastest rounds, because a busy machine only adds time.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial

from torch import nn

from fggp.fast.contenders import NAMES as WAYS
from fggp.fast.stopwatch import times
from suite.ours import FULL, NARROW
from suite.pruned_masks import own, pruned
from suite.work import Options, Row

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
"""Network, masks and percent pruned; per batch, required speed-up over torch and onnxruntime."""
PEERS = ("torch", "onnxruntime")
NAMES = {
    "fggp": "ours",
    "fggp batched": "ours, batched",
    "torch": "torch",
    "torch channels_last": "torch, channels last",
    "onnxruntime": "onnxruntime",
}
ROUNDS = {1: 9, 32: 5}
IMAGE = (3, 32, 32)


def measure(options: Options) -> list[Row]:
    """Return milliseconds of a call, and the ratios of the fastest rounds."""
    rows: list[Row] = []
    width = NARROW if options.tiny else FULL
    demands = dict(list(DEMANDS.items())[:1]) if options.tiny else DEMANDS
    for (name, kind, percent), wanted in demands.items():
        make = partial(pruned, name, kind, percent, width)
        rows += _network(f"{name} {percent} %, {kind}", make, wanted, options)
    for name in () if options.tiny else ("vgg19", "resnet50"):
        for title, model in own(name, width):
            rows += _network(title, partial(_same, model), {}, options)
    return rows


def _same(model: nn.Module) -> nn.Module:
    return model


def _network(
    title: str,
    make: Callable[[], nn.Module],
    wanted: dict[int, tuple[float, float]],
    options: Options,
) -> Iterator[Row]:
    """Yield the rows of one network, which is made once: that takes longer than measuring it."""
    print(f"inference: {title}", file=sys.stderr, flush=True)
    model = make()
    for batch, rounds in ROUNDS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = times(
                model, IMAGE, batches=(batch,), threads=(options.threads,),
                rounds=options.times(rounds),
            )  # fmt: skip
        found = [it for it in found if it.contender in NAMES]  # others: the suite shrinking
        case = f"{title}, batch {batch}"
        rows = [Row("inference", case, NAMES[it.contender], "ms", it.wall, it.cpu) for it in found]
        missing = set(WAYS) - {it.contender for it in found} - {"fggp batched"}
        why = "not installed, or without onnx"
        rows += [Row("inference", case, NAMES[it], "ms", note=why) for it in sorted(missing)]
        yield from rows
        yield from _ratios(rows, case, wanted.get(batch))


def _ratios(rows: list[Row], case: str, least: tuple[float, float] | None) -> list[Row]:
    """Return the speed-up of ours by the fastest rounds, with the required one."""
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
