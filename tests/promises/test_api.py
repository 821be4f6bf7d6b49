"""The names that people call from their own code."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import fggp


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))


def test_sparsify_keeps_the_largest_magnitudes_of_the_whole_network():
    model = network()
    before = np.concatenate(
        [p.detach().flatten().numpy() for p in model.parameters() if p.ndim > 1]
    )
    masks = fggp.sparsify(model, 0.9)
    after = np.concatenate([p.detach().flatten().numpy() for p in model.parameters() if p.ndim > 1])
    kept = len(before) - int(len(before) * 0.9 + 0.5)
    largest = np.argsort(np.abs(before), kind="stable")[-kept:]
    assert set(np.flatnonzero(after)) == set(largest)
    assert sum(int(mask.sum()) for mask in masks.values()) == kept
    assert np.array_equal(after[largest], before[largest])


def test_sparsify_by_layer_takes_the_same_share_of_each_and_leaves_biases_alone():
    model = network()
    biases = [p.clone() for p in model.parameters() if p.ndim == 1]
    masks = fggp.sparsify(model, "3/4", scope="layer")
    for mask in masks.values():
        assert int(mask.sum()) == mask.numel() - int(mask.numel() * 0.75 + 0.5)
    assert all(
        torch.equal(p, b) for p, b in zip([model[0].bias, model[3].bias], biases, strict=True)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sparsity": 1}, "0 <= sparsity < 1"),
        ({"sparsity": 0.5, "scope": "filter"}, "neither 'global' nor 'layer'"),
        ({"sparsity": 0.5, "params": ["0.wait"]}, "no parameter '0.wait'"),
    ],
)
def test_sparsify_refuses_before_it_changes_anything(arguments, message):
    model = network()
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ValueError, match=message):
        fggp.sparsify(model, **arguments)
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def trained(attach, steps=12):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    method = fggp.method("fggp", sparsity=0.9, initial_sparsity=0.5, steps=steps)
    pruner = fggp.Pruner(model, optimizer, method)
    handle = pruner.attach() if attach else None
    for seed in range(steps):
        x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        model(x).square().mean().backward()
        optimizer.step()
        if not attach:
            pruner.step()
        optimizer.zero_grad()
    return model, optimizer, pruner, handle


def test_an_attached_pruner_does_what_one_does_that_is_called():
    one, other = trained(attach=True)[0], trained(attach=False)[0]
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.filterwarnings("ignore:fggp. training continues")
def test_an_attached_pruner_works_with_closures_and_can_be_detached():
    model, optimizer, pruner, handle = trained(attach=True)

    def closure():
        optimizer.zero_grad()
        loss = model(torch.ones(1, 3, 8, 8)).square().mean()
        loss.backward()
        return loss

    before = pruner.steps
    optimizer.step(closure)
    assert pruner.steps == before + 1
    handle.remove()
    optimizer.step(closure)
    assert pruner.steps == before + 1


def test_a_step_that_a_gradient_scaler_skips_is_not_counted():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    pruner = fggp.Pruner(model, optimizer, fggp.method("fggp", sparsity=0.9, steps=12))
    pruner.attach()
    scaler = torch.amp.GradScaler("cpu")
    for factor in (1.0, float("inf"), 1.0):
        loss = model(torch.ones(1, 3, 8, 8)).square().mean() * factor
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    assert pruner.steps == 2


def test_a_network_that_is_not_ours_is_pruned_to_the_weight():
    model = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    optimizer = torch.optim.AdamW(model.parameters())
    pruner = fggp.Pruner(model, optimizer, fggp.method("granet", sparsity=0.95, steps=20))
    keys = list(model.state_dict())
    for seed in range(20):
        x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(seed))
        model(x).square().mean().backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    total = pruner.total
    kept = sum(int(model.get_parameter(name).count_nonzero()) for name in pruner.masks)
    assert sum(layer.kept for layer in pruner.layers()) == total - int(total * 0.95 + 0.5)
    assert kept <= total - int(total * 0.95 + 0.5)
    assert list(model.state_dict()) == keys


def test_sparsify_names_a_layer_that_it_empties():
    model = nn.Sequential(nn.Linear(40, 40), nn.Linear(40, 2))
    with torch.no_grad():
        model[1].weight.mul_(1e-6)
    with pytest.warns(RuntimeWarning, match=r"no weight is left in 1\.weight"):
        fggp.sparsify(model, 0.9)


@pytest.mark.parametrize("name", ["fggp", "gmp"])
def test_gradients_that_were_zeroed_too_early_are_noticed_if_they_are_read(name):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    pruner = fggp.Pruner(model, optimizer, fggp.method(name, sparsity=0.9, steps=12))
    model(torch.ones(1, 3, 8, 8)).square().mean().backward()
    pruner.optimizer.param_groups[0]["lr"] = 0.0
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert pruner.step() == 1
    assert any("before zero_grad" in str(it.message) for it in caught) == (name == "fggp")


def test_frozen_parameters_stay_as_they_are_and_are_refused_by_name():
    model = network()
    model[0].weight.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    method = fggp.method("fggp", sparsity=0.9, steps=12)
    assert list(fggp.Pruner(model, optimizer, method).masks) == ["3.weight"]
    with pytest.raises(ValueError, match=r"'0\.weight' is frozen"):
        fggp.Pruner(model, optimizer, method, params=["0.weight"])


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("fggp", {"sparsity": 95, "steps": 9}, r"did you mean 0\.95\?"),
        ("fggp", {"sparsity": 0.9, "steps": 0}, "the nearest valid is 2"),
        ("fggp", {"sparsity": 0.9, "steps": 9, "rat": 1}, "fggp: rat: no such key; did you mean"),
        (
            "fggp",
            {"sparsity": 0.9, "steps": 9, "order": "grad"},
            "use 'gradient-first' or",
        ),
        ("rigl", {"sparsity": 0.9, "steps": 9, "initial_sparsity": 0.5}, "rigl has one start"),
    ],
)
def test_a_method_that_cannot_be_is_refused_in_one_line(name, settings, message):
    with pytest.raises(ValueError, match=message) as refusal:
        fggp.method(name, **settings)
    assert "\n" not in str(refusal.value)


def test_the_state_of_another_method_is_refused():
    def pruner(name):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return fggp.Pruner(model, optimizer, fggp.method(name, sparsity=0.9, steps=12))

    with pytest.raises(ValueError, match=r"the state is of fggp .* this pruner of gmp"):
        pruner("gmp").load_state_dict(pruner("fggp").state_dict())
