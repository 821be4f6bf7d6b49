"""Smaller weights are loaded again: into a network of fggp, or into one that the caller names."""

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from networks import IMAGES, network
from sparse_networks import backbone, images
from torch import nn

import fggp
from fggp.cli import main
from fggp.fast.packed import read
from fggp.fast.refusal import CompileError
from fggp.models import build


def sparse(width: str = "1/16") -> nn.Module:
    return backbone("vgg19", width, density=0.01)


@pytest.mark.parametrize("out", ["small.fggp", "small.pt", "small.safetensors"])
def test_the_command_line_shrinks_a_file(out: str, tmp_path: Path, capsys) -> None:
    model = sparse()
    fggp.pack(model, tmp_path / "large.fggp")
    assert main(["shrink", str(tmp_path / "large.fggp"), str(tmp_path / out)]) == 0
    smaller = fggp.shrink(model)
    counts = [f"{sum(map(torch.numel, it.parameters())):,}" for it in (smaller, model)]
    assert capsys.readouterr().out == f"{tmp_path / out}: {counts[0]} of {counts[1]} parameters\n"
    if out == "small.fggp":
        again = read(tmp_path / out)
        assert torch.equal(again(images(2, 3, 32, 32)), smaller(images(2, 3, 32, 32)))
        found = fggp.compile(tmp_path / out)(images(2, 3, 32, 32))
        assert torch.equal(found, fggp.compile(smaller)(images(2, 3, 32, 32)))
    else:
        again_too = ["shrink", str(tmp_path / out), str(tmp_path / "same.fggp")]
        assert main(again_too) == 0  # nothing is left to take


def test_the_command_line_refuses_in_one_line(tmp_path: Path, capsys) -> None:
    fggp.pack(nn.Linear(3, 4), tmp_path / "other.fggp")
    for out, message in (("other.fggp", "the same file"), ("a.pt", "of a network of fggp"),
                         ("a.txt", "its suffix is")):  # fmt: skip
        assert main(["shrink", str(tmp_path / "other.fggp"), str(tmp_path / out)]) == 1
        assert message in capsys.readouterr().err


def test_a_network_that_is_named_takes_the_smaller_sizes(tmp_path: Path) -> None:
    model = network().eval()
    with torch.no_grad():
        model[3].weight[:, :4] = 0
    fggp.pack(fggp.shrink(model), tmp_path / "small.fggp")
    found = read(tmp_path / "small.fggp", network())
    assert (found[0].out_channels, found[1].num_features, found[3].in_channels) == (2, 2, 2)
    assert torch.allclose(found(IMAGES), model(IMAGES), atol=1e-6)


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        ("0.weight", (5, 3, 3, 3), "1: 6 inputs are not a multiple of 5 channels"),
        ("0.weight", (6, 3, 2, 2), r"0\.weight: has the shape \(6, 3, 2, 2\)"),
        ("8.weight", (5, 16), "do not fit each other"),
        ("8.weight", (4, 8), "8: 4 outputs, of which the network has 5"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    key: str, shape: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    fggp.pack(network().state_dict() | {key: torch.ones(shape)}, tmp_path / "bad.fggp")
    with pytest.raises(CompileError, match=message):
        read(tmp_path / "bad.fggp", network())


def test_a_width_is_recognised_before_a_smaller_network(tmp_path: Path) -> None:
    fggp.pack(build("resnet50", width=Fraction(1, 16)), tmp_path / "narrow.fggp")
    assert read(tmp_path / "narrow.fggp").stem.out_channels == 4
