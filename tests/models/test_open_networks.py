"""Networks of torchvision, of timm, and of a module beside the study."""

import os
import re
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from fggp.foundation.errors import Failure
from fggp.foundation.python_files import SEPARATOR
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

def ends(classes):
    raise SystemExit("no such luck")

def without():
    return nn.Identity()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module of networks; the known modules are forgotten afterwards."""
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
        ("script:build", "nets/script.py: cannot be imported (SystemExit: 2)"),
        ("mine:ends", "mine:ends cannot be made (SystemExit: no such luck)"),
    ],
)
def test_what_cannot_be_used_is_one_line(own: Path, source: str, said: str) -> None:
    (own / "syntax.py").write_text("def (")
    (own / "script.py").write_text("raise SystemExit(2)")
    with pytest.raises(Failure, match=re.escape(said)) as caught:
        made("mine", recorded(locate(source, own)))
    assert "\n" not in str(caught.value)


def test_a_folder_may_have_a_colon_in_its_name(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own / "12:30").mkdir()
    (own / "12:30/late.py").write_text(OWN)
    source = locate("late:build", own / "12:30")
    assert recorded(source) == "late:build"
    assert shape(made("aa", source)) == (2, 7)
    monkeypatch.setattr(open_networks, "_FILES", {})  # as in a process that this one starts
    assert shape(made("aa", recorded(source))) == (2, 7)


def folders_with_net(place: Path) -> list[Path]:
    """Two folders, each with a file net.py whose networks differ."""
    for folder, features in (("x", 1), ("y", 2)):
        (place / folder).mkdir()
        text = f"from torch import nn\ndef build(classes): return nn.Linear({features}, classes)\n"
        (place / folder / "net.py").write_text(text)
    return [place / "x/net.py", place / "y/net.py"]


def refusal_of_the_name(*places: str) -> str:
    return f"{'.*'.join(places)}.* have the same name, .*; rename one$"


@pytest.mark.parametrize(("first", "second"), [("x", "y"), ("y", "x")])
@pytest.mark.parametrize("form", ["{}/net.py:build", "{}.net:build"])
def test_two_files_of_one_name_are_refused_and_both_are_named(
    own: Path, first: str, second: str, form: str
) -> None:
    folders_with_net(own)
    source = locate(form.format(first), own)
    said = refusal_of_the_name(f"{first}/net.py", f"{second}/net.py")
    with pytest.raises(Failure, match=said) as caught:
        locate(form.format(second), own)
    assert "\n" not in str(caught.value)
    assert locate(f"{first}/net.py:build", own) == source  # the same file again
    assert made("aa", recorded(source)).in_features == {"x": 1, "y": 2}[first]


def test_two_files_of_one_name_in_a_stored_study_are_refused(own: Path) -> None:
    one, other = folders_with_net(own)
    with pytest.raises(Failure, match=refusal_of_the_name("x/net.py", "y/net.py")):
        open_networks.register_files([one, other])
    open_networks.register_files([one, own / "x/../x/net.py"])


def test_stored_studies_with_files_of_one_name_are_read_and_their_networks_refused(
    own: Path,
) -> None:
    one, other = folders_with_net(own)
    open_networks.register_files([one])
    assert made("aa", "net:build").in_features == 1
    open_networks.register_files([other])
    for use in (made, origin, takes_width):
        with pytest.raises(Failure, match=refusal_of_the_name("x/net.py", "y/net.py")):
            use("aa", "net:build")
    one.unlink()  # moved, for example
    assert made("aa", "net:build").in_features == 2


@pytest.mark.parametrize("file_first", [True, False])
def test_a_file_with_the_name_of_an_installed_module_of_the_study_is_refused(
    own: Path, file_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(own / "site")
    (own / "site").mkdir()
    (own / "site/installed_net.py").write_text(OWN)
    (own / "x").mkdir()
    (own / "x/installed_net.py").write_text(OWN)
    sources = ["x/installed_net.py:build", "installed_net:build"]
    first, second = sources if file_first else reversed(sources)
    locate(first, own)
    with pytest.raises(Failure, match=r"the installed module installed_net .*rename one"):
        locate(second, own)
    assert takes_width("aa", recorded(first))


def test_a_file_with_the_name_of_a_library_of_networks_is_refused(own: Path) -> None:
    for name in open_networks.INSTALL:
        (own / f"{name}.py").write_text(OWN)
        with pytest.raises(Failure, match=f"{name}.py has the same name as the library {name}; "):
            locate(f"{name}.py:build", own)


def test_links_to_one_file_are_networks_of_different_names(own: Path) -> None:
    one, _ = folders_with_net(own)
    (own / "linked.py").symlink_to(one)
    for source in ("x/net.py:build", "linked:build"):
        assert made("aa", recorded(locate(source, own))).in_features == 1
    assert {Path(it).stem for it in os.environ[open_networks.VARIABLE].split(SEPARATOR)} == {
        "net",
        "linked",
    }


@pytest.mark.parametrize("source", ["keras", "torchvision:", "a b", ":build", "mine:", "mine:1x"])
def test_what_is_no_source_is_refused_with_those_there_are(source: str) -> None:
    with pytest.raises(ValueError, match="is not a source of networks; use torchvision, timm"):
        open_networks.check_source(source)
