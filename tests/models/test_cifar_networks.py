"""The networks for images of 32×32 pixels that most published pruning is about."""

from fractions import Fraction

import pytest
import torch
from torch import nn

from fggp.models import build
from fggp.models.residual_networks import residual_network
from fggp.models.zero_padded_shortcut import ZeroPaddedShortcut
from fggp.pruning.filters.groups import groups
from fggp.pruning.filters.positions import output_positions
from fggp.pruning.prunable import prunable

META = torch.device("meta")


def on_meta(name: str, width: Fraction = Fraction(1)) -> nn.Module:
    with META:
        return build(name, width=width)


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, "0.27"), (32, "0.46"), (44, "0.66"), (56, "0.85"), (110, "1.7")]
)
def test_parameters_are_those_of_table_6_of_he_et_al(depth: int, millions: str) -> None:
    with META:
        found = parameters(residual_network(depth, Fraction(1), 10))
    assert f"{found / 1e6:.{len(millions) - 2}f}" == millions


@pytest.mark.parametrize(("name", "depth"), [("resnet20", 20), ("resnet32", 32), ("resnet56", 56)])
def test_the_depth_is_the_number_of_layers_with_weights(name: str, depth: int) -> None:
    assert len(prunable(on_meta(name))) == depth


def by_the_paper(depth: int, factor: int, classes: int) -> int:
    """Parameters of WRN-depth-factor: table 1 of the paper, batch normalization counted by two."""
    total, inputs = 3 * 16 * 9, 16
    for outputs in (16 * factor, 32 * factor, 64 * factor):
        for block in range((depth - 4) // 6):
            shortcut = inputs * outputs if block == 0 else 0
            total += 2 * inputs + 9 * inputs * outputs + 2 * outputs + 9 * outputs**2 + shortcut
            inputs = outputs
    return total + 2 * inputs + inputs * classes + classes


def test_wrn_22_2_has_the_parameters_of_the_formula() -> None:
    assert parameters(on_meta("wrn222")) == by_the_paper(22, 2, 10) == 1_079_642
    assert by_the_paper(28, 10, 10) == 36_479_194  # 36.5 M in the paper
    convolutions = [it for it in on_meta("wrn222").modules() if isinstance(it, nn.Conv2d)]
    assert len(convolutions) == 22


@pytest.mark.parametrize(("name", "macs"), [("resnet20", 40.6), ("resnet56", 125.5)])
def test_the_work_is_what_publications_give(name: str, macs: float) -> None:
    model = on_meta(name)
    positions = output_positions(model, (3, 32, 32))
    work = sum(positions[path] * p.numel() for path, p in prunable(model).items())
    assert work / 1e6 == pytest.approx(macs, abs=0.05)


@pytest.mark.parametrize(("inputs", "outputs", "before"), [(16, 32, 8), (5, 10, 2), (1, 1, 0)])
def test_a_shortcut_takes_every_second_pixel_and_adds_zeros_on_both_sides(
    inputs: int, outputs: int, before: int
) -> None:
    x = torch.randn(2, inputs, 6, 6)
    found = ZeroPaddedShortcut(inputs, outputs, 2)(x)
    assert found.shape == (2, outputs, 3, 3)
    assert torch.equal(found[:, before : before + inputs], x[:, :, ::2, ::2])
    assert int(found.count_nonzero()) == 2 * inputs * 9


@pytest.mark.parametrize(("name", "inner"), [("resnet20", 9), ("resnet32", 15), ("resnet56", 27)])
def test_between_shortcuts_without_weights_only_inner_channels_are_pruned(
    name: str, inner: int
) -> None:
    found = groups(on_meta(name))
    assert len(found) == inner
    assert all(len(it.producers) == 1 and it.producers[0].endswith("conv1") for it in found)
    assert {it.channels for it in found} == {16, 32, 64}


def test_in_a_wide_network_the_residual_streams_are_pruned_too() -> None:
    found = groups(on_meta("wrn222"))
    streams = [it for it in found if len(it.producers) > 1]
    assert len(found) == 13  # nine inside blocks, the stem, three streams
    assert [(it.channels, len(it.producers)) for it in streams] == [(32, 4), (64, 4), (128, 4)]
    assert all(it.norms for it in found)
