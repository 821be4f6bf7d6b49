"""Networks without pruned filters on one core: dense, shrunk, and shrunk and compiled.

The filters are random, the same share of each group, so that 90 % of the weights are removed. The
masked network takes as long as the dense one in torch. Ratios are those of the fastest rounds, next
to the required ones: those measured when they were planned, with some tolerance.
"""

from __future__ import annotations

import sys
from fractions import Fraction

import torch
from torch import nn

from fggp.fast.stopwatch import times
from fggp.foundation.exact import kept_count
from fggp.models import build
from fggp.pruning.filters.counts import FilterCounts
from fggp.pruning.filters.masks import FilterMasks
from fggp.pruning.prunable import prunable
from suite.ours import FULL, NARROW
from suite.pruned_masks import calibrated
from suite.work import Options, Row

DEMANDS = {"vgg19": {1: 5.0, 32: 3.0}, "resnet50": {1: 4.0, 32: 6.0}}
"""Network; per batch, required speed-up of the shrunk network over the dense one in torch."""
NAMES = {
    "torch shrunk": "ours, shrunk",
    "fggp shrunk": "ours, shrunk and compiled",
    "fggp": "ours, masked and compiled",
    "torch": "torch, dense",
}
ROUNDS = {1: 9, 32: 5}
PRUNED = Fraction(9, 10)


def measure(options: Options) -> list[Row]:
    """Return milliseconds of a call, and the ratios of the fastest rounds."""
    width = NARROW if options.tiny else FULL
    rows: list[Row] = []
    for name in list(DEMANDS)[:1] if options.tiny else DEMANDS:
        print(f"shrinking: {name}", file=sys.stderr, flush=True)
        model = without_filters(name, width)
        for batch, rounds in ROUNDS.items():
            rows += _rows(name, model, batch, options.times(rounds), options.threads)
    return rows


def without_filters(name: str, width: Fraction) -> nn.Module:
    """Return a network whose masks leave a tenth of its weights, in whole filters."""
    torch.manual_seed(0)
    model = build(name, width=width)
    layers = prunable(model)
    filters = FilterMasks(model, layers)
    scores = [torch.rand(channels) for channels in filters.counts]
    everything = [torch.ones_like(it, dtype=torch.bool) for it in scores]
    total = filters.weights(filters.counts)
    kept = FilterCounts()(filters, scores, everything, Fraction(kept_count(total, PRUNED), total))
    with torch.no_grad():
        for weight, mask in zip(layers.values(), filters.masks(kept), strict=True):
            weight.mul_(mask.view(weight.shape))
    return calibrated(model)


def _rows(name: str, model: nn.Module, batch: int, rounds: int, threads: int) -> list[Row]:
    found = times(model, (3, 32, 32), batches=(batch,), threads=(threads,), rounds=rounds)
    taken = {it.contender: it for it in found}
    case = f"{name} 90 %, filters, batch {batch}"
    rows = [
        Row("shrinking", case, title, "ms", taken[key].wall, taken[key].cpu)
        for key, title in NAMES.items()
    ]
    dense = min(taken["torch"].cpu)
    for key in ("torch shrunk", "fggp shrunk"):
        ratio = (dense / min(taken[key].cpu),)
        wanted = f", at least {DEMANDS[name][batch]:g} demanded" if key == "torch shrunk" else ""
        what = f"{NAMES[key]}, fastest round{wanted}"
        rows.append(Row("times as fast as dense", case, what, "times", ratio))
    return rows
