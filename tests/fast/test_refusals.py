"""A network that cannot be compiled is refused by name with the fix, never computed wrongly."""

import sys

import pytest
import torch
from sparse_networks import backbone, images, prune
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils import prune as torch_pruning

import fggp
from fggp.fast import machine_code
from fggp.fast.refusal import CompileError


def around(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), layer).eval()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.Conv2d(4, 4, 3, groups=2), "1: groups=2; only groups=1"),
        (nn.Conv2d(4, 4, 3, dilation=2), r"1: dilation=\(2, 2\); only dilation=1"),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), "1: padding_mode='reflect'; only"),
        (nn.Conv2d(4, 4, 3, padding="same"), "1: padding='same'; write it as numbers"),
        (nn.BatchNorm2d(4, track_running_stats=False), "1: batch norm without running statistics"),
        (nn.GELU(), "1: GELU is not known; known are .*ReLU"),
        (nn.ConvTranspose2d(4, 4, 3), "1: ConvTranspose2d is not known"),
        (nn.MaxPool2d(2, ceil_mode=True), "1: MaxPool2d.*ceil_mode"),
        (nn.AvgPool2d(3, padding=1, count_include_pad=False), "1: AvgPool2d.*not counted"),
        (nn.AdaptiveAvgPool2d((None, 1)), "1: an output size of None"),
        (nn.Flatten(0), "1: flattening of dimensions 0 to -1; only"),
        (parametrizations.weight_norm(nn.Conv2d(4, 4, 3)), "1: ParametrizedConv2d is not known"),
    ],
    ids=str,
)
def test_a_layer_that_is_not_known_is_named(layer, message):
    with pytest.raises(CompileError, match=message):
        fggp.compile(around(layer))


class Doing(nn.Module):
    def __init__(self, do):
        super().__init__()
        self.one, self.do = nn.Conv2d(3, 3, 3, padding=1), do
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.do(self, x)


@pytest.mark.parametrize(
    ("do", "message"),
    [
        (lambda self, x: torch.sigmoid(self.one(x)), "sigmoid in this form is not known; known"),
        (lambda self, x: self.one(x).mul(2), "mul in this form is not known"),
        (lambda self, x: self.one(x) + 1, "1 in place of a tensor"),
        (lambda self, x: torch.add(self.one(x), x, alpha=2), "add in this form"),
        (lambda self, x: self.one(x) * self.scale, "scale: a tensor that is used outside"),
        (lambda self, x: self.one(x) if x.sum() > 0 else x, "torch.fx cannot follow its forward"),
        (lambda self, x: (self.one(x), x), "returns several values"),
        (lambda self, x: self.one(x).view(x.size(0), -1), "size in this form"),
    ],
)
def test_a_function_that_is_not_known_is_named(do, message):
    with pytest.raises(CompileError, match=message):
        fggp.compile(Doing(do).eval())


@pytest.mark.parametrize("flat_first", [False, True])
@pytest.mark.parametrize("times", [1, 2])
def test_work_in_place_on_a_view_that_is_read_later_is_refused(times, flat_first):
    def do(self, x):
        made = self.one(x)
        flat = made
        for _ in range(times):
            flat = torch.flatten(flat, 1)
        torch.relu_(flat if flat_first else made)
        return made if flat_first else flat

    with pytest.raises(CompileError, match="in place on a tensor that is used flattened too"):
        fggp.compile(Doing(do).eval())


def test_a_model_that_computes_something_else_when_called_is_refused():
    model = backbone("vgg19")
    with pytest.raises(CompileError, match=r"training mode; call model\.eval\(\) first"):
        fggp.compile(model.train())
    model.eval().norm3_2.train()
    with pytest.raises(CompileError, match=r"norm3_2 .BatchNorm2d. is in training mode"):
        fggp.compile(model)
    model.eval()
    for add in ("register_forward_hook", "register_forward_pre_hook"):
        handle = getattr(model.conv1_1, add)(lambda *_: None)
        with pytest.raises(CompileError, match=r"conv1_1 .Conv2d. has hooks"):
            fggp.compile(model)
        handle.remove()
    torch_pruning.l1_unstructured(model.conv2_1, "weight", 0.5)
    with pytest.raises(CompileError, match=r"conv2_1 .*torch\.nn\.utils\.prune\.remove"):
        fggp.compile(model)
    torch_pruning.remove(model.conv2_1, "weight")
    model.conv1_2.forward = lambda x: x
    with pytest.raises(CompileError, match=r"conv1_2 .Conv2d. has its own forward method"):
        fggp.compile(model)


def test_hooks_of_all_modules_are_refused():
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        with pytest.raises(CompileError, match="hooks are registered for all modules"):
            fggp.compile(backbone("vgg19"))
    finally:
        handle.remove()


def test_weights_elsewhere_or_of_another_type_are_refused():
    with pytest.raises(CompileError, match=r"is torch\.float64; call model\.float\(\) first"):
        fggp.compile(backbone("vgg19").double())
    with pytest.raises(CompileError, match=r"is on meta; call model\.cpu\(\) first"):
        fggp.compile(backbone("vgg19").to("meta"))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (images(1, 3, 32, 32).double(), r"images are torch\.float64; call images\.float\(\)"),
        (images(1, 3, 32, 32).to("meta"), r"on meta; call images\.cpu\(\)"),
        (images(1, 3, 32, 32).requires_grad_(), r"require a gradient.*images\.detach\(\)"),
        (images(3, 32, 32), r"images of shape \(3, 32, 32\); give \(N, channels"),
        (images(1, 4, 32, 32), r"conv1_1: takes 3 planes and gets \(4, 32, 32\)"),
        (images(1, 3, 8, 8), "leave nothing; give larger ones"),
        (images(1, 3, 32, 32).numpy(), "images are a ndarray; give a tensor"),
    ],
)
def test_an_input_that_does_not_fit_is_refused_with_the_fix(batch, message):
    with pytest.raises(CompileError, match=message):
        fggp.compile(backbone("vgg19"))(batch)


def test_a_gradient_that_nobody_asks_for_is_no_obstacle():
    with torch.no_grad():
        out = fggp.compile(backbone("vgg19"))(images(1, 3, 32, 32).requires_grad_())
    assert not out.requires_grad


def test_only_tensors_of_one_shape_are_added():
    model = Doing(lambda self, x: self.one(x) + nn.functional.adaptive_avg_pool2d(x, 1))
    with pytest.raises(CompileError, match="only tensors of one shape can be added"):
        fggp.compile(prune(model, 0.2))(images(1, 3, 4, 4))


def test_a_missing_llvmlite_is_named_with_the_fix(monkeypatch):
    machine_code.llvm.cache_clear()
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    with pytest.raises(CompileError, match=r"llvmlite.* is not installed; pip install"):
        fggp.compile(backbone("vgg19"))
    model = backbone("vgg19")
    assert fggp.compile(model, otherwise="dense") is model


def test_dense_is_only_what_was_asked_for():
    model = around(nn.GELU())
    assert fggp.compile(model, otherwise="dense") is model
    with pytest.raises(CompileError, match="give None or 'dense'"):
        fggp.compile(model, otherwise="sparse")
    compiled = fggp.compile(backbone("vgg19"), otherwise="dense")
    assert not isinstance(compiled, nn.Module)
    with pytest.raises(CompileError):
        compiled(images(1, 3, 32, 32).double())


def test_no_thread_is_refused():
    with pytest.raises(CompileError, match="threads=0; give at least 1"):
        fggp.compile(backbone("vgg19"), threads=0)
