import copy
from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fggp.models import build
from fggp.models.registry import channels, find
from fggp.training.memory_format import Layout, arrange

# On the device "meta" a network has shapes but no numbers, and costs nothing.
META = torch.device("meta")


def on_meta(name: str, width: Fraction = Fraction(1), classes: int = 10) -> nn.Module:
    with META:
        return build(name, width=width, classes=classes)


@pytest.mark.parametrize(
    ("name", "total", "prunable", "tensors"),
    [
        ("vgg19", 20_035_018, 20_024_000, 17),
        ("resnet50", 23_520_832, 23_467_712, 54),
        ("resnet20", 269_722, 268_336, 20),
        ("resnet32", 464_154, 461_872, 32),
        ("resnet56", 853_018, 848_944, 56),
    ],
)
def test_parameter_counts_are_those_of_the_published_networks(
    name: str, total: int, prunable: int, tensors: int
) -> None:
    parameters = list(on_meta(name).parameters())
    sizes = [p.numel() for p in parameters if p.ndim > 1]
    assert sum(p.numel() for p in parameters) == total
    assert (sum(sizes), len(sizes)) == (prunable, tensors)


@pytest.mark.parametrize(("name", "macs"), [("vgg19", 398_136_320), ("resnet50", 1_297_829_888)])
def test_the_work_for_one_image_is_that_of_the_published_networks(name: str, macs: int) -> None:
    model = on_meta(name).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, 32, 32, device=META))
    assert counter.get_total_flops() // 2 == macs


@pytest.mark.parametrize("name", ["vgg19", "resnet50"])
@pytest.mark.parametrize("size", [16, 32, 64])
@pytest.mark.parametrize("classes", [10, 100])
def test_square_images_of_16_to_64_pixels_become_one_logit_per_class(
    name: str, size: int, classes: int
) -> None:
    model = on_meta(name, Fraction(1, 8), classes)
    assert model(torch.empty(2, 3, size, size, device=META)).shape == (2, classes)


@pytest.mark.parametrize("name", ["vgg19", "resnet50"])
def test_a_narrow_network_runs_on_real_images_and_gives_raw_logits(name: str) -> None:
    torch.manual_seed(0)
    logits = build(name, width=Fraction(1, 16)).eval()(torch.randn(2, 3, 16, 16))
    assert logits.isfinite().all()
    assert not torch.allclose(logits.exp().sum(1), torch.ones(2))  # not log-probabilities


@pytest.mark.parametrize(
    ("full", "width", "number"),
    [
        (64, "1", 64),
        (64, "1/8", 8),
        (64, "1/128", 1),
        (64, "1/1000", 1),
        (512, "3/2", 768),
        (64, "3/128", 2),  # 1.5 is rounded up
        (10, "1/3", 3),
    ],
)
def test_the_width_multiplies_channels_and_leaves_at_least_one(
    full: int, width: str, number: int
) -> None:
    assert channels(full, Fraction(width)) == number


def test_the_width_reaches_every_layer_but_input_and_output() -> None:
    full, narrow = on_meta("vgg19"), on_meta("vgg19", Fraction(1, 8))
    for (name, p), q in zip(full.named_parameters(), narrow.parameters(), strict=True):
        factors = [8 if n > 10 else 1 for n in p.shape[:2]]  # 3 colours and 10 classes stay
        assert [n // f for n, f in zip(p.shape, factors, strict=False)] == list(q.shape[:2]), name


def test_the_classifier_of_vgg19_begins_small_with_a_zero_bias() -> None:
    classifier = build("vgg19", width=Fraction(1, 4)).get_submodule("classifier")
    assert isinstance(classifier, nn.Linear)
    assert not classifier.bias.any()
    assert float(classifier.weight.detach().std()) == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(("name", "biases"), [("vgg19", ["classifier.bias"]), ("resnet50", [])])
def test_only_the_classifier_of_vgg19_has_a_bias(name: str, biases: list[str]) -> None:
    found = [
        f"{path}.bias"
        for path, module in on_meta(name).named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None
    ]
    assert found == biases


def test_the_convolutions_of_vgg19_begin_with_the_spread_of_fan_out() -> None:
    model = build("vgg19", width=Fraction(1, 4))
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.out_channels >= 64:
            expected = (2 / (module.out_channels * 9)) ** 0.5
            assert float(module.weight.detach().std()) == pytest.approx(expected, rel=0.05)


def test_stages_of_resnet50_halve_the_image_in_their_3x3_convolution() -> None:
    strided = [
        (name, module.kernel_size)
        for name, module in on_meta("resnet50").named_modules()
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2)
    ]
    assert [kernel for name, kernel in strided if "conv" in name] == [(3, 3)] * 3
    assert [kernel for name, kernel in strided if "downsample" in name] == [(1, 1)] * 3


def channels_come_last(tensor: Tensor) -> bool:
    """Whether they do, for a tensor in which it makes a difference."""
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


@pytest.mark.parametrize("name", ["vgg19", "resnet50"])
def test_by_stage_only_the_last_stages_of_vgg19_have_whole_planes(name: str) -> None:
    model = build(name, width=Fraction(1, 16))
    model = arrange(model, "by_stage", find(name).whole_planes_after)
    seen: dict[str, bool] = {}

    def note(path: str) -> Callable[[nn.Module, tuple[Tensor], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            if min(inputs[0].shape[1:]) > 1:
                seen[path] = channels_come_last(inputs[0])

        return hook

    for path, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note(path))
    images = torch.randn(4, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    model(images).sum().backward()
    whole = {path for path, last in seen.items() if not last}
    late = {f"conv{stage}_{place}" for stage in (4, 5) for place in (1, 2, 3, 4)}
    assert whole == (late if name == "vgg19" else set())
    assert all(
        channels_come_last(p) == (path.partition(".")[0] not in late or name != "vgg19")
        for path, p in model.named_parameters()
        if p.ndim == 4 and min(p.shape[1:]) > 1
    )


@pytest.mark.parametrize("name", ["vgg19", "resnet50"])
@pytest.mark.parametrize("layout", ["channels_last", "by_stage"])
def test_outputs_are_the_same_in_every_layout_but_for_rounding(name: str, layout: Layout) -> None:
    torch.manual_seed(0)
    images = torch.randn(4, 3, 32, 32)
    plain = build(name, width=Fraction(1, 16))
    other = arrange(copy.deepcopy(plain), layout, find(name).whole_planes_after)
    torch.testing.assert_close(
        other(images.contiguous(memory_format=torch.channels_last)),
        plain(images),
        rtol=1e-3,
        atol=1e-4,
    )
