"""Gradient scalers, autocast and half precision."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from plain_loop import BATCHES, NAMES, Loop, adamw, flat, method, network, same_bits, sgd
from torch import Tensor, nn

import fggp
from fggp.pruning.recipe import Soft

every_name = pytest.mark.parametrize("name", NAMES)


def fused_sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, fused=True)


def fused_adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)


class Scaled(Loop):
    """A loop with a gradient scaler, which skips the steps whose gradient overflows."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def step(self, x: Tensor, y: Tensor, overflow: bool = False) -> int | None:
        loss = self.loss(x, y) * (float("inf") if overflow else 1)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        counted = self.pruner.steps
        made = self.after() if self.handle is None or not overflow else None
        assert self.pruner.steps == counted + (self.handle is None)
        self.optimizer.zero_grad()
        return made


@pytest.mark.parametrize("optimizer", [sgd, adamw, fused_sgd, fused_adamw])
@every_name
def test_an_attached_pruner_does_not_count_the_steps_that_a_scaler_skips(
    name: str, optimizer: Any
) -> None:
    scaled, plain = Scaled(name, optimizer, attach=True), Loop(name, optimizer, attach=True)
    for step, (x, y) in enumerate(BATCHES, 1):
        if step in {2, 3, 4, 12, 20}:  # among them steps of an update, and the last in the window
            before = scaled.scaler.get_scale(), scaled.pruner.steps
            scaled.step(x, y, overflow=True)
            assert (scaled.scaler.get_scale(), scaled.pruner.steps) == (before[0] / 2, before[1])
        scaled.step(x, y)
        plain.step(x, y)
    assert scaled.pruner.steps == 24
    assert same_bits(scaled, plain)


@pytest.mark.parametrize("optimizer", [sgd, fused_adamw])
@every_name
def test_a_pruner_that_is_called_waits_with_an_update_until_a_step_is_not_skipped(
    name: str, optimizer: Any
) -> None:
    loop = Scaled(name, optimizer)
    assert [loop.step(x, y) for x, y in BATCHES[:2]] == [None, None]
    before = loop.mask
    for x, y in BATCHES[2:4]:
        assert loop.step(x, y, overflow=True) is None
        assert torch.equal(loop.mask, before)
    assert loop.step(*BATCHES[4]) == 1  # due at step 3, made at step 5
    assert loop.step(*BATCHES[5]) == 2  # at step 6, as ever
    assert loop.step(*BATCHES[6], overflow=True) is None
    assert [loop.step(x, y) for x, y in BATCHES[7:9]] == [None, 3]
    assert loop.pruner.steps == 9


@pytest.mark.parametrize("fused", [False, True])
def test_averaged_gradients_leave_out_the_steps_that_a_scaler_skips(fused: bool) -> None:
    loops = []
    for kind in (Scaled, Loop):
        loop = kind("fggp", fused_sgd if fused else sgd)
        settings = method("fggp", gradient_steps=3)
        loop.pruner = fggp.Pruner(loop.model, loop.optimizer, settings)
        loop.handle = loop.pruner.attach()
        loops.append(loop)
    scaled, plain = loops
    for step, (x, y) in enumerate(BATCHES, 1):
        if step in {2, 3, 9}:
            scaled.step(x, y, overflow=True)
        scaled.step(x, y)
        plain.step(x, y)
    assert same_bits(scaled, plain)


class Autocast(Loop):
    """A loop whose forward pass is in bfloat16."""

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.model(x.float())
        assert logits.dtype == torch.bfloat16
        return nn.functional.cross_entropy(logits.float(), y)


@pytest.mark.parametrize("optimizer", [sgd, adamw])
@every_name
def test_autocast_keeps_weights_gradients_and_counts_exact(name: str, optimizer: Any) -> None:
    attached, called = (Autocast(name, optimizer, attach=attach) for attach in (True, False))
    assert same_bits(attached.run(), called.run())
    assert {p.dtype for p in called.model.parameters()} == {torch.float32}
    assert not same_bits(called, Loop(name, optimizer).run())


@pytest.mark.parametrize("optimizer", [sgd, fused_adamw])
@every_name
def test_counts_are_exact_where_the_weights_themselves_are_coarse(
    name: str, optimizer: Any
) -> None:
    loop = Loop(name, optimizer, torch.bfloat16).run()  # bfloat16 has 256 values from 1 to 2: ties
    values = torch.cat([p.detach().abs().flatten() for p in loop.pruner.parameters.values()])
    assert values.dtype == torch.bfloat16
    assert loop.update >= 4


def test_layers_of_different_precision_are_pruned_together() -> None:
    model = network()
    model[3].to(torch.bfloat16)
    optimizer = sgd(model)
    pruner = fggp.Pruner(model, optimizer, method("fggp"))
    for x, y in BATCHES:
        hidden = model[3](model[:3](x.float()).to(torch.bfloat16)).float()
        nn.functional.cross_entropy(model[4:](hidden), y).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    assert {p.dtype for p in model.parameters()} == {torch.float32, torch.bfloat16}
    assert sum(layer.kept for layer in pruner.layers()) == 137


@pytest.mark.parametrize("optimizer", [sgd, fused_sgd])
def test_the_model_stays_masked_where_masking_is_soft_and_a_step_is_skipped(optimizer: Any) -> None:
    model = network()
    made = method("gmp")
    made = replace(made, recipe=replace(made.recipe, soft=Soft()))
    trained = optimizer(model)
    pruner = fggp.Pruner(model, trained, made)
    pruner.attach()
    scaler = torch.amp.GradScaler("cpu")
    for step, (x, y) in enumerate(BATCHES[:8], 1):
        before = flat(pruner.parameters.values())
        skip = step in {3, 5}
        loss = nn.functional.cross_entropy(model(x.float()), y) * (float("inf") if skip else 1)
        scaler.scale(loss).backward()
        scaler.step(trained)
        scaler.update()
        trained.zero_grad()
        assert torch.equal(before, flat(pruner.parameters.values())) == skip
        assert not flat(pruner.parameters.values())[~flat(pruner.masks.values())].any()
    assert pruner.steps == 6
