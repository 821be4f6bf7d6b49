"""The contract of every registered method; a new file in src/fggp/methods is tested by itself.

Each test id names the method and its start: `pytest -k "contract and fggp"`.
"""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import ceil, floor
from typing import Any

import numpy as np
import pytest
import torch
from networks import IMAGES, LABELS, SIZES, TOTAL, in_time, network
from torch import Tensor, nn

from fggp import METHODS, Pruner
from fggp.methods import Definition
from fggp.methods.registry import method
from fggp.pruning.initial_masks import Random
from fggp.pruning.rules import Rule, Sequence
from fggp.pruning.timing import Method, Timing

TIMING = Timing(steps=24, begin=0, end=12, every=3)
TARGET = Fraction(9, 10)


@dataclass(frozen=True)
class Case:
    """A method with one of its starts."""

    definition: Definition
    start: Fraction | None

    def __str__(self) -> str:
        start = "any" if self.start is None else f"{float(self.start):.0%}"
        return f"{self.definition.name}-from-{start}"

    def method(self, sparsity: Fraction = TARGET) -> Method:
        target = sparsity if self.prunes else 0
        return method(
            self.definition.name,
            sparsity=target,
            initial_sparsity=self.start or 0,
            steps=TIMING.steps,
            timing=TIMING,
            **in_time(self.definition.name, TIMING),
        )

    @property
    def prunes(self) -> bool:
        return self.definition.starts != "none"

    @property
    def target(self) -> int:
        """K at the end, by the formula."""
        sparsity = TARGET if self.prunes else Fraction(0)
        return TOTAL - floor(TOTAL * sparsity + Fraction(1, 2))


def starts(definition: Definition) -> Iterator[Case]:
    both = (Fraction(0), Fraction(1, 2))
    for start in both if definition.starts == "both" else (None,):
        yield Case(definition, start)


# A method that is another network has nothing to do in anybody's loop.
PRUNERS = [it for it in METHODS.values() if not it.recipe().narrow]
CASES = [case for definition in PRUNERS for case in starts(definition)]
EXACT = [case for case in CASES if case.definition.exact]
FLOORED = [case for case in CASES if case.method().recipe.floor]
HARD = [case for case in CASES if case.definition.masking == "hard"]
RANDOM = [  # an initial mask that is drawn
    case
    for case in CASES
    if isinstance(case.method().recipe.initial, Random) and case.method().initial_sparsity
]
every_method = pytest.mark.parametrize("definition", list(METHODS.values()), ids=lambda d: d.name)
every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_hard_case = pytest.mark.parametrize("case", HARD, ids=str)


class Training:
    """A plain loop over one batch, one step at a time."""

    def __init__(self, case: Case, *, seed: int = 0, sparsity: Fraction = TARGET) -> None:
        self.model = network()
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
        )
        self.pruner = Pruner(
            self.model,
            self.optimizer,
            case.method(sparsity),
            seed=seed,
            batches=[(IMAGES, LABELS)],
            loss=nn.functional.cross_entropy,
        )

    def step(self) -> int | None:
        nn.functional.cross_entropy(self.model(IMAGES), LABELS).backward()
        self.optimizer.step()
        update = self.pruner.step()
        self.optimizer.zero_grad()
        return update

    @property
    def mask(self) -> Tensor:
        return torch.cat([mask.flatten() for mask in self.pruner.masks.values()])

    def flat(self) -> tuple[Tensor, Tensor]:
        parameters = list(self.pruner.parameters.values())
        states = [self.optimizer.state.get(p, {}) for p in parameters]  # empty once rewound
        momentum = [
            state.get("momentum_buffer", torch.zeros_like(p))
            for p, state in zip(parameters, states, strict=True)
        ]
        weights = [p.detach() for p in parameters]
        return torch.cat([w.flatten() for w in weights]), torch.cat([m.flatten() for m in momentum])

    def save(self) -> bytes:
        file = io.BytesIO()
        torch.save({name: getattr(self, name).state_dict() for name in PARTS}, file)
        return file.getvalue()

    def load(self, content: bytes) -> None:
        state = torch.load(io.BytesIO(content), weights_only=True)
        for name in PARTS:
            getattr(self, name).load_state_dict(state[name])


PARTS = ("model", "optimizer", "pruner")
POINTS = {0: "start", 2: "before", 3: "at", 4: "after", 12: "last", 13: "past", 15: "window-over"}


@dataclass
class Trace:
    """The states of one whole training after every step; index 0 is before the first."""

    masks: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    momenta: list[Tensor] = field(default_factory=list)
    updates: list[int | None] = field(default_factory=list)
    full: list[Tensor] = field(default_factory=list)
    saved: dict[int, bytes] = field(default_factory=dict)
    final: Training | None = None


@cache
def trace(case: Case, seed: int = 0) -> Trace:
    training, seen = Training(case, seed=seed), Trace()
    seen.masks.append(training.mask)
    for step in range(TIMING.steps):
        if step in POINTS:
            seen.saved[step] = training.save()
        seen.updates.append(training.step())
        weight, momentum = training.flat()
        seen.masks.append(training.mask)
        seen.weights.append(weight)
        seen.momenta.append(momentum)
        dense = training.pruner.state_dict()["dense"]
        seen.full.append(weight if dense is None else torch.cat([it.flatten() for it in dense]))
    seen.final = training
    return seen


def grows(rule: Rule | None) -> bool:
    parts = rule.rules if isinstance(rule, Sequence) else (rule,)
    return any(getattr(part, "grows", False) for part in parts)


@pytest.mark.parametrize("case", EXACT, ids=str)
def test_the_count_is_the_scheduled_one_at_every_step_and_the_target_at_the_last(
    case: Case,
) -> None:
    seen, planned = trace(case), case.method()
    expected = planned.keep(0, TOTAL)
    for mask, update in zip(seen.masks, [None, *seen.updates], strict=True):
        if update is not None:
            expected = planned.keep(update, TOTAL)
        assert int(mask.sum()) == expected
    assert expected == case.target
    window = [update for update in seen.updates[: TIMING.end] if update]
    timing, every = planned.timing, planned.recipe.every
    due = [c for c in range(1, timing.updates + 1) if c % every == 0]
    assert window == (due if planned.recipe.rule else [])
    assert all(int(mask.sum()) == case.target for mask in seen.masks[TIMING.end :])


@pytest.mark.parametrize("case", [case for case in CASES if case.start == 0], ids=str)
def test_a_dense_start_is_dense(case: Case) -> None:
    assert trace(case).masks[0].all()


@pytest.mark.parametrize("case", [case for case in CASES if case.start], ids=str)
def test_a_sparse_start_has_its_exact_count(case: Case) -> None:
    assert int(trace(case).masks[0].sum()) == TOTAL // 2


@every_hard_case
def test_weights_and_momentum_are_zero_off_the_mask_after_every_step(case: Case) -> None:
    seen = trace(case)
    for mask, weight, momentum in zip(seen.masks[1:], seen.weights, seen.momenta, strict=True):
        assert not weight[~mask].any()
        assert not momentum[~mask].any()
        assert weight[mask].any()


@pytest.mark.parametrize("case", [case for case in CASES if case not in HARD], ids=str)
def test_soft_masking_keeps_values_off_the_mask_and_its_last_network_is_sparse(case: Case) -> None:
    seen = trace(case)
    assert case.method().recipe.soft is not None
    full, mask = seen.full[TIMING.end - 2], seen.masks[TIMING.end - 1]
    assert full[~mask].any()
    assert not seen.weights[-1][~seen.masks[-1]].any()


@every_case
def test_masks_are_nested_unless_the_rule_grows(case: Case) -> None:
    masks = trace(case).masks
    returned = [bool((later & ~earlier).any()) for earlier, later in pairwise(masks)]
    assert any(returned) == grows(case.method().recipe.rule)


@every_case
def test_the_same_seed_gives_the_same_bits(case: Case) -> None:
    one, again = trace(case), Training(case)
    for step in range(6):
        again.step()
        assert torch.equal(again.mask, one.masks[step + 1])
        assert torch.equal(again.flat()[0], one.weights[step])


@pytest.mark.parametrize("case", RANDOM, ids=str)
def test_another_seed_gives_another_mask(case: Case) -> None:
    assert not torch.equal(trace(case).masks[0], Training(case, seed=1).mask)


@pytest.mark.parametrize("step", POINTS, ids=POINTS.get)
@every_case
def test_continuing_from_any_kind_of_step_is_bit_equal(case: Case, step: int) -> None:
    seen, resumed = trace(case), Training(case, seed=7)
    resumed.load(seen.saved[step])
    steps = min(7, TIMING.steps - step)
    updates = [resumed.step() for _ in range(steps)]
    assert updates == seen.updates[step : step + steps]
    weight, momentum = resumed.flat()
    assert torch.equal(resumed.mask, seen.masks[step + steps])
    assert torch.equal(weight, seen.weights[step + steps - 1])
    assert torch.equal(momentum, seen.momenta[step + steps - 1])


@pytest.mark.parametrize("case", [case for case in HARD if case in EXACT], ids=str)
def test_a_training_goes_on_after_masks_were_pruned_below_the_schedule_by_hand(case: Case) -> None:
    training = Training(case)
    for step in range(TIMING.steps):
        training.step()
        if step == 4:
            for mask in training.pruner.masks.values():
                mask.logical_and_((mask.flatten().cumsum(0) <= case.target // 6).view_as(mask))
            training.pruner.apply()
            by_hand = int(training.mask.sum())
            assert 0 < by_hand < case.target
    grows_back = case.definition.name == "mest"
    assert int(training.mask.sum()) == (case.target if grows_back else by_hand)


@every_case
def test_the_global_random_state_is_untouched(case: Case) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    training = Training(case)
    for _ in range(4):
        training.step()
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (np.random.get_state()[1].tolist(), random.getstate())


@pytest.mark.filterwarnings("ignore:all gradients are zero")
@pytest.mark.parametrize("case", [case for case in CASES if case not in FLOORED], ids=str)
def test_an_emptied_layer_shows_in_the_list_of_layers(case: Case) -> None:
    training = Training(case, sparsity=Fraction(995, 1000))
    for _ in range(TIMING.end):
        training.step()
    for layer in training.pruner.layers():
        weight = training.pruner.parameters[layer.name]
        assert layer.kept == int(training.pruner.masks[layer.name].sum())
        assert int(weight.count_nonzero()) <= layer.kept
        assert layer.total == weight.numel()
    if case.prunes and case.definition.exact:
        assert sum(layer.kept for layer in training.pruner.layers()) == 3


@pytest.mark.parametrize("case", FLOORED, ids=str)
def test_a_floor_keeps_its_share_of_every_layer_after_every_step(case: Case) -> None:
    for mask in trace(case).masks:
        for layer in mask.split(SIZES):
            assert int(layer.sum()) >= ceil(case.method().recipe.floor * len(layer))


@every_case
def test_the_state_dict_of_the_model_has_its_own_keys(case: Case) -> None:
    training = trace(case).final
    assert training is not None
    assert not [key for key in training.model.state_dict() if not key[0].isdigit()]
    assert len(training.model.state_dict()) == 14


@every_method
def test_a_method_is_documented_and_names_its_paper(definition: Definition) -> None:
    assert definition.summary.endswith(".")
    assert len(definition.summary) > 10
    assert definition.paper.strip()


@every_method
def test_a_method_says_its_rule_in_a_formula_and_explains_no_setting_that_it_has_not(
    definition: Definition,
) -> None:
    assert definition.docstring.formula
    assert all(definition.docstring.formula)
    assert set(definition.docstring.arguments) <= set(definition.settings.model_fields)


@every_method
def test_the_defaults_of_all_settings_are_valid_and_survive_json(definition: Definition) -> None:
    defaults: dict[str, Any] = definition.settings().model_dump(mode="json")
    assert definition.recipe(**defaults) == definition.recipe()
    assert set(defaults) == set(definition.settings.model_fields)


@every_method
def test_an_unknown_setting_is_refused(definition: Definition) -> None:
    with pytest.raises(ValueError, match="no-such-setting"):
        definition.recipe(**{"no-such-setting": 1})


def test_every_file_of_the_package_registers_a_method() -> None:
    assert {"dense", "fggp", "gmp", "granet", "random"} <= set(METHODS)
    assert all(name == definition.name for name, definition in METHODS.items())
