"""Networks of torchvision, of timm, and of a module beside the study."""

import re
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from fggp.foundation.errors import Failure
from fggp.models import open_networks
from fggp.models.open_networks import locate, make, origin, recorded, takes_width
from fggp.study.cell import Backbone
from fggp.study.networks import shapes_alone

META = torch.device("meta")
OWN = """
from torch import nn

def build(classes, width=1, side=32):
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, int(8 * width)))
    return net.append(nn.Linear(int(8 * width), classes))

def plain(classes):
    return nn.Linear(1, classes)

def broken(classes):
    raise ValueError("no such luck")

def without():
    return nn.Identity()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module of networks; what is known of others is forgotten afterwards."""
    monkeypatch.setattr(open_networks, "_FILES", {})
    monkeypatch.setenv(open_networks.VARIABLE, "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/mine.py").write_text(OWN)
    return tmp_path / "nets"


def made(name: str, source: str, **changes: object) -> nn.Module:
    settings = {"width": Fraction(1), "classes": 7, "side": 32, "stem": None}
    with META:
        return make(name, source, **settings | changes)  # type: ignore[arg-type]


def shape(model: nn.Module, side: int = 32) -> tuple[int, ...]:
    return tuple(model(torch.empty(2, 3, side, side, device=META)).shape)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("resnet18", "torchvision"),
        ("mobilenetv2", "torchvision"),
        ("wide", "torchvision:wide_resnet50_2"),
        ("wideresnet502", "torchvision"),
    ],
)
def test_a_network_of_torchvision_has_the_classes_of_the_study(name: str, source: str) -> None:
    assert shape(made(name, source)) == (2, 7)


def test_of_two_networks_whose_names_look_alike_the_whole_name_is_asked_for() -> None:
    with pytest.raises(Failure, match="write torchvision:regnet_x_16gf"):
        made("regnetx16gf", "torchvision")
    whole = Backbone(name="regnetx16gf", width=1, source="torchvision:regnet_x_1_6gf")
    assert shape(shapes_alone(whole, classes=7)) == (2, 7)  # made on the CPU, as it needs numbers


def test_a_small_stem_keeps_the_pixels_of_small_images() -> None:
    plain, small = (made("resnet18", "torchvision", stem=it) for it in (None, "small"))
    first: list[torch.Size] = []
    for model in (plain, small):
        hook = model.layer1.register_forward_hook(lambda _, __, out: first.append(out.shape[2:]))
        assert shape(model) == (2, 7)
        hook.remove()
    assert first == [(8, 8), (32, 32)]
    with pytest.raises(Failure, match="vgg11 has no `conv1` and `maxpool` to replace; leave out"):
        made("vgg11", "torchvision", stem="small")


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("resnet19", "torchvision", "no network 'resnet19'; did you mean 'resnet18'?"),
        ("x", "torchvision:fcn_resnet50", "torchvision has no network 'fcn_resnet50'"),
    ],
)
def test_an_unknown_network_of_torchvision_is_refused_with_the_nearest(
    name: str, source: str, said: str
) -> None:
    with pytest.raises(Failure, match=re.escape(said)):
        made(name, source)


def test_timm_is_asked_for_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(Failure, match=r"timm cannot be imported \(.*\); pip install timm"):
        made("resnet18", "timm")


def test_a_network_of_timm_is_made_without_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    timm, asked = ModuleType("timm"), []

    def create(name: str, *, pretrained: bool, num_classes: int) -> nn.Module:
        asked.append((name, pretrained, num_classes))
        return nn.Linear(3, num_classes)

    timm.list_models = lambda: ["resnet18", "vit_tiny_patch16_224"]  # type: ignore[attr-defined]
    timm.create_model = create  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", timm)
    made("resnet18", "timm")
    made("tiny", "timm:vit_tiny_patch16_224")
    made("vittinypatch16224", "timm")
    vit = ("vit_tiny_patch16_224", False, 7)
    assert asked == [("resnet18", False, 7), vit, vit]


def test_a_function_gets_the_keywords_that_it_takes(own: Path) -> None:
    source = locate("mine:build", own)
    assert source == "nets/mine.py:build"
    assert recorded(source) == "mine:build"
    for asked in (source, recorded(source)):
        model = made("mine", asked, width=Fraction(1, 2), side=20)
        assert [tuple(p.shape) for p in model.parameters() if p.ndim > 1] == [(4, 1200), (7, 4)]
    assert made("mine", locate("mine:plain", own)).out_features == 7
    assert takes_width("mine", "mine:build")
    assert not takes_width("mine", "mine:plain")
    assert not takes_width("resnet18", "torchvision")


def test_results_record_the_digest_of_the_file_that_was_imported(own: Path) -> None:
    locate("mine:build", own)
    made("mine", "mine:build")
    before = origin("mine", "mine:build")
    (own / "mine.py").write_text("# changed meanwhile")
    assert origin("mine", "mine:build") == before
    assert before.keys() == {"source", "sha256"}
    assert origin("resnet18", "torchvision").keys() == {"source", "version"}
    assert origin("resnet18", "torchvision")["source"] == "torchvision:resnet18"


def test_an_installed_module_is_found_where_no_file_is(own: Path) -> None:
    assert locate("torch.nn:Linear", own) == "torch.nn:Linear"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("absent:build", "absent.py: no such file, and 'absent' is not an installed module"),
        ("absent.py:build", "absent.py: no such file"),
        ("mine:built", "nets/mine.py has no 'built'; did you mean 'build'?"),
        ("mine:without", "mine:without takes no `classes`; write def without(classes)"),
        ("mine:broken", "mine:broken cannot be made (ValueError: no such luck)"),
        ("syntax:build", "nets/syntax.py: cannot be imported (SyntaxError: "),
    ],
)
def test_what_cannot_be_used_is_one_line(own: Path, source: str, said: str) -> None:
    (own / "syntax.py").write_text("def (")
    with pytest.raises(Failure, match=re.escape(said)) as caught:
        made("mine", recorded(locate(source, own)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["keras", "torchvision:", "a b", ":build", "mine:", "mine:1x"])
def test_what_is_no_source_is_refused_with_those_there_are(source: str) -> None:
    with pytest.raises(ValueError, match="is not a source of networks; use torchvision, timm"):
        open_networks.check_source(source)
