"""Sparsity is counted in the model, and a model that is not what the masks say is named."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fggp

X = torch.randn(256, 16, generator=torch.Generator().manual_seed(0))
Y = X[:, :4].argmax(1)
STEPS = 40


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)
    )


class Training:
    def __init__(self, model: nn.Module | None = None, name: str = "gmp", **options: Any) -> None:
        self.model = network() if model is None else model
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        method = fggp.method(name, sparsity=0.9, steps=STEPS)
        self.pruner = fggp.Pruner(self.model, self.optimizer, method, **options)

    def run(self, steps: int) -> "Training":
        for _ in range(steps):
            nn.functional.cross_entropy(self.model(X), Y).backward()
            self.optimizer.step()
            self.pruner.step()
            self.optimizer.zero_grad()
        return self

    @property
    def zeros(self) -> float:
        weights = [p for p in self.model.parameters() if p.ndim > 1]
        return sum(int((p == 0).sum()) for p in weights) / sum(p.numel() for p in weights)


def told(training: Training, complaint: str) -> None:
    """Every way of asking counts in the model, and names the layer with the fix."""
    ways: list[Callable[[], float]] = [
        lambda: training.pruner.sparsity,
        lambda: training.pruner.metrics()["sparsity"],
        lambda: float(str(training.pruner).rpartition("sparsity ")[2].split()[0]),
        lambda: 1 - sum(x.kept for x in training.pruner.layers()) / sum(
            x.total for x in training.pruner.layers()
        ),
    ]  # fmt: skip
    for way in ways:
        with pytest.warns(RuntimeWarning, match=complaint) as caught:
            found = way()
        assert found == pytest.approx(training.zeros, abs=1e-6)
        assert all("\n" not in str(it.message) for it in caught)
        assert {it.filename for it in caught} == {__file__}


@pytest.mark.parametrize("name", ["gmp", "rigl", "fggp"])
def test_a_checkpoint_of_the_model_alone_is_counted_as_it_is(name: str) -> None:
    training = Training(name=name).run(8)
    best = copy.deepcopy(training.model.state_dict())
    training.run(STEPS - 8)
    assert training.pruner.sparsity == pytest.approx(0.9, abs=1e-3)
    training.model.load_state_dict(best)
    told(training, r"0\.weight \(and 2 more\): not zero where they are pruned.*pruner\.apply\(\)")
    training.pruner.apply()
    assert training.pruner.sparsity == pytest.approx(0.9, abs=1e-3)


def test_a_checkpoint_with_its_pruner_is_in_order() -> None:
    training = Training().run(8)
    model, state = copy.deepcopy(training.model.state_dict()), training.pruner.state_dict()
    state = copy.deepcopy(state)
    sparsity = training.pruner.sparsity
    training.run(STEPS - 8)
    training.model.load_state_dict(model)
    training.pruner.load_state_dict(state)
    assert training.pruner.sparsity == sparsity == training.zeros < 0.9


def test_averaged_weights_are_counted_as_they_are() -> None:
    training = Training()
    average = torch.optim.swa_utils.AveragedModel(training.model)
    for _ in range(STEPS):
        training.run(1)
        average.update_parameters(training.model)
    assert training.pruner.sparsity == pytest.approx(0.9, abs=1e-3)
    training.model.load_state_dict(average.module.state_dict())
    told(training, "not zero where they are pruned, as after loading or averaging weights")


def replaced(model: Any, optimizer: torch.optim.Optimizer) -> None:
    model[2].weight = nn.Parameter(model[2].weight.detach().clone())
    optimizer.param_groups[0]["params"][2] = model[2].weight


def assigned(model: Any, optimizer: torch.optim.Optimizer) -> None:
    model.load_state_dict(network().state_dict(), assign=True)


def exchanged(model: Any, optimizer: torch.optim.Optimizer) -> None:
    model[2] = nn.Linear(64, 64)
    optimizer.add_param_group({"params": list(model[2].parameters())})


def unfrozen(model: Any, optimizer: torch.optim.Optimizer) -> None:
    model.requires_grad_(True)


def added(model: Any, optimizer: torch.optim.Optimizer) -> None:
    model.insert(4, nn.Linear(64, 64))
    model.insert(5, nn.ReLU())
    optimizer.add_param_group({"params": list(model[4].parameters())})


CHANGES = {
    replaced: r"2\.weight: replaced by another parameter, .*state=pruner\.state_dict\(\)",
    assigned: r"0\.weight \(and 2 more\): replaced by another parameter, as by load_state_dict",
    exchanged: r"2\.weight: replaced by another parameter",
    unfrozen: r"0\.weight \(and 1 more\): unfrozen or added after the pruner was made.*params=",
}


@pytest.mark.filterwarnings("ignore:.*weights are left out, more than are prunable")
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_parameters_that_change_in_training_are_named_at_the_next_update_and_counted(
    change: Callable[..., None],
) -> None:
    model = network()
    if change is unfrozen:
        model[0].requires_grad_(False)
        model[2].requires_grad_(False)
    training = Training(model).run(8)
    change(model, training.optimizer)
    with pytest.warns(RuntimeWarning, match=CHANGES[change]):
        training.run(STEPS - 8)
    told(training, CHANGES[change])
    with pytest.warns(RuntimeWarning, match=CHANGES[change]):
        training.pruner.state_dict()


def test_a_layer_that_is_added_later_is_named_and_counted() -> None:
    training = Training().run(8)
    added(training.model, training.optimizer)
    with pytest.warns(RuntimeWarning, match=r"unfrozen or added") as caught:
        training.run(STEPS - 8)
    # 4.weight and 6.weight: the former last layer has another name now, and stays pruned.
    assert "4.weight" in str(caught[0].message)
    told(training, r"4\.weight.*: unfrozen or added after the pruner was made")


def test_a_layer_that_is_deleted_is_named_and_no_longer_counted() -> None:
    training = Training(nn.Sequential(nn.Linear(16, 16), *network())).run(4)
    training.model[0] = nn.Identity()  # type: ignore[index]
    told(training, r"0\.weight: no longer in the model; make the pruner again")
    assert len(training.pruner.layers("masks")) == 4


def test_a_layer_that_is_renamed_is_the_same() -> None:
    training = Training().run(4)
    model: Any = training.model
    before = training.pruner.sparsity
    model.add_module("last", model[4])
    del model[4]
    assert training.run(STEPS - 4).zeros == training.pruner.sparsity > before


def test_parameters_that_are_named_are_compared_and_no_others() -> None:
    training = Training(params=["2.weight"]).run(STEPS)
    kept = 4096 - 3686
    assert training.pruner.sparsity == 1 - kept / 4096
    training.model[0] = nn.Linear(16, 64)  # type: ignore[index]
    assert training.pruner.sparsity == 1 - kept / 4096


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.half().float(),
        lambda model: model.double(),
        nn.DataParallel,
        lambda model: torch.compile(model, backend="eager"),
        lambda model: model.to(memory_format=torch.contiguous_format),
        lambda model: model.load_state_dict(model.state_dict(), strict=False),
        lambda model: model.requires_grad_(False),
        copy.deepcopy,
    ],
)
def test_what_leaves_the_weights_where_they_are_is_no_difference(
    change: Callable[[nn.Module], Any],
) -> None:
    training = Training().run(STEPS)
    change(training.model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert training.pruner.sparsity == training.zeros


def test_kept_weights_that_are_zero_are_kept_and_a_new_mask_has_some() -> None:
    model = network()
    nn.init.zeros_(model[4].weight)
    training = Training(model, "random")
    kept = int(training.pruner.masks["4.weight"].sum())
    assert {layer.name: layer.kept for layer in training.pruner.layers()}["4.weight"] == kept > 0
    assert training.pruner.sparsity == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("bad", [float("nan"), 1e-30])
def test_any_number_that_is_not_zero_contradicts_a_mask(bad: float) -> None:
    training = Training(name="random")
    weight = training.model.get_parameter("2.weight")
    place = tuple((~training.pruner.masks["2.weight"]).nonzero()[0].tolist())
    with torch.no_grad():
        weight[place] = bad
    with pytest.warns(RuntimeWarning, match=r"2\.weight: not zero where they are pruned"):
        assert training.pruner.sparsity < 0.9
    with torch.no_grad():
        weight[place] = -0.0
    assert training.pruner.sparsity == pytest.approx(0.9, abs=1e-3)


def test_counts_of_the_masks_do_not_look_at_the_model() -> None:
    training = Training(name="random")
    with torch.no_grad():
        training.model.get_parameter("2.weight").fill_(1)
    kept = [int(mask.sum()) for mask in training.pruner.masks.values()]
    assert [layer.kept for layer in training.pruner.layers("masks")] == kept


def test_what_leaks_through_a_soft_mask_is_printed() -> None:
    training = Training(name="decaying-mask").run(2)
    assert "while 1 of each pruned weight leaks through" in str(Training(name="iss").pruner)
    assert training.pruner.metrics()["leak"] == training.pruner.leak
    kept: Tensor = sum(mask.sum() for mask in training.pruner.masks.values())  # type: ignore[assignment]
    assert training.pruner.metrics()["kept"] == int(kept)
    training.run(STEPS - 2)
    assert "leaks" not in str(training.pruner)
    assert training.pruner.sparsity == training.zeros


@pytest.mark.parametrize("name", ["dpf", "sr-ste"])
def test_soft_masks_are_counted_in_the_model_too(name: str) -> None:
    training = Training(name=name).run(STEPS)
    assert training.pruner.sparsity == training.zeros
    with torch.no_grad():
        training.model.get_parameter("2.weight").fill_(1)
    told(training, r"2\.weight: not zero where they are pruned")
