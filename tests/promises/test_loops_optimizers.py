"""Every optimizer of torch, with each of its implementations."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from plain_loop import BATCHES, NAMES, Loop, flat, masked, same_bits
from torch import Tensor

from fggp.pruning.mask_update import Update
from fggp.pruning.rules import Rule

KINDS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
    "Adam": {"lr": 0.01, "amsgrad": True},
    "AdamW": {"lr": 0.01},
}
OTHERS = {
    "ASGD": 1,
    "Adadelta": 2,
    "Adafactor": 0,
    "Adagrad": 1,
    "Adamax": 2,
    "NAdam": 2,
    "RAdam": 2,
    "RMSprop": 1,
    "Rprop": 2,
    "SGD": 0,
}
BUFFERS = {"SGD": 1, "Adam": 3, "AdamW": 2}


def loop(name: str, kind: str, **options: Any) -> Loop:
    def optimizer(model: torch.nn.Module) -> torch.optim.Optimizer:
        made: torch.optim.Optimizer = getattr(torch.optim, kind)(model.parameters(), **options)
        return made

    return Loop(name, optimizer, attach=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_weights_and_moments_are_zero_off_the_mask_however_an_optimizer_is_implemented(
    name: str, kind: str
) -> None:
    single = loop(name, kind, **KINDS[kind], foreach=False).run()
    assert len(list(masked(single.pruner))) == 3 * (1 + BUFFERS[kind])
    several = loop(name, kind, **KINDS[kind], foreach=True).run()
    fused = loop(name, kind, **KINDS[kind], fused=True).run()
    assert same_bits(single, several)
    assert len(list(masked(fused.pruner))) == 3 * (1 + BUFFERS[kind])
    assert single.pruner.steps == several.pruner.steps == fused.pruner.steps == 24


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", ["rigl", "fggp"])
def test_every_other_optimizer_keeps_the_masks_and_its_own_buffers_in_them(
    name: str, kind: str
) -> None:
    trained = loop(name, kind).run()
    assert len(list(masked(trained.pruner))) == 3 * (1 + OTHERS[kind])
    start = Loop(name).mask
    assert not torch.equal(trained.mask, start)
    assert all(p.isfinite().all() for p in trained.model.parameters())


@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
@pytest.mark.parametrize("foreach", [False, True])
def test_an_update_reads_the_gradient_before_the_optimizer_changes_it(
    kind: str, foreach: bool
) -> None:
    usual = {key: value for key, value in KINDS.get(kind, {}).items() if key != "weight_decay"}
    overwritten = False
    for settings in ({}, usual):
        trained = loop("fggp", kind, foreach=foreach, **settings)
        seen: list[Tensor] = []
        made = trained.pruner.method
        rule = made.recipe.rule
        assert rule is not None

        def watched(update: Update, rule: Rule = rule, seen: list[Tensor] = seen) -> Update:
            seen.append(update.gradient)
            return rule(update)

        trained.pruner.method = replace(made, recipe=replace(made.recipe, rule=watched))
        for x, y in BATCHES[:3]:
            trained.optimizer.zero_grad()
            trained.loss(x, y).backward()
            before = flat(p.grad for p in trained.pruner.parameters.values())
            trained.optimizer.step()
            after = flat(p.grad for p in trained.pruner.parameters.values())
        assert torch.equal(seen[0], before)
        overwritten |= not torch.equal(before, after)
    assert overwritten == (kind == "SGD" and foreach)
