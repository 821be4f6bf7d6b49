"""Fuse batch norm, sum and ReLU into the convolution before them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import cast

from fggp.fast.steps import Convolve, Fusable, Pointwise, Step


def fuse(steps: list[Step], output: int) -> list[Step]:
    """Return the steps with each per-channel step merged where that changes nothing.

    A step is merged into the one that makes its input if nothing else reads that input; a step
    whose output is not read is left out.
    """
    steps = _needed(steps, output)
    reads = Counter([output, *(value for step in steps for value in step.reads)])
    done: list[Step] = []
    for step in steps:
        host = _host(step, done, reads) if isinstance(step, Pointwise) else None
        if host is None:
            done.append(step)
        else:
            _merge(host, cast(Pointwise, step))
    return done


def _needed(steps: list[Step], output: int) -> list[Step]:
    wanted, needed = {output}, []
    for step in reversed(steps):
        if step.output in wanted:
            wanted.update(step.reads)
            needed.append(step)
    return needed[::-1]


def _host(step: Pointwise, done: list[Step], reads: Counter[int]) -> Fusable | None:
    """Return the earlier step that can also do the work of this one.

    A sum goes into the later of the two steps that it adds, since the other value is available by
    then.
    """
    makers = {it.output: place for place, it in enumerate(done)}
    places = sorted(((makers.get(value, -1), value) for value in set(step.reads)), reverse=True)
    place, value = places[0]
    if place < 0 or reads[value] != 1 or len(places) != len(step.reads):
        return None
    host = done[place]
    if not isinstance(host, Fusable) or host.relu:
        return None
    if step.scale is not None and (not isinstance(host, Convolve) or host.residual is not None):
        return None
    if step.residual is not None and host.residual is not None:
        return None
    return host


def _merge(host: Fusable, step: Pointwise) -> None:
    if step.scale is not None and step.shift is not None and isinstance(host, Convolve):
        values = host.weight.values * step.scale[host.weight.outputs]
        host.weight = replace(host.weight, values=values)
        host.bias = host.bias * step.scale + step.shift
    if step.residual is not None:
        (host.residual,) = (value for value in step.reads if value != host.output)
    host.relu = step.relu
    host.output = step.output
