"""The pruner with averaged gradients, floors and rarer updates."""

import pytest
import torch
from torch import nn

import fggp


def setting(**settings):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    timing = fggp.pruning.timing.Timing(steps=24, begin=0, end=12, every=4)
    method = fggp.method(
        settings.pop("name", "fggp"), sparsity=0.8, steps=24, timing=timing, **settings
    )
    return model, optimizer, fggp.Pruner(model, optimizer, method, seed=1)


def step(model, optimizer, pruner, seed):
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(seed))
    model(x).square().mean().backward()
    gradient = torch.cat([p.grad.flatten() for p in pruner.parameters.values()])
    optimizer.step()
    update = pruner.step()
    optimizer.zero_grad()
    return update, gradient


def test_averaged_gradients_are_the_mean_of_the_signed_last_ones(monkeypatch):
    model, optimizer, pruner = setting(gradient_steps=3)
    seen = []
    rule = pruner.method.recipe.rule
    spy = fggp.pruning.recipe.Recipe(
        **{**vars(pruner.method.recipe), "rule": lambda u: seen.append(u.gradient) or rule(u)}
    )
    object.__setattr__(pruner.method, "recipe", spy)
    gradients = [step(model, optimizer, pruner, seed)[1] for seed in range(8)]
    assert len(seen) == 2
    assert torch.equal(seen[0], torch.stack(gradients[1:4]).mean(0))
    assert torch.equal(seen[1], torch.stack(gradients[5:8]).mean(0))


def test_averaged_gradients_survive_a_stop_between_their_steps():
    whole = setting(gradient_steps=3)
    for seed in range(8):
        step(*whole, seed)
    first = setting(gradient_steps=3)
    for seed in range(6):
        step(*first, seed)
    second = setting(gradient_steps=3)
    second[0].load_state_dict(first[0].state_dict())
    second[1].load_state_dict(first[1].state_dict())
    second[2].load_state_dict(first[2].state_dict())
    for seed in range(6, 8):
        step(*second, seed)
    for one, other in zip(whole[0].parameters(), second[0].parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_floor_above_the_target_is_refused_before_anything_is_changed():
    with pytest.raises(ValueError, match="the floors of all layers keep"):
        setting(floor=0.5)


def test_rarer_updates_are_made_at_multiples_of_the_timing():
    model, optimizer, pruner = setting(name="rigl-itop", every=2)
    made = {seed + 1: step(model, optimizer, pruner, seed)[0] for seed in range(24)}
    assert [at for at, update in made.items() if update] == [8, 16, 24]


def test_rigl_stops_after_its_share_of_the_training():
    model, optimizer, pruner = setting(name="rigl")
    made = [seed + 1 for seed in range(24) if step(model, optimizer, pruner, seed)[0]]
    assert made == [4, 8, 12, 16]  # at step 18 = 3/4 of 24 its share is zero


def test_random_growth_depends_on_the_seed_and_on_nothing_else():
    def masks():
        run = setting(name="set")
        torch.manual_seed(5)
        for seed in range(8):
            step(*run, seed)
        return run[2].masks

    one, other = masks(), masks()
    assert all(torch.equal(one[name], other[name]) for name in one)
