"""Whole networks compute what torch computes, and as exactly; nothing is dense in silence."""

import copy
import os
import pickle
import signal
import threading

import numpy as np
import pytest
import torch
from sparse_networks import assert_as_good_as_torch, backbone, error, exact, images, prune
from torch import nn
from torchvision.models import resnet18

import fggp
from fggp.fast.refusal import CompileError
from fggp.models.registry import names

pytestmark = pytest.mark.long

EVERY = pytest.mark.parametrize("name", names())


@EVERY
@pytest.mark.parametrize("side", [16, 24, 32, 64])
@pytest.mark.parametrize("batched", [False, True])
def test_a_network_is_as_close_to_float64_as_torch(name, side, batched):
    model, batch = backbone(name), images(18, 3, side, side)
    compiled = fggp.compile(model, batched=batched)
    assert_as_good_as_torch(compiled(batch), model, batch)


@EVERY
@pytest.mark.parametrize("density", [0, 0.02, 0.3])
def test_any_density_is_right(name, density):
    model, batch = backbone(name, density=density), images(3, 3, 32, 32)
    assert_as_good_as_torch(fggp.compile(model)(batch), model, batch)


@EVERY
def test_no_sparsity_at_all_is_right_and_warned_of(name):
    model, batch = backbone(name, density=1), images(3, 3, 32, 32)
    with pytest.warns(RuntimeWarning, match="faster than dense code below about 60%"):
        compiled = fggp.compile(model)
    assert compiled.kept == compiled.weights
    assert_as_good_as_torch(compiled(batch), model, batch)


@EVERY
def test_any_width_is_right(name):
    model, batch = backbone(name, "3/10"), images(17, 3, 32, 32)
    for batched in (False, True):
        assert_as_good_as_torch(fggp.compile(model, batched=batched)(batch), model, batch)


@pytest.mark.slow
@EVERY
def test_full_width_is_right(name):
    model, batch = backbone(name, "1", 0.05), images(17, 3, 32, 32)
    for batched in (False, True):
        assert_as_good_as_torch(fggp.compile(model, batched=batched)(batch), model, batch)


class Stem(nn.Module):
    """ResNet-18 of torchvision at a fraction of its width."""

    def __init__(self) -> None:
        super().__init__()
        whole = resnet18(num_classes=7)
        self.network = whole

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)


@pytest.mark.parametrize("side", [32, 64])
def test_the_small_resnets_of_torchvision_are_compiled(side):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = prune(Stem(), 0.03)
    batch = images(3, 3, side, side)
    assert_as_good_as_torch(fggp.compile(model)(batch), model, batch)


@EVERY
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_image_has_the_same_bits_in_any_batch(name, threads):
    model, batch = backbone(name), images(21, 3, 16, 16)
    compiled = fggp.compile(model, threads=threads)
    alone = torch.cat([compiled(it[None]) for it in batch])
    for size in (1, 2, 5, 16, 21):
        assert torch.equal(compiled(batch[:size]), alone[:size])
    assert torch.equal(compiled(batch.contiguous(memory_format=torch.channels_last)), alone)
    assert torch.equal(fggp.compile(model)(batch), alone)


def test_a_batched_call_depends_only_on_whether_an_image_is_in_a_group():
    model, batch = backbone("vgg19"), images(37, 3, 32, 32)
    alone = fggp.compile(model)(batch)
    for threads in (1, 2):
        compiled = fggp.compile(model, batched=True, threads=threads)
        found = compiled(batch)
        assert torch.equal(found[32:], alone[32:])
        assert torch.equal(compiled(batch[16:32]), found[16:32])
        assert torch.equal(compiled(batch[:15]), alone[:15])
        assert error(found, exact(model, batch)) < 1e-5


def test_no_images_are_no_logits():
    assert fggp.compile(backbone("vgg19"))(images(0, 3, 32, 32)).shape == (0, 10)


@pytest.mark.parametrize("bias", [True, False])
def test_a_normalization_has_the_scale_and_the_shift_that_torch_uses(bias):
    norm = nn.BatchNorm2d(4)
    model = prune(nn.Sequential(nn.Conv2d(3, 4, 3), norm), 0.5)
    norm.affine = False  # torch does not look at it
    if not bias:
        norm.register_parameter("bias", None)
    batch = images(2, 3, 8, 8)
    assert_as_good_as_torch(fggp.compile(model)(batch), model, batch)


@pytest.mark.parametrize(
    "elsewhere",
    [lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_device("meta")],
    ids=["dtype", "device"],
)
def test_the_defaults_of_torch_change_nothing(elsewhere):
    compiled, batch = fggp.compile(backbone("vgg19")), images(2, 3, 16, 16)
    wanted = compiled(batch)
    try:
        elsewhere()
        found = compiled(batch)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    assert found.dtype == torch.float32
    assert torch.equal(found, wanted)


def test_images_that_torch_negates_when_it_reads_them_are_read_negated():
    compiled, batch = fggp.compile(backbone("vgg19")), images(2, 3, 16, 16)
    assert torch.equal(compiled(batch._neg_view()), compiled(-batch))


def test_several_threads_may_call_at_once():
    model, batch = backbone("resnet50"), images(8, 3, 16, 16)
    compiled = fggp.compile(model)
    wanted, found = compiled(batch), {}

    def call(number: int) -> None:
        found[number] = all(torch.equal(compiled(batch), wanted) for _ in range(20))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(4), True)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    compiled, batch = fggp.compile(backbone("vgg19"), threads=2), images(4, 3, 16, 16)
    wanted = compiled(batch).numpy().tobytes()
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # which ends it where it waits for threads of its parent
        os._exit(compiled(batch).numpy().tobytes() != wanted)
    assert os.waitpid(child, 0)[1] == 0


def test_weights_are_those_of_the_moment_of_compiling():
    model, batch = backbone("vgg19"), images(2, 3, 16, 16)
    compiled = fggp.compile(model)
    before = compiled(batch)
    with torch.no_grad():
        model.classifier.weight.zero_()
    assert torch.equal(compiled(batch), before)
    assert not torch.equal(fggp.compile(model)(batch), before)


def test_compiling_leaves_the_model_and_the_images_alone():
    model, batch = backbone("resnet50"), images(2, 3, 16, 16)
    state, kept = copy.deepcopy(model.state_dict()), batch.clone()
    fggp.compile(model)(batch)
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())
    assert torch.equal(batch, kept)


def test_the_multiplied_weights_are_those_that_are_not_zero():
    model = backbone("resnet50")
    compiled = fggp.compile(model)
    layers = [it for it in model.modules() if isinstance(it, nn.Conv2d | nn.Linear)]
    assert compiled.kept == sum(int(it.weight.count_nonzero()) for it in layers)
    assert compiled.weights == sum(it.weight.numel() for it in layers)
    assert repr(compiled.kept) in repr(compiled)


def test_macs_are_kept_weights_times_output_pixels():
    model = prune(nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Flatten(), nn.Linear(64, 5)), 0.3)
    kept = [int(model[it].weight.count_nonzero()) for it in (0, 2)]
    assert fggp.compile(model).macs(3, 8, 8) == 16 * kept[0] + kept[1]


def test_machine_code_does_not_leave_its_process():
    with pytest.raises(CompileError, match="compile the model in the other one"):
        pickle.dumps(fggp.compile(backbone("vgg19")))


class Graph(nn.Module):
    """A random network of everything that is known, with sums, reuse and work in place."""

    def __init__(self, random: np.random.Generator) -> None:
        super().__init__()
        self.plan: list[tuple[str, int, int]] = []
        self.layers = nn.ModuleList()
        self.first = nn.Conv2d(3, 3, 1)
        channels, width = [3], int(random.integers(1, 20))
        for _ in range(random.integers(2, 9)):
            self._grow(random, channels, width)
        self.end = int(random.integers(3))
        self.pool, self.drop = nn.AdaptiveAvgPool2d(1), nn.Dropout()
        self.linear = nn.Linear(channels[-1], 7)

    def _grow(self, random: np.random.Generator, channels: list[int], width: int) -> None:
        source = int(random.integers(max(0, len(channels) - 3), len(channels)))
        kinds = ["conv", "conv", "conv", "norm", "relu", "relu_", "max", "sum", "iadd"]
        kind = str(random.choice(kinds))
        other = int(random.integers(len(channels)))
        outputs, size = channels[source], int(random.integers(1, 6))
        layer: nn.Module = nn.Identity()
        if kind == "conv":
            outputs = int(random.choice([width, channels[-1], 16]))
            bias = bool(random.integers(2))
            layer = nn.Conv2d(channels[source], outputs, size, padding=size // 2, bias=bias)
        elif kind == "norm":
            layer = nn.BatchNorm2d(outputs, affine=bool(random.integers(2)))
        elif kind in {"relu", "relu_"}:
            layer = nn.ReLU(inplace=kind == "relu_")
        elif kind == "max":
            layer = nn.MaxPool2d(3, 1, 1)
        elif channels[other] != outputs:
            return
        self.plan.append((kind, source, other))
        self.layers.append(layer)
        channels.append(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = [self.first(x)]  # work in place never reaches the images
        for (kind, source, other), layer in zip(self.plan, self.layers, strict=True):
            if kind == "sum":
                values.append(values[source] + values[other])
            elif kind == "iadd":
                made = values[source]
                made += values[other]
                values.append(made)
            else:
                values.append(layer(values[source]))
        last = values[-1]
        if self.end == 0:
            return last
        last = self.drop(torch.flatten(self.pool(last), 1))
        return self.linear(last) if self.end == 1 else torch.relu(self.linear(last))


def small_graph(seed: int) -> tuple[nn.Module, torch.Tensor]:
    random = np.random.default_rng(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = prune(Graph(random), float(random.choice([0.05, 0.2, 0.5])), seed)
    rows, columns = (int(it) for it in random.choice([1, 2, 3, 4, 5, 8, 12, 16, 20], 2))
    return model, images(int(random.integers(1, 35)), 3, rows, columns, seed=seed)


@pytest.mark.filterwarnings("ignore:.*dense code:RuntimeWarning")
@pytest.mark.parametrize("start", range(0, 120, 20))
def test_random_networks_are_right_batched_and_not(start):
    compared = 0
    for seed in range(start, start + 20):
        model, batch = small_graph(seed)
        try:
            with torch.no_grad():
                model(batch.clone())
        except RuntimeError:
            continue  # a sum of planes of two sizes, which torch refuses as well
        for batched in (False, True):
            compiled = fggp.compile(model, batched=batched)
            assert_as_good_as_torch(compiled(batch), model, batch)
        compared += 1
    assert compared >= 8


@pytest.mark.parametrize("name", ["resnet20", "wrn222"])
def test_channels_that_a_shortcut_adds_are_no_weights(name):
    model, batch = backbone(name), images(2, 3, 32, 32)
    compiled = fggp.compile(model)
    layers = [it for it in model.modules() if isinstance(it, nn.Conv2d | nn.Linear)]
    assert compiled.weights == sum(it.weight.numel() for it in layers)
    assert compiled.kept == sum(int(it.weight.count_nonzero()) for it in layers)
    assert_as_good_as_torch(compiled(batch), model, batch)
