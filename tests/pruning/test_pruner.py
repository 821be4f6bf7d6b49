import copy
import io
import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from networks import IMAGES, LABELS, TOTAL, in_time, network
from torch import Tensor, nn

import fggp
from fggp.pruning.mask_update import Update
from fggp.pruning.timing import Method, Timing

TIMING = Timing(steps=24, begin=0, end=12, every=3)
TWO_STARTS = [name for name, definition in fggp.METHODS.items() if definition.starts == "both"]
HARD = [name for name in TWO_STARTS if fggp.METHODS[name].masking == "hard"]


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    )


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=0.01)


def made(name: str = "fggp", start: Any = 0, sparsity: Any = 0.9, **settings: Any) -> Method:
    settings = in_time(name, TIMING) | settings
    return fggp.method(
        name, sparsity=sparsity, initial_sparsity=start, steps=24, timing=TIMING, **settings
    )


class Training:
    """Any user's loop, one step at a time."""

    def __init__(
        self,
        method: Method,
        optimizer: Callable[[nn.Module], torch.optim.Optimizer] = sgd,
        **options: Any,
    ) -> None:
        self.model = network()
        self.optimizer = optimizer(self.model)
        self.pruner = fggp.Pruner(self.model, self.optimizer, method, **options)

    def backward(self, images: Tensor = IMAGES) -> None:
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(self.model(images), LABELS).backward()

    def step(self, images: Tensor = IMAGES) -> int | None:
        self.backward(images)
        self.optimizer.step()
        return self.pruner.step()

    def run(self, steps: int) -> list[int | None]:
        return [self.step() for _ in range(steps)]

    def state(self) -> dict[str, Any]:
        parts = {"model": self.model, "optimizer": self.optimizer, "pruner": self.pruner}
        return {name: part.state_dict() for name, part in parts.items()}


def tensors(value: Any) -> list[Tensor]:
    """All tensors inside a state, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for part in value for t in tensors(part)] if isinstance(value, list) else []


def same_bits(one: Any, other: Any) -> bool:
    ones, others = tensors(one), tensors(other)
    assert len(ones) == len(others) > 0
    return all(torch.equal(a, b) for a, b in zip(ones, others, strict=True))


def off_mask(training: Training) -> list[Tensor]:
    """Weights and optimizer buffers at pruned positions."""
    found = []
    for name, parameter in training.pruner.parameters.items():
        pruned = ~training.pruner.masks[name]
        found.append(parameter.detach()[pruned])
        found += [
            buffer[pruned]
            for buffer in training.optimizer.state[parameter].values()
            if buffer.shape == pruned.shape
        ]
    return found


@pytest.mark.parametrize(("optimizer", "buffers"), [(sgd, 1), (adamw, 2)])
@pytest.mark.parametrize("name", HARD)
def test_weights_and_momentum_are_zero_off_the_mask_after_every_step(
    name: str, optimizer: Any, buffers: int
) -> None:
    training = Training(made(name, start=0.5), optimizer)
    for _ in range(16):
        training.step()
        pruned = off_mask(training)
        assert len(pruned) == 3 * (1 + buffers)
        assert sum(len(part) for part in pruned) >= TOTAL // 2 * (1 + buffers)
        assert not torch.cat(pruned).any()


def test_gradients_stay_dense() -> None:
    training = Training(made(start=0.5))
    training.run(4)
    for name, parameter in training.pruner.parameters.items():
        assert parameter.grad is not None
        assert parameter.grad[~training.pruner.masks[name]].any(), name


def test_the_model_stays_an_ordinary_module_with_its_own_keys() -> None:
    training = Training(made(start=0.5))
    training.run(4)
    assert list(training.model.state_dict()) == list(network().state_dict())
    network().load_state_dict(training.model.state_dict())


def test_only_tensors_of_two_dimensions_and_more_are_pruned() -> None:
    training = Training(made(sparsity=0.98))
    training.run(12)
    assert list(training.pruner.masks) == ["0.weight", "3.weight", "8.weight"]
    assert training.pruner.total == TOTAL
    assert all(p.all() for n, p in training.model.named_parameters() if n.endswith("1.weight"))


@pytest.mark.parametrize("name", TWO_STARTS)
def test_memory_layout_does_not_change_the_masks(name: str) -> None:
    masks = []
    for layout in (torch.contiguous_format, torch.channels_last):
        training = Training(made(name, start=0.5))
        training.model.to(memory_format=layout)
        for _ in range(12):  # equal weights and gradients: layouts may differ in the last bits
            fill_up(training.model)
            training.pruner.step()
        masks.append(list(training.pruner.masks.values()))
    assert all(torch.equal(a, b) for a, b in zip(*masks, strict=True))


def fill_up(model: nn.Module) -> None:
    rng = np.random.default_rng(4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape)))
            parameter.grad = torch.empty_like(parameter).copy_(
                torch.from_numpy(rng.normal(size=parameter.shape))
            )


def test_a_rule_sees_exact_progress_and_flat_tensors_in_layer_order() -> None:
    seen: list[Update] = []

    def watch(update: Update) -> Update:
        seen.append(update)
        return update

    method = made("granet")
    training = Training(replace(method, recipe=replace(method.recipe, rule=watch)))
    training.run(15)
    fractions = [Fraction(n, 4) for n in (1, 2, 3, 4, 4)]
    assert [update.window for update in seen] == fractions
    assert [update.training for update in seen] == [Fraction(3 * c, 24) for c in range(1, 6)]
    assert [update.keep for update in seen] == [method.keep(c, TOTAL) for c in range(1, 6)]
    parameters = training.pruner.parameters.values()
    assert seen[-1].sizes == (162, 432, 40)
    assert torch.equal(seen[-1].weight, torch.cat([p.detach().flatten() for p in parameters]))
    assert torch.equal(seen[-1].gradient, torch.cat([p.grad.flatten() for p in parameters]))


@pytest.mark.parametrize("start", [0, 0.5])
def test_the_global_random_state_is_untouched(start: float) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    Training(made("granet", start=start)).run(16)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (np.random.get_state()[1].tolist(), random.getstate())


def test_a_gradient_that_is_not_finite_postpones_the_update_to_the_next_good_step() -> None:
    training = Training(made("fggp"))
    assert training.run(2) == [None, None]
    for bad in (float("nan"), float("inf")):  # at step 3, where the first update is due, and 4
        training.backward()
        first = next(iter(training.pruner.parameters.values()))
        assert first.grad is not None
        first.grad[0, 0, 0, 0] = bad
        assert training.pruner.step() is None  # as a gradient scaler skips the optimizer's step
    assert training.pruner.sparsity == 0
    assert training.step() == 1
    assert training.step() == 2  # at step 6, as ever
    assert training.run(3) == [None, None, 3]


def test_an_update_that_waits_survives_saving() -> None:
    training, resumed = Training(made("fggp")), Training(made("fggp"))
    training.run(2)
    training.backward()
    next(iter(training.pruner.parameters.values())).grad.fill_(float("nan"))  # type: ignore[union-attr]
    training.pruner.step()
    resumed.pruner.load_state_dict(copy.deepcopy(training.pruner.state_dict()))
    assert resumed.step() == 1


def test_cleared_gradients_are_named_with_the_fix_where_the_method_needs_them() -> None:
    training = Training(made("fggp"))
    training.run(2)
    with torch.no_grad():  # a step by hand, which no hook of the optimizer sees
        training.model.get_parameter("0.weight").mul_(0.9)
    training.optimizer.zero_grad()
    with pytest.raises(RuntimeError, match=r"no \.grad at a mask update: call pruner\.step\(\)"):
        training.pruner.step()
    assert training.pruner.sparsity == 0


def test_magnitude_pruning_needs_no_gradients() -> None:
    training = Training(made("gmp"))
    training.run(2)
    training.backward()
    training.optimizer.step()
    training.optimizer.zero_grad()
    assert training.pruner.step() == 1
    assert training.pruner.sparsity > 0


def without_classifier(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD([p for n, p in model.named_parameters() if n != "8.weight"], lr=0.1)


@pytest.mark.parametrize(
    ("optimizer", "params", "complaint"),
    [
        (sgd, ["0.weight", "head.weight"], r"no parameter 'head\.weight'"),
        (sgd, ["0"], "no parameter '0'"),
        (without_classifier, None, r"does not train 8\.weight; exclude it with params="),
    ],
)
def test_what_cannot_be_pruned_is_refused_before_anything_is_changed(
    optimizer: Any, params: list[str] | None, complaint: str
) -> None:
    model = network()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=complaint):
        fggp.Pruner(model, optimizer(model), made(start=0.5), params=params)
    assert same_bits(before, model.state_dict())


def test_layers_that_are_left_out_stay_dense() -> None:
    training = Training(made(start=0.5), without_classifier, params=["3.weight"])
    training.run(12)
    assert training.pruner.total == 432
    assert [layer.kept for layer in training.pruner.layers()] == [43]
    assert dict(training.model.named_parameters())["0.weight"].all()


def saved(training: Training) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(training.state(), file)
    file.seek(0)
    state: dict[str, Any] = torch.load(file, weights_only=True)
    return state


@pytest.mark.parametrize("optimizer", [sgd, adamw])
@pytest.mark.parametrize("after", [1, 3, 5, 13])
def test_continuing_from_a_saved_state_is_bit_equal(after: int, optimizer: Any) -> None:
    undisturbed, resumed = (Training(made("granet", start=0.5), optimizer) for _ in range(2))
    undisturbed.run(after)
    state = saved(undisturbed)
    undisturbed.run(18 - after)
    for name in ("model", "optimizer", "pruner"):
        getattr(resumed, name).load_state_dict(state[name])
    assert not same_bits(undisturbed.state(), resumed.state())
    resumed.run(18 - after)
    assert same_bits(undisturbed.state(), resumed.state())
    assert resumed.pruner.steps == 18


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            lambda masks: masks.pop("3.weight"),
            r"the state has no mask for 3\.weight of shape \(8, 6, 3, 3\)",
        ),
        (
            lambda masks: masks.update({"8.weight": torch.ones(5, 9, dtype=torch.bool)}),
            r"a mask of shape \(5, 9\) for 8\.weight of shape \(5, 8\)",
        ),
    ],
)
def test_a_state_of_other_layers_is_refused_and_changes_nothing(
    change: Callable[[dict[str, Tensor]], Any], complaint: str
) -> None:
    other = Training(made(start=0.5), seed=1)
    other.run(4)
    state = other.pruner.state_dict()
    change(state["masks"])
    pruner = Training(made(start=0.5)).pruner
    before = copy.deepcopy(pruner.state_dict())
    with pytest.raises(ValueError, match=complaint):
        pruner.load_state_dict(state)
    assert pruner.steps == 0
    assert same_bits(before, pruner.state_dict())


def test_a_state_with_more_layers_is_refused() -> None:
    pruner = Training(made(start=0.5)).pruner
    state = copy.deepcopy(pruner.state_dict())
    state["masks"]["9.weight"] = torch.ones(2, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"9\.weight"):
        pruner.load_state_dict(state)


def test_all_methods_with_two_starts_begin_at_the_same_sparse_mask() -> None:
    pruners = [Training(made(name, start=0.5), seed=3).pruner for name in TWO_STARTS]
    assert {sum(layer.kept for layer in pruner.layers()) for pruner in pruners} == {TOTAL // 2}
    assert {pruner.sparsity for pruner in pruners} == {0.5}
    assert len(pruners) >= 3
    assert all(same_bits(pruners[0].masks, pruner.masks) for pruner in pruners[1:])


def test_another_seed_begins_at_another_mask_of_equal_counts() -> None:
    one, other = (Training(made(start=0.5), seed=seed).pruner for seed in (3, 4))
    assert one.layers() == other.layers()
    assert not same_bits(one.masks, other.masks)


def test_a_dense_start_keeps_every_weight_until_the_first_update() -> None:
    training = Training(made())
    assert training.pruner.sparsity == 0
    assert training.run(3) == [None, None, 1]
    s = Fraction(9, 10) * (1 - Fraction(3, 4) ** 3)
    kept = TOTAL - int(TOTAL * s + Fraction(1, 2))
    assert sum(layer.kept for layer in training.pruner.layers()) == kept


def test_three_lines_prune_in_a_plain_loop() -> None:
    model, steps = network(), 112
    optimizer = sgd(model)
    pruner = fggp.Pruner(
        model,
        optimizer,
        fggp.method("fggp", sparsity=0.95, initial_sparsity=0.5, steps=steps),
    )
    updates = []
    for _ in range(steps):
        nn.functional.cross_entropy(model(IMAGES), LABELS).backward()
        optimizer.step()
        updates.append(pruner.step())
        optimizer.zero_grad()
    assert [u for u in updates if u] == list(range(1, 29))
    assert sum(int(p.count_nonzero()) for p in pruner.parameters.values()) == 32
    assert pruner.sparsity == 1 - 32 / TOTAL


def test_a_closure_gives_the_same_bits_as_a_plain_step() -> None:
    plain, closed = Training(made(start=0.5)), Training(made(start=0.5))
    plain.run(8)

    def closure() -> float:
        closed.backward()
        return 0.0

    for _ in range(8):
        closed.optimizer.step(closure)
        closed.pruner.step()
    assert same_bits(plain.state(), closed.state())


def test_printing_lists_every_layer_and_the_sparsity() -> None:
    pruner = Training(made(start=0.5)).pruner
    lines = str(pruner).splitlines()
    assert len(lines) == 4
    for line, layer in zip(lines, pruner.layers(), strict=False):
        assert line.split() == [layer.name, str(layer.kept), "/", str(layer.total)]
    assert lines[-1] == "fggp: sparsity 0.500000 of 0.9 after step 0 of 24"


def test_layers_are_described_by_name_shape_and_counts() -> None:
    layers = Training(made(start=0.5)).pruner.layers()
    assert [(x.name, x.shape, x.total) for x in layers] == [
        ("0.weight", (6, 3, 3, 3), 162),
        ("3.weight", (8, 6, 3, 3), 432),
        ("8.weight", (5, 8), 40),
    ]


def test_the_dense_method_prunes_nothing() -> None:
    try:
        method = made("dense", sparsity=0.9)
    except ValueError:
        return
    assert Training(method).pruner.sparsity == 0


def test_steps_after_the_last_are_warned_of_once() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    pruner = fggp.Pruner(model, optimizer, fggp.method("gmp", sparsity=0.5, steps=2))

    def step() -> None:
        nn.functional.cross_entropy(model(IMAGES), LABELS).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()

    step()
    step()
    with pytest.warns(RuntimeWarning, match="after the 2 steps .* not epochs"):
        step()
    step()
