"""Soft masking beside plain trainings whose dense weights and masked forward pass are explicit."""

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from networks import IMAGES, LABELS, TOTAL, network
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

import fggp
from fggp.pruning.mask_update import Update, magnitude
from fggp.pruning.rules import Choose, Shrink, clear
from fggp.pruning.selections import Largest, PerLayer
from fggp.pruning.timing import Timing

TIMING = Timing(steps=24, begin=0, end=12, every=3)
SOFT = [name for name, it in fggp.METHODS.items() if it.masking == "soft"]
PRUNED = ("0.weight", "3.weight", "8.weight")
Masks = list[NDArray[np.bool_]]


def sgd(model: nn.Module, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-3, **options
    )


def batch(step: int) -> Tensor:
    return IMAGES.roll(step, dims=3) + step / 10


def pruner_of(
    model: nn.Module, optimizer: torch.optim.Optimizer, name: str, start: Any = 0, **settings: Any
) -> fggp.Pruner:
    if name == "dpf":
        settings = {"period": 3} | settings
    if fggp.METHODS[name].starts != "both":
        start = 0
    method = fggp.method(
        name, sparsity=0.9, initial_sparsity=start, steps=24, timing=TIMING, **settings
    )
    return fggp.Pruner(model, optimizer, method, seed=3)


class Training:
    """The pruner in a plain loop."""

    def __init__(self, name: str, start: Any = 0, *, fused: bool = False, **settings: Any) -> None:
        self.model = network()
        self.optimizer = sgd(self.model, fused=fused)
        self.pruner = pruner_of(self.model, self.optimizer, name, start, **settings)
        self.at = 0

    def backward(self) -> None:
        self.at += 1
        nn.functional.cross_entropy(self.model(batch(self.at)), LABELS).backward()

    def step(self) -> None:
        self.backward()
        self.optimizer.step()
        self.pruner.step()
        self.optimizer.zero_grad()

    def run(self, steps: int) -> "Training":
        for _ in range(steps):
            self.step()
        return self

    @property
    def full(self) -> list[Tensor]:
        """The weights that the optimizer trains."""
        dense = self.pruner.state_dict()["dense"]
        return [t.clone() for t in dense or self.shown]

    @property
    def used(self) -> list[Tensor]:
        """The weights that masks act on: those of the optimizer, or those it trains scores of."""
        frozen = self.pruner.state_dict()["frozen"]
        return self.full if frozen is None else [t.clone() for t in frozen]

    @property
    def shown(self) -> list[Tensor]:
        """The weights that the model computes with."""
        return [p.detach().clone() for p in self.pruner.parameters.values()]

    @property
    def masks(self) -> list[Tensor]:
        return [mask.clone() for mask in self.pruner.masks.values()]

    @property
    def momenta(self) -> list[Tensor]:
        states = [self.optimizer.state[p] for p in self.pruner.parameters.values()]
        return [state["momentum_buffer"].clone() for state in states]


def same(ones: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(ones, others, strict=True))


def largest(weights: list[Tensor], keep: int) -> Masks:
    """The ``keep`` largest magnitudes over all layers; of a tie the later position."""
    flat = np.concatenate([w.detach().abs().flatten().numpy() for w in weights])
    order = sorted(range(len(flat)), key=lambda i: (flat[i], i))
    mask = np.zeros(len(flat), dtype=bool)
    mask[order[len(flat) - keep :]] = True
    sizes = np.cumsum([w.numel() for w in weights])[:-1]
    return [m.reshape(tuple(w.shape)) for m, w in zip(np.split(mask, sizes), weights, strict=True)]


def cubic(start: str, c: int, updates: int) -> int:
    """K on the cubic schedule to 90 % at update c."""
    first, last = Fraction(start), Fraction(9, 10)
    sparsity = last + (first - last) * (1 - Fraction(min(c, updates), updates)) ** 3
    return TOTAL - floor(TOTAL * sparsity + Fraction(1, 2))


def n_of_m(weights: list[Tensor], most: int = 64) -> Masks:
    """The largest N of every M along the input channels, group by group, at 90 %."""
    keep = TOTAL - floor(TOTAL * Fraction(9, 10) + Fraction(1, 2))
    masks = []
    for weight in weights:
        w = weight.detach().abs().numpy()
        channels = w.shape[1]
        m = max(2**k for k in range(7) if 2**k <= most and channels % 2**k == 0)
        n = max(1, m - floor(m * (1 - Fraction(keep, TOTAL)) + Fraction(1, 2)))
        mask = np.zeros(w.shape, dtype=bool)
        for index in np.ndindex(w.shape[0], channels // m, *w.shape[2:]):
            out, group, *rest = index
            places = [(out, group * m + i, *rest) for i in range(m)]
            for place in sorted(places, key=lambda p: (w[p], p[1]))[m - n :]:
                mask[place] = True
        masks.append(mask)
    return masks


def weights_of(model: nn.Module) -> list[Tensor]:
    parameters = dict(model.named_parameters())
    return [parameters[name] for name in PRUNED]


class Plain:
    """Dense weights in the module, a masked copy of them in every forward pass.

    Args:
        masks: the initial ones.
        leak: the share of a pruned weight in the forward pass, at a step.
        chain: whether its gradient is that of autograd, or that of its masked value.
        pull: added to it, times the weight.

    """

    def __init__(
        self,
        masks: Masks,
        leak: Callable[[int], float] = lambda step: 0.0,
        *,
        chain: bool = False,
        pull: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.model = network().to(dtype)
        self.optimizer = sgd(self.model)
        self.masks = [torch.from_numpy(m) for m in masks]
        self.leak, self.chain, self.pull, self.dtype = leak, chain, pull, dtype
        self.at = 0

    @property
    def weights(self) -> list[Tensor]:
        return weights_of(self.model)

    def masked(self) -> list[Tensor]:
        leak = self.leak(self.at)
        factors = [torch.full_like(w, leak).masked_fill(m, 1) for w, m in self._pairs()]
        return [w * factor for w, factor in zip(self.weights, factors, strict=True)]

    def step(self) -> None:
        leaves = [w.detach().requires_grad_() for w in self.masked()]
        used = self.masked() if self.chain else leaves
        self.at += 1
        self.optimizer.zero_grad()
        images = batch(self.at).to(self.dtype)
        outputs = functional_call(self.model, dict(zip(PRUNED, used, strict=True)), images)
        nn.functional.cross_entropy(outputs, LABELS).backward()
        if not self.chain:
            for (weight, mask), leaf in zip(self._pairs(), leaves, strict=True):
                assert leaf.grad is not None
                weight.grad = leaf.grad + self.pull * weight.detach() * ~mask
        self.optimizer.step()

    def harden(self) -> None:
        with torch.no_grad():
            for weight, mask in self._pairs():
                weight.mul_(mask)
                self.optimizer.state[weight]["momentum_buffer"].mul_(mask)

    def _pairs(self) -> list[tuple[Tensor, Tensor]]:
        return list(zip(self.weights, self.masks, strict=True))


def agree(training: Training, plain: Plain) -> None:
    assert same(training.masks, plain.masks)
    assert same(training.full, plain.weights)
    assert same(training.shown, plain.masked())
    buffers = [plain.optimizer.state[w]["momentum_buffer"] for w in plain.weights]
    assert same(training.momenta, buffers)


def test_dpf_is_dense_training_with_a_masked_forward_pass() -> None:
    training = Training("dpf", start=0.5)
    plain = Plain([mask.numpy() for mask in training.masks])
    returned = 0
    for step in range(1, 25):
        training.step()
        plain.step()
        if step % 3 == 0:
            before = plain.masks
            masks = largest(plain.weights, cubic("1/2", step // 3, 4))
            plain.masks = [torch.from_numpy(mask) for mask in masks]
            pairs = zip(before, plain.masks, strict=True)
            returned += sum(int((new & ~old).sum()) for old, new in pairs) * (step > 12)
        agree(training, plain)
    assert returned > 0  # even after the window
    assert sum(int(w.count_nonzero()) for w in training.shown) == 63


def test_dpf_in_each_layer_has_the_same_sparsity_everywhere() -> None:
    training = Training("dpf", scope="layer").run(12)
    assert [layer.kept for layer in training.pruner.layers()] == [16, 43, 4]


def test_iss_is_dense_training_that_shrinks_the_smallest_weights_at_every_step() -> None:
    training = Training("iss", start=0.5, shrink=0.2)
    plain = Plain([mask.numpy() for mask in training.masks], leak=lambda step: float(step < 12))
    with torch.no_grad():
        for weight, mask in plain._pairs():
            weight.mul_(mask)  # a sparse start
    assert same(training.shown, plain.weights)
    for step in range(1, 25):
        training.step()
        plain.step()
        if step <= 12:
            masks = largest(plain.weights, cubic("1/2", step, 12))
            plain.masks = [torch.from_numpy(mask) for mask in masks]
            with torch.no_grad():
                for weight, mask in plain._pairs():
                    weight.copy_(torch.where(mask, weight, weight * 0.8))
        if step >= 12:
            plain.harden()
        agree(training, plain)
        assert all(bool(w.all()) for w in training.shown) == (step < 12)


@pytest.mark.parametrize("pull", [0.0002, 0.05])
def test_sr_ste_is_dense_training_with_a_masked_forward_pass_and_a_pull(pull: float) -> None:
    training = Training("sr-ste", pull=pull)
    plain = Plain(n_of_m(weights_of(network())), pull=pull)
    changed = 0
    for _ in range(24):
        training.step()
        plain.step()
        before = plain.masks
        plain.masks = [torch.from_numpy(mask) for mask in n_of_m(plain.weights)]
        changed += not same(before, plain.masks)
        agree(training, plain)
    assert changed > 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_decaying_mask_is_autograd_through_the_fading_weights(dtype: torch.dtype) -> None:
    model = network().to(dtype)
    optimizer = sgd(model)
    pruner = pruner_of(model, optimizer, "decaying-mask")
    plain = Plain(
        n_of_m(weights_of(network())),
        leak=lambda step: float(max(Fraction(0), 1 - Fraction(step, 12))),
        chain=True,
        dtype=dtype,
    )
    for step in range(1, 25):
        nn.functional.cross_entropy(model(batch(step).to(dtype)), LABELS).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
        plain.step()
        if step <= 12:
            plain.masks = [torch.from_numpy(mask) for mask in n_of_m(plain.weights)]
        if step >= 12:
            plain.harden()
        assert same(list(pruner.masks.values()), plain.masks)
        for shown, expected in zip(pruner.parameters.values(), plain.masked(), strict=True):
            assert torch.allclose(shown, expected, rtol=1e-6, atol=1e-9)
        assert pruner.leak == (None if step >= 12 else pytest.approx(1 - step / 12))


@pytest.mark.parametrize("name", SOFT)
def test_the_model_is_masked_whenever_the_loop_looks_at_it(name: str) -> None:
    training = Training(name, start=0.5)
    for _ in range(14):
        training.step()
        factors = [mask + (training.pruner.leak or 0) * ~mask for mask in training.masks]
        pairs = zip(training.used, factors, strict=True)
        assert same(training.shown, [w * factor for w, factor in pairs])


@pytest.mark.parametrize("name", SOFT)
def test_weights_that_the_loop_changes_after_the_pruner_are_lost_with_a_warning(name: str) -> None:
    training = Training(name)
    training.run(3)
    training.model.load_state_dict(copy.deepcopy(training.model.state_dict()))
    training.run(2)  # nothing is lost where the weights are those of the pruner
    with torch.no_grad():
        training.model[3].weight.clamp_(-0.01, 0.01)
    with pytest.warns(RuntimeWarning, match="changed in the model .* the pruner keeps the full"):
        training.run(1)


def scaled(training: Training, scaler: torch.amp.GradScaler, *, spoil: bool = False) -> None:
    """One step with a gradient scaler; a spoilt one overflows and comes from no batch."""
    training.at += not spoil
    loss = nn.functional.cross_entropy(training.model(batch(training.at)), LABELS)
    scaler.scale(loss).backward()
    if spoil:
        training.model[0].weight.grad[0, 0, 0, 0] = float("inf")
    scaler.step(training.optimizer)
    scaler.update()


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", [*SOFT, "gmp"])
def test_steps_that_a_gradient_scaler_skips_leave_no_trace(name: str, fused: bool) -> None:
    plain, training = (Training(name, start=0.5, fused=fused) for _ in range(2))
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    handle = training.pruner.attach()
    for step in range(15):
        plain.step()
        running = copy.deepcopy(training.model.state_dict())
        for _ in range(step % 5 // 2):
            before = training.shown, training.full
            scaled(training, scaler, spoil=True)
            assert same(training.shown, before[0])
            assert same(training.full, before[1])
            training.optimizer.zero_grad()
            training.model.load_state_dict(running)  # the forward pass moved the statistics
        scaled(training, scaler)
        training.optimizer.zero_grad()
        assert same(training.masks, plain.masks)
        assert same(training.full, plain.full)
        assert same(training.shown, plain.shown)
    assert training.pruner.steps == 15
    handle.remove()


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", SOFT)
def test_a_skipped_step_of_a_plain_loop_changes_no_weight_and_no_mask(
    name: str, fused: bool
) -> None:
    training = Training(name, fused=fused).run(7)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    full, masks, momenta = training.full, training.masks, training.momenta
    for _ in range(2):
        scaled(training, scaler, spoil=True)
        assert training.pruner.step() is None
        training.optimizer.zero_grad()
    assert same(training.masks, masks)
    assert same(training.full, full)
    assert same(training.momenta, momenta)
    training.step()
    assert not same(training.full, full)


@pytest.mark.parametrize("name", SOFT)
def test_attached_is_the_same_as_called(name: str) -> None:
    called, attached = Training(name).run(14), Training(name)
    attached.pruner.attach()
    for _ in range(14):
        attached.backward()
        attached.optimizer.step()
        attached.optimizer.zero_grad()
    assert same(attached.full, called.full)
    assert same(attached.shown, called.shown)


@pytest.mark.parametrize("name", ["dpf", "sr-ste", "decaying-mask"])
def test_a_detached_pruner_leaves_dense_training_and_takes_it_over_again(name: str) -> None:
    training = Training(name)
    handle = training.pruner.attach()
    for _ in range(5):
        training.backward()
        training.optimizer.step()
        training.optimizer.zero_grad()
    # That of sr-ste is met from the start; with decaying-mask all weights leak through at first.
    early = (
        pytest.warns(RuntimeWarning, match="detached below the target")
        if name != "sr-ste"
        else nullcontext()
    )
    with early:
        handle.remove()
    training.backward()
    training.optimizer.step()
    training.optimizer.zero_grad()
    plain = copy.deepcopy(training.model)
    optimizer = sgd(plain)
    optimizer.load_state_dict(copy.deepcopy(training.optimizer.state_dict()))
    for _ in range(3):
        training.backward()
        images = batch(training.at)
        nn.functional.cross_entropy(plain(images), LABELS).backward()
        for each in (training.optimizer, optimizer):
            each.step()
            each.zero_grad()
        assert same(training.shown, weights_of(plain))
    training.pruner.apply()
    assert same(training.full, weights_of(plain))
    assert not same(training.shown, weights_of(plain))


@pytest.mark.parametrize("model_first", [True, False])
@pytest.mark.parametrize("after", [1, 5, 11, 12, 17])
@pytest.mark.parametrize("name", SOFT)
def test_a_state_goes_into_any_pruner_whatever_it_has_done(
    name: str, after: int, model_first: bool
) -> None:
    undisturbed = Training(name, start=0.5).run(after)
    parts = ("model", "optimizer", "pruner")
    state = copy.deepcopy({part: getattr(undisturbed, part).state_dict() for part in parts})
    undisturbed.run(5)
    for steps in (0, 3, 20):
        other = Training(name, start=0.5).run(steps)
        for part in parts if model_first else reversed(parts):
            getattr(other, part).load_state_dict(copy.deepcopy(state[part]))
        other.at = after
        other.run(5)
        assert same(other.masks, undisturbed.masks)
        assert same(other.full, undisturbed.full)
        assert same(other.shown, undisturbed.shown)
        assert same(other.momenta, undisturbed.momenta)
        assert other.pruner.leak == undisturbed.pruner.leak


PARTS = ("model", "optimizer", "pruner")


def states(training: Training) -> dict[str, Any]:
    return copy.deepcopy({part: getattr(training, part).state_dict() for part in PARTS})


def resume(training: Training, saved: dict[str, Any], at: int) -> None:
    """Restore model and optimizer, and make a new pruner, as a framework does."""
    saved = copy.deepcopy(saved)
    training.model.load_state_dict(saved["model"])
    training.optimizer.load_state_dict(saved["optimizer"])
    method = training.pruner.method
    training.at, training.pruner = at, None  # type: ignore[assignment]
    training.pruner = fggp.Pruner(
        training.model, training.optimizer, method, seed=3, state=saved["pruner"]
    )


def agree_in_all(one: Training, other: Training) -> None:
    for part in ("masks", "full", "shown", "momenta"):
        assert same(getattr(one, part), getattr(other, part)), part
    assert same([*one.model.state_dict().values()], [*other.model.state_dict().values()])


@pytest.mark.parametrize("attach", [True, False])
@pytest.mark.parametrize("later", [1, 4, 12])
@pytest.mark.parametrize("after", [1, 5, 11])
@pytest.mark.parametrize("name", SOFT)
def test_a_rollback_has_the_bits_of_a_resumed_training(
    name: str, after: int, later: int, attach: bool
) -> None:
    rolled, resumed = (Training(name, start=0.5) for _ in range(2))
    rolled.run(after)
    saved = states(rolled)
    rolled.run(later)
    for training in (rolled, resumed):
        resume(training, saved, after)
    handles = [it.pruner.attach() for it in (rolled, resumed)] if attach else []
    for _ in range(7):
        for training in (rolled, resumed):
            training.backward()
            training.optimizer.step()
            if not handles:
                training.pruner.step()
            training.optimizer.zero_grad()
        agree_in_all(rolled, resumed)


@pytest.mark.parametrize("name", SOFT)
def test_a_training_after_a_deleted_pruner_is_one_of_the_optimizer_alone(name: str) -> None:
    training = Training(name).run(3)
    gone = weakref.ref(training.pruner), weakref.ref(training.pruner._masking._soft)
    gc.disable()
    try:
        training.pruner = None  # type: ignore[assignment]
        assert [it() for it in gone] == [None, None]
    finally:
        gc.enable()
    plain = copy.deepcopy(training.model)
    optimizer = sgd(plain)
    optimizer.load_state_dict(copy.deepcopy(training.optimizer.state_dict()))
    for _ in range(3):
        training.backward()
        nn.functional.cross_entropy(plain(batch(training.at)), LABELS).backward()
        for each in (training.optimizer, optimizer):
            each.step()
            each.zero_grad()
    assert all(map(torch.equal, training.model.parameters(), plain.parameters()))


COPIES: list[Callable[[Any], Any]] = [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("after", [0, 5, 13])
@pytest.mark.parametrize("name", SOFT)
def test_a_copied_training_goes_on_as_its_original(
    name: str, after: int, copied: Callable[[Any], Any]
) -> None:
    one = Training(name, start=0.5).run(after)
    other = copied(one)
    one.run(8)
    assert other.pruner.steps == after
    other.run(8)
    agree_in_all(one, other)
    for _ in range(2):
        other = copied(other)  # a copy of a copy, of which the first is gone
    one.run(3)
    other.run(3)
    agree_in_all(one, other)


@pytest.mark.parametrize("name", SOFT)
def test_a_pruner_alone_can_be_pickled(name: str) -> None:
    pruner = Training(name).run(2).pruner
    other = pickle.loads(pickle.dumps(pruner))
    assert other.steps == 2
    assert same([*other.masks.values()], [*pruner.masks.values()])


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("name", ["sr-ste", "decaying-mask", "jackpots"])
def test_the_rule_of_a_copy_reads_the_forward_pass_before_soft_masking_changes_it(
    name: str, copied: Callable[[Any], Any]
) -> None:
    one = Training(name)
    method = one.pruner.method
    recipe = replace(method.recipe, rule=Watch(), begin=None)
    one.pruner = fggp.Pruner(one.model, one.optimizer, replace(method, recipe=recipe))
    one.run(2)
    other = copied(one)
    seen = []
    for training in (one, other):
        Watch.seen.clear()
        training.run(4)
        seen.append([*Watch.seen])
    assert len(seen[0]) > 2
    assert same(*seen)


class Watch:
    """A rule that changes nothing and keeps what it reads."""

    reads = frozenset({"gradient", "forward_weight"})
    seen: ClassVar[list[Tensor]] = []

    def __call__(self, update: Update) -> Update:
        assert update.weight_before is not None
        self.seen.extend((update.gradient.clone(), update.weight_before.clone()))
        return update


@pytest.mark.parametrize("by_name", [True, False])
def test_a_closure_is_refused_and_nothing_changes(by_name: bool) -> None:
    training = Training("dpf").run(4)
    training.backward()
    full, shown = training.full, training.shown
    closure = lambda: 0.0  # noqa: E731
    with pytest.raises(RuntimeError, match=r"call loss\.backward\(\) and then optimizer\.step\(\)"):
        training.optimizer.step(closure=closure) if by_name else training.optimizer.step(closure)
    assert same(training.full, full)
    assert same(training.shown, shown)


@pytest.mark.parametrize("name", SOFT)
def test_memory_layout_does_not_matter_to_what_is_shown(name: str) -> None:
    training = Training(name, start=0.5)
    training.model.to(memory_format=torch.channels_last)
    training.run(14)
    kept = [mask + (training.pruner.leak or 0) * ~mask for mask in training.masks]
    pairs = zip(training.used, kept, strict=True)
    assert same(training.shown, [w * factor for w, factor in pairs])
    assert training.model[3].weight.is_contiguous(memory_format=torch.channels_last)


def test_adam_trains_pruned_weights_with_buffers_of_their_own() -> None:
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    pruner = pruner_of(model, optimizer, "dpf")
    for step in range(8):
        nn.functional.cross_entropy(model(batch(step)), LABELS).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    for name, parameter in pruner.parameters.items():
        assert optimizer.state[parameter]["exp_avg"][~pruner.masks[name]].any()


def update(weight: list[float], active: list[int], keep: int) -> Update:
    mask = torch.zeros(len(weight), dtype=torch.bool)
    mask[active] = True
    return Update(
        weight=torch.tensor(weight),
        dense_gradient=None,
        mask=mask,
        survived=mask,
        sizes=(4, 4),
        keep=keep,
        window=Fraction(1),
        training=Fraction(1),
        random=np.random.default_rng(0),
    )


WEIGHT = [0.5, -0.25, 0.0, 2.0, -1.0, 1.0, 0.125, -4.0]


@pytest.mark.parametrize(
    ("select", "kept"),
    [
        (Largest(magnitude), [3, 5, 7]),  # of the equal 4 and 5 the later
        (
            PerLayer(Largest(magnitude)),
            [0, 3, 7],
        ),  # 3 of 8 is 2 and 1 of 4, the earlier layer first
    ],
)
@pytest.mark.parametrize("active", [[], [0, 1, 2], list(range(8))])
def test_choosing_anew_asks_no_weight_whether_it_was_active(
    select: Any, kept: list[int], active: list[int]
) -> None:
    after = Choose(select)(update(WEIGHT, active, keep=3))
    assert after.mask.nonzero().squeeze(1).tolist() == kept
    assert after.weight.tolist() == WEIGHT


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ("0", WEIGHT),
        ("1/2", [0.25, -0.125, 0.0, 2.0, -0.5, 1.0, 0.0625, -4.0]),
        ("1", [0, 0, 0, 2.0, 0, 1.0, 0, -4.0]),
    ],
)
def test_shrinking_leaves_the_weights_on_the_mask(share: str, expected: list[float]) -> None:
    after = Shrink(Fraction(share))(update(WEIGHT, [3, 5, 7], keep=3))
    assert after.weight.tolist() == expected
    assert after.mask.nonzero().squeeze(1).tolist() == [3, 5, 7]


def test_clearing_leaves_nothing_off_the_mask() -> None:
    after = clear(update(WEIGHT, [0, 5], keep=2))
    assert after.weight.tolist() == [0.5, 0, 0, 0, 0, 1.0, 0, 0]
    assert after.mask.nonzero().squeeze(1).tolist() == [0, 5]
