"""A packed file is compiled without naming its network, where that is one of fggp."""

from fractions import Fraction

import pytest
import torch
from sparse_networks import backbone, images, prune
from torch import nn

import fggp
from fggp.fast.packed import read
from fggp.fast.refusal import CompileError
from fggp.models import build
from fggp.models.registry import names
from fggp.storage.packing import PackError


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("width", ["1/32", "1/8", "3/10"])
def test_a_packed_network_of_fggp_is_recognized(name, width, tmp_path):
    model, batch = backbone(name, width), images(2, 3, 32, 32)
    fggp.pack(model, tmp_path / "model.fggp", positive_zeros=True)
    found = fggp.compile(tmp_path / "model.fggp")
    assert torch.equal(found(batch), fggp.compile(model)(batch))


def test_the_number_of_classes_is_that_of_the_file(tmp_path):
    model = build("vgg19", width=Fraction(1, 16), classes=37)
    fggp.pack(model, tmp_path / "model.fggp")
    assert read(tmp_path / "model.fggp").classifier.out_features == 37


def test_other_networks_are_named_by_the_caller(tmp_path):
    model = prune(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), 0.3)
    batch = images(2, 3, 5, 5)
    fggp.pack(model, tmp_path / "model.fggp")
    with pytest.raises(CompileError, match=r"not the weights of a network of fggp.*with into="):
        fggp.compile(tmp_path / "model.fggp")
    empty = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    found = fggp.compile(str(tmp_path / "model.fggp"), into=empty)
    assert torch.equal(found(batch), fggp.compile(model)(batch))
    with pytest.raises(CompileError, match="not the weights of that module"):
        fggp.compile(tmp_path / "model.fggp", into=nn.Sequential(nn.Conv2d(3, 5, 3)))
    with pytest.raises(CompileError, match="into= belongs to a packed file"):
        fggp.compile(model, into=empty)


def test_a_file_that_is_absent_is_named(tmp_path):
    with pytest.raises(PackError, match="cannot be read"):
        fggp.compile(tmp_path / "none.fggp")
