"""Against slow references: sets of positions, and multiplications that are really made."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import small
import torch
from fabricate import result_of
from networks import IMAGES, LABELS, TOTAL, network
from torch import Tensor, nn
from torch.nn.functional import conv2d, cross_entropy, linear

from fggp import Pruner
from fggp.data import Dataset
from fggp.foundation.exact import kept_count
from fggp.methods import find
from fggp.models import build
from fggp.pruning.distributions import erk
from fggp.pruning.filters.positions import output_positions
from fggp.pruning.mask_update import Update, gradient, magnitude
from fggp.pruning.rules import PruneTo
from fggp.pruning.selections import Floored, Largest, PerLayer
from fggp.pruning.timing import Method, Timing
from fggp.training.diagnostics import Diagnostics, dead_neurons
from fggp.training.flops import Watch
from fggp.training.train import train

SHAPE = IMAGES.shape[1:]
CPU = torch.device("cpu")


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return build(name)


def sizes(model: nn.Module) -> dict[str, int]:
    return {name: p.numel() for name, p in model.named_parameters() if p.ndim > 1}


# ------------------------------------------------------------------------- output positions


@pytest.mark.parametrize(("name", "macs"), [("vgg19", 398_136_320), ("resnet50", 1_297_829_888)])
def test_dense_work_is_that_of_the_published_networks(name: str, macs: int) -> None:
    model = on_meta(name)
    positions = output_positions(model, (3, 32, 32))
    assert positions.keys() == sizes(model).keys()
    assert sum(positions[layer] * size for layer, size in sizes(model).items()) == macs


@pytest.mark.parametrize(
    ("name", "fractions"),
    [("vgg19", (0.731, 0.222, 0.113, 0.047)), ("resnet50", (0.703, 0.231, 0.116, 0.045))],
)
def test_the_share_of_work_under_erk_is_the_published_one(
    name: str, fractions: tuple[float, ...]
) -> None:
    model = on_meta(name)
    positions = output_positions(model, (3, 32, 32))
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters() if p.ndim > 1}
    total = sum(sizes(model).values())
    dense = sum(positions[layer] * size for layer, size in sizes(model).items())
    for sparsity, expected in zip(("0.5", "0.9", "0.95", "0.98"), fractions, strict=True):
        counts = erk(list(shapes.values()), kept_count(total, Fraction(sparsity)))
        macs = sum(positions[layer] * n for layer, n in zip(shapes, counts, strict=True))
        assert macs / dense == pytest.approx(expected, abs=6e-4)


def test_positions_follow_strides_the_size_of_the_image_and_repeated_calls() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
            self.again = nn.Conv2d(4, 4, 1)
            self.last = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.again(self.again(self.first(x)))
            out: Tensor = self.last(x.movedim(1, -1))  # one output for each pixel
            return out

    expected = {"first.weight": 15, "again.weight": 30, "last.weight": 15}
    assert output_positions(Twice(), (3, 6, 10)) == expected


def test_layers_that_share_a_weight_add_their_positions() -> None:
    model = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1, stride=step) for step in (1, 2, 1)))
    model[2].weight = model[0].weight
    assert output_positions(model, (3, 6, 6)) == {"0.weight": 36 + 9, "1.weight": 9}


def test_counting_positions_leaves_the_network_and_the_random_state() -> None:
    model = network().train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    output_positions(model, SHAPE)
    assert torch.equal(state, torch.get_rng_state())
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(value.device == CPU for value in model.state_dict().values())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_tensor_whose_work_is_not_known_is_refused_by_name() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2), nn.Conv1d(4, 2, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    pruner = Pruner(model, optimizer, method("gmp"))
    with pytest.raises(ValueError, match=r"^2\.weight is not the weight of a convolution or"):
        Diagnostics(model, pruner, SHAPE)


# ------------------------------------------------------------------------- following the masks

STEPS = 14
TIMING = Timing(steps=STEPS, begin=0, end=10, every=2)


def method(name: str, **settings: Any) -> Method:
    start = Fraction(1, 2) if find(name).starts == "both" else Fraction(4, 5)
    target = Fraction(4, 5)
    if name == "dense":
        start = target = Fraction(0)
    return Method(name, find(name).recipe(**settings), target, start, TIMING)


@dataclass(frozen=True)
class Case:
    name: str
    settings: dict[str, Any]
    reads: int
    """Steps whose gradient each update reads."""

    def __str__(self) -> str:
        return "-".join([self.name, *map(str, self.settings.values())])


CASES = [
    Case("dense", {}, 0),
    Case("random", {}, 0),
    Case("gmp", {}, 0),
    Case("set", {}, 0),
    Case("rigl", {}, 1),
    Case("rigl-itop", {"every": 2}, 1),
    Case("granet", {}, 1),
    Case("fggp", {}, 1),
    Case("fggp", {"pool": "kept"}, 1),
    Case("fggp", {"scope": "layer"}, 1),
    Case("fggp", {"pool": "kept", "grow": "gradient", "rate": 0.9}, 1),
    Case("fggp", {"gradient_steps": 2}, 2),
    Case("fggp", {"gradient_steps": 5}, 2),  # an update forgets the gradients before it
]
every_case = pytest.mark.parametrize("case", CASES, ids=str)


class Followed:
    """A training on batches of unequal size, and what a slow reference makes of it."""

    def __init__(self, case: Case) -> None:
        self.case, self.model = case, network()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.pruner = Pruner(self.model, self.optimizer, method(case.name, **case.settings))
        self.diagnostics = Diagnostics(self.model, self.pruner, SHAPE)
        self.records: list[dict[str, int]] = []
        self.seen = [self.active]  # after initialization and after each update
        self.recorded = [self.active]
        self.explored: list[int] = []
        self.training_macs = 0
        self.images: list[int] = []

    @property
    def active(self) -> set[tuple[str, int]]:
        return {
            (name, int(index))
            for name, mask in self.pruner.masks.items()
            for index in mask.flatten().nonzero()
        }

    def macs(self, masks: dict[str, Tensor]) -> int:
        """Multiply ones by the masks: every output counts the products it is a sum of."""
        first, second, last = (mask.float() for mask in masks.values())
        made = (
            conv2d(torch.ones(1, 3, 6, 6), first).sum()
            + conv2d(torch.ones(1, 6, 4, 4), second).sum()
            + linear(torch.ones(1, 8), last).sum()
        )
        return int(made)

    def step(self) -> None:
        images = 3 + self.pruner.steps % 4
        before = {name: mask.clone() for name, mask in self.pruner.masks.items()}
        loss = cross_entropy(self.model(IMAGES[:images]), LABELS[:images])
        loss.backward()
        self.optimizer.step()
        update = self.pruner.step()
        self.optimizer.zero_grad()
        self.diagnostics.step(images, updated=update is not None)
        self.training_macs += 3 * images * self.macs(before)
        self.images.append(images)
        if update is None:
            return
        self.seen.append(self.active)
        if self.case.reads:
            dense = self.macs({name: torch.ones_like(mask) for name, mask in before.items()})
            rest = dense - self.macs(before)
            self.training_macs += rest * sum(self.images[-self.case.reads :])
        if update % 2 == 0:
            self.records.append(self.diagnostics.record())
            self.recorded.append(self.active)
            self.explored.append(len(set().union(*self.seen)))

    def outcome(self) -> dict[str, Any]:
        return self.diagnostics.outcome(lambda: self.model.eval()(IMAGES))


@every_case
def test_changes_and_exploration_are_those_of_the_sets_of_active_weights(case: Case) -> None:
    followed = Followed(case)
    for _ in range(STEPS):
        followed.step()
    pairs = zip(followed.recorded, followed.recorded[1:], followed.explored, strict=False)
    assert followed.records == [
        {"dropped": len(before - after), "grown": len(after - before), "explored": explored}
        for before, after, explored in pairs
    ]
    assert bool(followed.records) == (case.name not in {"dense", "random"})
    assert followed.outcome()["explored"] == len(set().union(*followed.seen))


def test_what_was_active_between_two_records_is_explored_and_not_churn() -> None:
    followed = Followed(Case("set", {}, 0))
    mask = next(iter(followed.pruner.masks.values()))
    visited = (~mask).nonzero()[0].tolist()
    for value in (True, False):
        mask[tuple(visited)] = value
        followed.diagnostics.step(1, updated=True)
    start = len(followed.seen[0])
    assert followed.diagnostics.record() == {"dropped": 0, "grown": 0, "explored": start + 1}


@every_case
def test_work_is_that_of_every_step_and_of_every_gradient_that_was_read(case: Case) -> None:
    followed = Followed(case)
    assert followed.outcome()["training_macs"] == 0
    for step in range(STEPS):
        followed.step()
        if step in (3, 4, STEPS - 1):
            assert followed.outcome()["training_macs"] == followed.training_macs
    outcome = followed.outcome()
    dense = 6 * 27 * 16 + 8 * 54 * 4 + 40
    assert outcome["dense_macs"] == dense
    assert outcome["inference_macs"] == followed.macs(followed.pruner.masks)
    if case.name == "dense":
        assert outcome["training_macs"] == 3 * dense * sum(followed.images)


def test_work_is_exact_beyond_what_a_float_can_hold() -> None:
    followed = Followed(CASES[0])
    dense = followed.outcome()["dense_macs"]
    for images in (10**15 + 1, 10**15, 7):
        followed.diagnostics.step(images, updated=False)
    assert followed.outcome()["training_macs"] == 3 * dense * (2 * 10**15 + 8)


@pytest.mark.parametrize("case", [CASES[3], CASES[6], CASES[11]], ids=str)
@pytest.mark.parametrize("point", [0, 1, 2, 3, 4, 5, 9, 13])
def test_a_state_that_was_saved_and_loaded_goes_on_as_if_it_had_not(case: Case, point: int) -> None:
    straight, stopped, resumed = Followed(case), Followed(case), Followed(case)
    for _ in range(STEPS):
        straight.step()
    for _ in range(point):
        stopped.step()
    file = io.BytesIO()
    parts = ("model", "optimizer", "pruner", "diagnostics")
    torch.save({part: getattr(stopped, part).state_dict() for part in parts}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    for part in parts:
        getattr(resumed, part).load_state_dict(state[part])
    for _ in range(STEPS - point):
        resumed.step()
    assert stopped.records + resumed.records == straight.records
    assert resumed.outcome() == straight.outcome()


# ------------------------------------------------------------------------- the gradient


def seen_by_a_rule(**changes: Any) -> Update:
    random = np.random.default_rng(0)
    weight, slope = torch.from_numpy(random.normal(size=(2, TOTAL)))
    everything = torch.ones(TOTAL, dtype=torch.bool)
    values = {
        "weight": weight, "dense_gradient": slope, "mask": everything, "survived": everything,
        "sizes": (162, 432, 40), "keep": 300, "window": Fraction(1, 2), "training": Fraction(1, 4),
        "random": random,
    }  # fmt: skip
    return Update(**values | changes)


@pytest.mark.parametrize("score", [magnitude, gradient])
@pytest.mark.parametrize(
    "around",
    [lambda it: it, PerLayer, lambda it: Floored(it, Fraction(1, 10))],
    ids=["global", "layer", "floor"],
)
def test_a_gradient_that_is_read_is_seen_in_parts_and_copies_of_an_update_too(
    score: Any, around: Any
) -> None:
    watch = Watch(PruneTo(around(Largest(score))))
    watched, plain = watch(seen_by_a_rule()), watch.rule(seen_by_a_rule())
    assert torch.equal(watched.mask, plain.mask)
    assert torch.equal(watched.survived, plain.survived)
    assert watch.read_gradient == (score is gradient)


def test_a_rule_that_reads_the_gradient_at_times_is_seen_at_those_times_alone() -> None:
    def rule(update: Update) -> Update:
        return PruneTo(Largest(gradient if update.keep > 400 else magnitude))(update)

    watch = Watch(rule)
    for keep, read in [(500, True), (300, False), (450, True), (300, False)]:
        watch(seen_by_a_rule(keep=keep))
        assert watch.read_gradient == read


def test_a_gradient_that_was_cleared_is_refused_as_without_a_watch() -> None:
    with pytest.raises(RuntimeError, match=r"has no \.grad at a mask"):
        Watch(PruneTo(Largest(gradient)))(seen_by_a_rule(dense_gradient=None))


# ------------------------------------------------------------------------- dead neurons


def evaluated(model: nn.Module, *batches: Tensor) -> Callable[[], None]:
    def evaluate() -> None:
        model.eval()
        with torch.no_grad():
            for batch in batches:
                model(batch)

    return evaluate


def test_a_channel_is_dead_where_it_is_zero_for_every_image_of_every_batch() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(inplace=True))
    model[0].bias.data.copy_(torch.tensor([-9.0, 0.0, 9.0]))
    first, second = -torch.ones(2, 3, 4, 4), -torch.ones(1, 3, 4, 4)
    second[0, 1, 2, 3] = 1  # one pixel of one image wakes the second channel up
    for batches, dead in [((first,), 2), ((first, second), 1), ((second, first), 1)]:
        rows = dead_neurons(model, evaluated(model, *batches))
        assert rows == [{"name": "1", "call": 1, "dead": dead, "channels": 3}]


def test_each_call_of_a_module_that_is_called_several_times_counts_by_itself() -> None:
    class Thrice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU(inplace=True)
            self.other = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            first = self.relu(x - 1)  # no image has more than 1
            second = self.relu(x * 1)
            out: Tensor = self.other(self.relu(first + second - 0.5))
            return out

    images = torch.tensor([[0.2, 0.7, -1.0], [0.4, 0.1, -2.0]])
    model = Thrice()
    assert dead_neurons(model, evaluated(model, images, images - 0.1)) == [
        {"name": "relu", "call": 1, "dead": 3, "channels": 3},
        {"name": "relu", "call": 2, "dead": 1, "channels": 3},
        {"name": "relu", "call": 3, "dead": 2, "channels": 3},
        {"name": "other", "call": 1, "dead": 2, "channels": 3},
    ]


@pytest.mark.parametrize(("name", "count"), [("vgg19", 16), ("resnet50", 1 + 3 * 16)])
def test_every_relu_of_a_backbone_is_counted_as_often_as_it_is_called(
    name: str, count: int
) -> None:
    torch.manual_seed(0)
    model = build(name, width=Fraction(1, 16))
    rows = dead_neurons(model, evaluated(model, torch.randn(2, 3, 16, 16)))
    assert len({(row["name"], row["call"]) for row in rows}) == len(rows) == count
    assert all(0 <= row["dead"] <= row["channels"] for row in rows)
    norms = [m.num_features for n, m in model.named_modules()
             if isinstance(m, nn.BatchNorm2d) and "downsample" not in n]  # fmt: skip
    assert [row["channels"] for row in rows] == norms


def test_a_network_that_is_not_a_number_is_not_dead() -> None:
    model = nn.Sequential(nn.ReLU())
    rows = dead_neurons(model, evaluated(model, torch.full((2, 3), float("nan"))))
    assert rows[0]["dead"] == 0


def test_no_hook_is_left_even_where_the_evaluation_fails() -> None:
    model = network()
    with pytest.raises(RuntimeError):
        dead_neurons(model, evaluated(model, torch.ones(1)))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


# ------------------------------------------------------------------------- in a training


cell = partial(small.cell, sparsity=0.9, lr=0.05)


def pruned(name: str, *, diagnosed: bool) -> list[Tensor]:
    """Return all that a training leaves, diagnosed at every step or not at all."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    pruner = Pruner(model, optimizer, method(name))
    diagnostics = Diagnostics(model, pruner, SHAPE) if diagnosed else None
    for _ in range(STEPS):
        cross_entropy(model(IMAGES), LABELS).backward()
        optimizer.step()
        update = pruner.step()
        optimizer.zero_grad()
        if diagnostics is not None:
            diagnostics.step(len(IMAGES), updated=update is not None)
            diagnostics.record()
            diagnostics.state_dict()
    model.eval()
    if diagnostics is not None:
        diagnostics.outcome(lambda: model(IMAGES))
    buffers = [optimizer.state[p]["momentum_buffer"] for p in model.parameters()]
    return [*model.state_dict().values(), *pruner.masks.values(), *buffers, torch.get_rng_state()]


@pytest.mark.parametrize("name", ["granet", "fggp", "set", "gmp"])
def test_diagnostics_change_no_bit_of_a_training(name: str) -> None:
    seen, blind = pruned(name, diagnosed=True), pruned(name, diagnosed=False)
    assert all(torch.equal(one, other) for one, other in zip(seen, blind, strict=True))


def test_an_outcome_holds_work_that_fits_its_layers_and_its_updates(digits: Dataset) -> None:
    outcome = train(cell("set"), digits, device=CPU, store=small.Forgetful()).plain()
    assert outcome["inference_macs"] == sum(layer["macs"] for layer in outcome["layers"])
    assert 0 < outcome["inference_macs"] < outcome["dense_macs"]
    images = 3 * outcome["images"]["train"]  # three epochs, the last batch of each is smaller
    assert outcome["training_macs"] == 3 * images * outcome["inference_macs"]  # static counts
    for update in outcome["updates"]:
        assert update["dropped"] == update["grown"] > 0
    explored = [update["explored"] for update in outcome["updates"]]
    assert explored == sorted(explored)
    assert outcome["target"] < explored[0]
    assert explored[-1] == outcome["explored"]
    assert sum(row["channels"] for row in outcome["dead_neurons"]) == 172


def leaves(value: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{prefix}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, f"{prefix}[]")
    else:
        yield f"{prefix} {type(value).__name__}"


def test_the_fabricated_results_have_the_fields_and_types_of_real_ones(digits: Dataset) -> None:
    outcome = train(cell("set"), digits, device=CPU, store=small.Forgetful()).plain()
    made_up = result_of(cell("gmp"), 900)["outcome"]
    assert set(leaves({"numerics": 1} | outcome)) == set(leaves(made_up))
