"""The contract of every network, tested for all that are registered."""

import re
from fractions import Fraction

import pytest
import small
import torch
from fabricate import grid
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fggp.data import Dataset
from fggp.data.sizes import Size
from fggp.foundation.errors import Failure
from fggp.models import build, registry
from fggp.models.registry import costs_path, find, names
from fggp.pruning.filters.positions import output_positions
from fggp.study import costs
from fggp.study.cell import Backbone, Cell
from fggp.study.config import cells
from fggp.training.memory_format import arrange
from fggp.training.small_dense import narrower, weights
from fggp.training.train import train

EVERY = pytest.mark.parametrize("name", names())
EIGHTH = Fraction(1, 8)
CPU, META = torch.device("cpu"), torch.device("meta")


def on_meta(name: str, width: Fraction = EIGHTH) -> nn.Module:
    """A network of shapes alone."""
    with META:
        return build(name, width=width)


@EVERY
def test_a_network_is_called_as_its_file_and_is_documented(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+", name)
    found = find(name)
    assert found.name == name
    assert found.make.__doc__


def test_an_unknown_network_is_refused_with_the_nearest() -> None:
    with pytest.raises(KeyError, match="no network is called 'vgg18'; did you mean 'vgg19'"):
        find("vgg18")


def test_a_file_that_registers_no_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "names", lambda: ("registry",))
    with pytest.raises(Failure, match=r"registry\.py registers no network 'registry'; decorate"):
        find("registry")


@EVERY
@pytest.mark.parametrize("side", [16, 32])
def test_images_become_one_logit_per_class(name: str, side: int) -> None:
    assert on_meta(name)(torch.empty(2, 3, side, side, device=META)).shape == (2, 10)


@EVERY
def test_the_width_scales_the_weights_about_squared(name: str) -> None:
    full, eighth = (weights(Backbone(name=name, width=it), 10) for it in (1, EIGHTH))
    assert full / 100 < eighth < full / 40


@EVERY
def test_a_narrower_one_exists_for_any_number_of_weights(name: str) -> None:
    backbone = Backbone(name=name, width=EIGHTH)
    keep = weights(backbone, 10) // 10
    assert weights(narrower(backbone, 10, keep), 10) <= keep


@EVERY
@pytest.mark.parametrize("side", [16, 32])
def test_the_multiplications_of_all_its_weights_are_counted(name: str, side: int) -> None:
    model = on_meta(name).eval()
    positions = output_positions(model, (3, side, side))
    tensors = {path: p for path, p in model.named_parameters() if p.ndim > 1}
    assert positions.keys() == tensors.keys()
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, side, side, device=META))
    macs = sum(positions[path] * p.numel() for path, p in tensors.items())
    assert 2 * macs == counter.get_total_flops()


@EVERY
def test_every_layout_can_be_arranged(name: str) -> None:
    for layout in ("contiguous", "channels_last", "by_stage"):
        model = arrange(build(name, width=EIGHTH), layout, find(name).whole_planes_after)
        assert model(torch.randn(2, 3, 16, 16)).isfinite().all()


@EVERY
def test_its_first_layer_has_the_stride_on_record(name: str) -> None:
    model = on_meta(name)
    first = next(path for path, p in model.named_parameters() if p.ndim > 1)
    positions = output_positions(model, (3, 32, 32))[first]
    assert positions * costs.first_layer_stride(name) ** 2 == 32 * 32


@EVERY
def test_it_costs_what_is_on_record_or_follows_from_its_work(name: str) -> None:
    (first, *_) = cells(grid(backbones={name: {"width": EIGHTH.numerator / EIGHTH.denominator}}))
    size = Size(50_000, 10_000, 32)
    for device in costs.devices().values():
        row, seconds = costs.rate_of(first, device), costs.seconds(first, size, device)
        assert row is not None
        assert row.source
        assert min(row.image, row.step) > 0
        assert ("at the pace of resnet50" in row.source) != costs_path(name).exists()
        assert seconds is not None
        assert seconds > device.start
    assert costs.minutes(first, size, "cpu", 1) > 0
    assert costs.memory_mb(first, size, "gpu") > 0
    assert (costs.needed_mb(first, size) or 0) > costs.BASE_MB
    assert (costs.disk_bytes(first, size) or 0) > 0


@EVERY
def test_the_number_of_parameters_on_record_is_its_own(name: str) -> None:
    whole = cells(grid(backbones={name: {"width": 1}}))[0]
    assert costs.parameters(whole) == sum(
        p.numel() for p in on_meta(name, Fraction(1)).parameters()
    )


@EVERY
@pytest.mark.parametrize("method", ["dense", "fggp"])
def test_it_trains_under_masks_that_hold(name: str, method: str, digits: Dataset) -> None:
    plain = small.cell(method, start=0.5, epochs=2, end=1).plain()
    plain["backbone"] = {"name": name, "width": "1/32"}
    outcome = train(Cell(**plain), digits, device=CPU, store=small.Forgetful()).plain()
    kept = sum(layer["kept"] for layer in outcome["layers"])
    assert outcome["prunable"] == weights(Cell(**plain).backbone, 10)
    assert kept == outcome["target"]
    assert outcome["dense_macs"] >= outcome["inference_macs"] > 0
