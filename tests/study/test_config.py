import copy
import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from fggp.foundation.validation import ConfigError
from fggp.methods import METHODS
from fggp.study.config import Study, cells, load
from fggp.study.protocol import method_of
from fggp.study.study_folder import expected_text

CONFIG = Path(__file__).parents[2] / "config"
NO_STUDIES = {"colours", "stats", "claims"}
STUDIES = sorted(path for path in CONFIG.glob("*.yaml") if path.stem not in NO_STUDIES)
DEMO: dict[str, Any] = yaml.safe_load((CONFIG / "demo.yaml").read_text())


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes the demo with top-level keys replaced (None: removed), or a text as it is."""

    def make(*, name: str = "study", text: str | None = None, **changes: Any) -> Path:
        content = {k: v for k, v in (DEMO | changes).items() if v is not None}
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False) if text is None else text)
        return path

    return make


Write = Callable[..., Path]


def complaint(path: Path) -> str:
    with pytest.raises(ConfigError) as refusal:
        load(path)
    return str(refusal.value)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_loads_and_counts_its_cells_by_the_formula(path: Path) -> None:
    study = load(path)
    labels = [block["name"] for block in study.methods.values()]
    one = sum(METHODS[name].starts == "one" for name in labels)
    both = sum(METHODS[name].starts == "both" for name in labels)
    sparsities, starts = len(study.sparsities), len(study.initial_sparsities)
    per_seed = labels.count("dense") + sparsities * starts * both + sparsities * one
    listed = cells(study)
    assert len(listed) == len(study.backbones) * len(study.seeds) * per_seed
    assert len({cell.id for cell in listed}) == len(listed)
    assert len({cell.canonical() for cell in listed}) == len(listed)
    assert study.description


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("demo", 52),
        ("mini", 111),
        ("reduced", 111),
        ("paper", 2 * 5 * (1 + 3 * 2 * 11)),
        ("granet-protocol", 2 * 5 * (1 + 3 * 2 * 3 + 3)),
        ("mini-95-folder", 14),
        ("reading", 5 * (1 + 2 * 20)),
    ],
)
def test_the_number_of_cells_is_the_documented_one(name: str, count: int) -> None:
    assert len(cells(load(CONFIG / f"{name}.yaml"))) == count


@pytest.mark.parametrize("name", ["mini", "reduced", "paper", "reading"])
def test_a_folder_study_differs_in_its_data_and_description_alone(name: str) -> None:
    original, copy = (load(CONFIG / f"{stem}.yaml") for stem in (name, f"{name}-folder"))
    different = {k for k in Study.model_fields if getattr(original, k) != getattr(copy, k)}
    # The shipped results of mini-folder have the default of fggp of the time of their training.
    assert different == {"data", "description"} | ({"methods"} if name == "mini" else set())
    assert copy.data.kind == "folder"
    assert (copy.data.validation, copy.data.train) == (
        original.data.validation,
        original.data.train,
    )


def test_the_cells_of_the_small_study_are_cells_of_the_large_one() -> None:
    small, large = (cells(load(CONFIG / f"{n}.yaml")) for n in ("mini-95-folder", "mini-folder"))
    shared = {cell.canonical() for cell in small if cell.label != "fggp"}
    assert len(shared) == 10
    assert shared < {cell.canonical() for cell in large}


def test_the_paper_has_the_grid_and_the_protocol_of_the_abstract() -> None:
    study = load(CONFIG / "paper.yaml")
    assert list(study.backbones) == ["vgg19", "resnet50"]
    assert [float(s) for s in study.sparsities] == [0.9, 0.95, 0.98]
    assert [float(s) for s in study.initial_sparsities] == [0, 0.5]
    training, pruning = study.training, study.pruning
    assert (training.epochs, training.batch_size, float(training.lr)) == (160, 64, 0.1)
    assert [float(m) for m in training.lr_milestones] == [0.5, 0.75]
    assert training.weight_decay == Fraction(5, 10_000)
    assert (training.label_smoothing, training.pad_mode) == (Fraction(1, 10), "zero")
    assert (study.data.validation, pruning.dense) == (0, ("first",))
    cell = cells(study)[-1]
    timing = method_of(cell, 782).timing
    assert (timing.steps, timing.end, timing.updates) == (125_120, 100_096, 50)


def test_the_grid_by_granets_protocol_differs_in_protocol_and_methods_alone() -> None:
    paper, granet = (load(CONFIG / f"{name}.yaml") for name in ("paper", "granet-protocol"))
    for grid in ("sparsities", "initial_sparsities", "seeds"):
        assert getattr(paper, grid) == getattr(granet, grid)
    assert (granet.training.batch_size, granet.pruning.end_epoch) == (128, 80)
    assert method_of(cells(granet)[-1], 352).timing.updates == 28


def test_cells_come_seed_by_seed_with_the_dense_ones_first() -> None:
    listed = cells(load(CONFIG / "demo.yaml"))
    assert [cell.seed for cell in listed] == [1] * 26 + [2] * 26
    dense = [i for i, cell in enumerate(listed) if cell.label == "dense"]
    assert dense == [0, 13, 26, 39]
    assert [listed[i].id for i in (0, 13)] == [
        "vgg19/s0/i0/dense/seed1",
        "resnet50/s0/i0/dense/seed1",
    ]


def test_a_learning_rate_of_the_backbone_replaces_that_of_the_training(write: Write) -> None:
    study = load(write(backbones={"vgg19": {"lr": 0.3}, "resnet50": {}}, training={"lr": 0.2}))
    rates = {cell.backbone.name: float(cell.training.lr) for cell in cells(study)}
    assert rates == {"vgg19": 0.3, "resnet50": 0.2}


# ------------------------------------------------------------------------------------ base


def test_training_and_pruning_merge_by_key_and_all_else_is_replaced(write: Write) -> None:
    write(name="below")
    study = load(
        write(
            name="above",
            text="base: below.yaml\ntraining: {batch_size: 64}\npruning: {update_every: 3}\n"
            "backbones: {vgg19: {}}\nmethods: {gmp: {}}\nseeds: [7]\n",
        )
    )
    assert (study.training.batch_size, study.training.epochs) == (64, 6)
    assert float(study.training.lr_milestones[0]) == pytest.approx(2 / 3)
    assert (study.pruning.update_every, study.pruning.end_epoch) == (3, 3)
    assert list(study.backbones) == ["vgg19"]
    assert study.backbones["vgg19"].lr is None
    assert list(study.methods) == ["gmp"]
    assert study.seeds == (7,)
    assert study.sparsities == load(CONFIG / "demo.yaml").sparsities


def test_a_study_can_build_on_one_that_builds_on_another(write: Write) -> None:
    write(name="a")
    write(name="b", text="base: a.yaml\ntraining: {epochs: 9}\n")
    study = load(write(name="c", text="base: b.yaml\ntraining: {batch_size: 64}\n"))
    assert (study.training.epochs, study.training.batch_size, study.training.pad) == (9, 64, 1)


def test_a_study_on_a_base_alone_is_its_equal(write: Write) -> None:
    below = load(write(name="below"))
    assert load(write(name="above", text="base: below.yaml\n")) == below


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("base: belov.yaml\n", ["belov.yaml", "no such study", "did you mean", "below.yaml"]),
        ("base: 5\n", ["study.yaml: base: 5 is not the name"]),
        ("base: study.yaml\n", ["study.yaml: base: 'study.yaml' is not the name of another"]),
        ("base: [below.yaml]\n", ["study.yaml: base: ['below.yaml'] is not the name"]),
        ("base: .\n", ["irectory"]),
    ],
)
def test_a_wrong_base_is_named(write: Write, text: str, fragments: list[str]) -> None:
    write(name="below")
    message = complaint(write(text=text))
    assert "\n" not in message
    assert all(fragment in message for fragment in fragments)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_cycle_of_bases_is_refused(write: Write, name: str) -> None:
    write(name="a", text="base: b.yaml\n")
    write(name="b", text="base: a.yaml\n")
    path = write(name="c", text="base: a.yaml\n").with_name(f"{name}.yaml")
    try:
        assert "base" in complaint(path)
    except RecursionError as error:
        error.__traceback__ = None  # a thousand frames take half a minute to print
        pytest.fail("recursed without end")


@pytest.mark.parametrize("below", ["training:\n", "training: 5\n", "training: [1]\n"])
def test_a_base_whose_block_is_no_mapping_is_refused(write: Write, below: str) -> None:
    write(name="below", text=below)
    assert "training" in complaint(write(text="base: below.yaml\ntraining: {epochs: 5}\n"))


# ------------------------------------------------------------------------------- complaints

TRAINING, DATA = DEMO["training"], DEMO["data"]

BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown key": ({"sparsitys": [0.9]}, ["sparsitys: no such key", "'sparsities'"]),
    "unknown key below": (
        {"training": {"epoch": 5}},
        ["training.epoch: no such key", "'epochs'"],
    ),
    "unknown key two below": (
        {"backbones": {"vgg19": {"widhts": 1}}},
        ["backbones.vgg19.widhts: no such key", "'width'"],
    ),
    "unknown key of data": (
        {"data": DATA | {"trainn": 5}},
        ["data.trainn: no such key", "'train'"],
    ),
    "unknown key of pruning": (
        {"pruning": {"end_epochs": 3}},
        ["pruning.end_epochs: no such key", "'end_epoch'"],
    ),
    "unknown setting": (
        {"methods": {"fggp": {"rat": 1}}},
        ["methods.fggp.rat: no such key", "'rate'"],
    ),
    "unknown setting of a label": (
        {"methods": {"x": {"method": "granet", "drop": 1}}},
        ["methods.x.drop: no such key", "'drop_fraction'"],
    ),
    "unknown method": ({"methods": {"fgggp": {}}}, ["methods.fgggp: 'fgggp'", "'fggp'"]),
    "unknown method of a label": (
        {"methods": {"x": {"method": "granett"}}},
        ["methods.x.method: 'granett' is not a method", "'granet'"],
    ),
    "unknown backbone": ({"backbones": {"vgg": {}}}, ["backbones.vgg: 'vgg'", "'vgg19'"]),
    "another label for dense": (
        {"methods": {"reference": {"method": "dense"}}},
        ["methods.reference", "'dense'"],
    ),
    "missing block": ({"data": None}, ["data: is missing"]),
    "missing key": ({"data": {"kind": "digits", "name": "x"}}, ["data.validation: is missing"]),
    "text for a number": ({"training": {"epochs": "six"}}, ["training.epochs: 'six'", "integer"]),
    "fraction for a count": ({"training": {"epochs": 6.5}}, ["training.epochs: 6.5", "integer"]),
    "yes or no for a count": ({"training": {"pad": True}}, ["training.pad: True", "integer"]),
    "text for a flag": ({"training": {"flip": "no"}}, ["training.flip: 'no'", "boolean"]),
    "number for a block": ({"training": 5}, ["training: 5", "dictionary"]),
    "number for a list": ({"sparsities": 0.9}, ["sparsities: 0.9", "a list, such as [0.9]"]),
    "nothing for a backbone": ({"backbones": {"vgg19": None}}, ["backbones.vgg19: None"]),
    "list for a method": ({"methods": {"gmp": []}}, ["methods.gmp: []", "dictionary"]),
    "number for a method": ({"methods": {"x": {"method": 3}}}, ["methods.x.method: 3"]),
    "number for a label": ({"methods": {1: {}}}, ["methods.1: 1", "string"]),
    "number for a description": ({"description": 5}, ["description: 5", "string"]),
    "text for a share": ({"sparsities": ["much"]}, ["sparsities.0: 'much'", "1/8"]),
    "flag for a share": ({"sparsities": [True]}, ["sparsities.0: True", "1/8"]),
    "not a number": ({"training": {"lr": float("nan")}}, ["training.lr: nan", "1/8"]),
    "division by zero": ({"training": {"lr": "1/0"}}, ["training.lr: '1/0'", "1/8"]),
    "share above one": ({"sparsities": [0.9, 1.5]}, ["sparsities.1: 1.5 must be at most 1"]),
    "sparsity of one": ({"sparsities": [1]}, ["sparsities: 1 leaves no weight", "below 1"]),
    "negative seed": ({"seeds": [-1]}, ["seeds.0: -1 must be at least 0"]),
    "no epoch": ({"training": {"epochs": 0}}, ["training.epochs: 0 must be at least 1"]),
    "no learning rate": ({"training": {"lr": 0}}, ["training.lr: 0 must be above 0"]),
    "no width": ({"backbones": {"vgg19": {"width": 0}}}, ["backbones.vgg19.width: 0 must be"]),
    "rate above one": (
        {"methods": {"fggp": {"rho": 2}}},
        ["methods.fggp.rho: 2", "nearest valid is 1"],
    ),
    "number for a key of a rate": (
        {"methods": {"fggp": {"rho": {"schedule": "cosine", "start": 1, 7: 0}}}},
        ["methods.fggp.rho: 7: no such key", "end: is missing"],
    ),
    "text of two lines for a list": (
        {"sparsities": "0.9\n0.95"},
        ["sparsities: '0.9\\n0.95'", "a list, such as [0.9 0.95]"],
    ),
    "rounds without end": (
        {"methods": {"imp": {"share": 1e-30}}},
        ["methods.imp.share: 1e-30 would take more trainings", "nearest valid is 1/100"],
    ),
    "bad kind": ({"data": DATA | {"kind": "digit"}}, ["data.kind: 'digit'", "'digits'"]),
    "bad precision": ({"training": {"precision": "fp16"}}, ["training.precision: 'fp16'", "16'"]),
    "bad layout": ({"training": {"layout": "nhwc"}}, ["training.layout: 'nhwc'", "use 'con"]),
    "bad distribution": (
        {"methods": {"random": {"distribution": "erks"}}},
        ["methods.random.distribution: 'erks'", "'erk'"],
    ),
    "label that is not a file name": (
        {"methods": {"a/b": {"method": "gmp"}}},
        ["methods.a/b: 'a/b'"],
    ),
    "name that is not a file name": ({"data": DATA | {"name": "../x"}}, ["data.name: '../x'"]),
    "empty list": ({"seeds": []}, ["seeds: []", "at least 1"]),
    "empty mapping": ({"methods": {}}, ["methods: {}", "at least 1"]),
    "equal seeds": ({"seeds": [1, 2, 1]}, ["seeds: [1, 2, 1] has duplicate values"]),
    "equal sparsities": ({"sparsities": [0.9, "9/10"]}, ["sparsities: [0.9, 0.9] has duplicate"]),
    "equal starts": (
        {"initial_sparsities": [0, 0.0]},
        ["initial_sparsities: [0, 0] has duplicate"],
    ),
    "start above a target": (
        {"initial_sparsities": [0, 0.95]},
        ["initial_sparsities: 0.95", "below 0.9"],
    ),
    "start at a target": ({"initial_sparsities": [0.9]}, ["initial_sparsities: 0.9", "below 0.9"]),
    "window after the training": (
        {"pruning": {"end_epoch": 7}},
        ["pruning.end_epoch: 7 is after the training", "training.epochs, 6"],
    ),
    "two ends of the window": (
        {"pruning": {"end_epoch": 3, "end_share": 0.8}},
        ["pruning.end_epoch, pruning.end_share: both are set", "set one"],
    ),
    "no end of the window": (
        {"pruning": {"end_epoch": None}},
        ["pruning.end_epoch, pruning.end_share: none is set", "set one"],
    ),
    "a share of nothing": ({"pruning": {"end_share": 0}}, ["pruning.end_share: 0", "above 0"]),
    "a window that ends before it begins, as a share": (
        {"pruning": {"end_share": 0.1, "begin_epoch": 3}},
        ["pruning.end_share: 0.1 of the training is not after pruning.begin_epoch, 3"],
    ),
    "a dense layer that no network has": (
        {"pruning": {"end_epoch": 3, "dense": ["first", "clasifier"]}},
        ["pruning.dense: in vgg19, 'clasifier'", "did you mean 'classifier'"],
    ),
    "dense layers with more weights than the target": (
        {"pruning": {"end_epoch": 3, "dense": ["conv5_1", "conv5_2", "conv5_3", "conv5_4"]}},
        ["pruning.dense: these layers of vgg19 have", "remove a layer from the list"],
    ),
    "a dense classifier of two hundred classes": (
        {
            "data": {"kind": "tinyimagenet", "name": "tiny", "path": "t.zip", "validation": 0},
            "backbones": {"resnet50": {}},
            "sparsities": [0.99],
            "pruning": {"end_epoch": 3, "dense": ["classifier"]},
        },
        ["pruning.dense: these layers of resnet50 have 409600 weights", "remove a layer"],
    ),
    "smoothing everything": ({"training": {"label_smoothing": 1}}, ["training.label_smoothing: 1"]),
    "an unknown padding": (
        {"training": {"pad_mode": "edge"}},
        ["training.pad_mode: 'edge'"],
    ),
    "window that ends before it begins": (
        {"pruning": {"begin_epoch": 3, "end_epoch": 3}},
        ["pruning.begin_epoch: 3", "nearest valid is 2"],
    ),
    "folder without a path": ({"data": DATA | {"kind": "folder"}}, ["data.path: missing"]),
    "folder with an empty path": (
        {"data": DATA | {"kind": "folder", "path": " "}},
        ["data.path: missing"],
    ),
    "path with a zero byte": (
        {"data": DATA | {"kind": "folder", "path": "a\0b"}},
        ["data.path: 'a\\x00b' is not the name"],
    ),
    "label in capitals": (
        {"methods": {"FGGP": {"method": "fggp"}}},
        ["methods.FGGP: 'FGGP' is used as a file name", "did you mean 'fggp'?"],
    ),
    "label without a letter": ({"methods": {"/": {"method": "gmp"}}}, ["methods./: '/' is used"]),
    "label longer than file names": (
        {"methods": {"a" * 101: {"method": "gmp"}}},
        ["methods.a", "at most 100 characters"],
    ),
    "huge number": ({"training": {"epochs": 10**30}}, ["training.epochs: 1", "at most 2147483647"]),
    "huge seed": ({"seeds": [10**30]}, ["seeds.0: 1", "at most 2147483647"]),
    "threads without end": ({"training": {"threads": 5000}}, ["training.threads: 5000", "512"]),
    "width without end": ({"backbones": {"vgg19": {"width": 300}}}, ["backbones.vgg19.width: 300"]),
    "rate beyond numbers": (
        {"training": {"lr": "1e10000000"}},
        ["training.lr: 1e10000000 is too large or too small a number"],
    ),
    "rate that would be nothing": (
        {"training": {"lr": "1e-400"}},
        ["training.lr: 1e-400 is too large or too small a number"],
    ),
    "fraction that would be nothing": (
        {"training": {"lr": "1/1" + "0" * 400}},
        ["training.lr: 1/1", "is too large or too small a number"],
    ),
    "text for a list": ({"seeds": "~"}, ["seeds: '~' should be a list"]),
    "all images held out": (
        {"data": DATA | {"validation": 1197}},
        ["data.validation: 1197 leaves none of the 1197", "nearest valid is 1196"],
    ),
    "more images than there are": (
        {"data": DATA | {"validation": 1000, "train": 198}},
        ["data.train: 198 is more than the 197 images", "nearest valid is 197"],
    ),
    "batch of more images than there are": (
        {"training": TRAINING | {"batch_size": 1051}},
        ["training.batch_size: 1051 is more than the 1050", "nearest valid is 1050"],
    ),
    "border as wide as the image": (
        {"training": TRAINING | {"pad": 16}},
        ["training.pad: 16 must be less than the 16 pixels", "nearest valid is 15"],
    ),
    "window shorter than an update": (
        {"pruning": {"update_every": 100, "end_epoch": 3}},
        [
            "pruning.update_every: 100 is longer than the pruning window of 99 steps (33 an epoch)",
            "gmp would never prune",
            "nearest valid is 99",
        ],
    ),
    "window shorter than an update, of few images": (
        {"data": DATA | {"train": 64}, "pruning": {"update_every": 7, "end_epoch": 3}},
        ["pruning.update_every: 7 is longer than the pruning window of 6 steps (2 an epoch)"],
    ),
    "path without a folder": ({"data": DATA | {"path": "x"}}, ["data.path: digits", "remove"]),
}


@pytest.mark.parametrize(("changes", "fragments"), list(BAD.values()), ids=list(BAD))
def test_a_bad_value_gives_one_line_with_file_key_value_and_fix(
    write: Write, changes: dict[str, Any], fragments: list[str]
) -> None:
    path = write(**changes)
    message = complaint(path)
    assert message.startswith(f"{path}: {fragments[0]}")
    assert "\n" not in message
    assert all(fragment in message for fragment in fragments)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "a study is a mapping of keys"),
        ("# nothing\n", "a study is a mapping of keys"),
        ("- demo\n", "a study is a mapping of keys"),
        ("demo\n", "a study is a mapping of keys"),
        ("seeds: [1]\nseeds: [2]\n", "seeds: duplicate key; keep one of them"),
        ("training: {epochs: 1, epochs: 2}\n", "epochs: duplicate key; keep one of them"),
        ("seeds: [1\n", "expected ',' or ']'"),
        ("a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("\x00", "special characters are not allowed"),
        ("data:\n\tkind: digits\n", "line 2, column 1: found character '\\t'"),
        ("a: 1\n  b: 2\n", "line 2, column 4: mapping values are not allowed here; fix the YAML"),
        ("a: " + "[" * 5000, "too many nested brackets"),
    ],
)
def test_a_file_that_is_no_study_gives_one_line_with_its_path(
    write: Write, text: str, fragment: str
) -> None:
    path = write(text=text)
    message = complaint(path)
    assert message.startswith(f"{path}: ")
    assert fragment in message
    assert "\n" not in message


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"seeds: \xe9")
    assert complaint(path) == f"{path}: byte 7 is not UTF-8; save the file in that encoding"


def test_a_folder_with_the_name_of_a_study_is_named(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.mkdir()
    assert complaint(path) == f"{path}: cannot be read (Is a directory); name a YAML file"


def test_a_study_of_any_editor_is_read(write: Write) -> None:
    path = write()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert load(path) == load(CONFIG / "demo.yaml")


@pytest.mark.parametrize(
    ("changes"),
    [
        {"data": DATA | {"validation": 1196}, "training": TRAINING | {"batch_size": 1},
         "backbones": {"resnet50": {}}, "pruning": {"update_every": 1, "end_epoch": 1}},
        {"data": DATA | {"validation": 1000, "train": 197}},
        {"training": TRAINING | {"batch_size": 1050},
         "pruning": {"update_every": 3, "end_epoch": 3}},
        {"training": TRAINING | {"pad": 15}},
        {"pruning": {"update_every": 99, "end_epoch": 3}},
        {"pruning": {"update_every": 33, "begin_epoch": 2, "end_epoch": 3}},
        # The lottery ticket has its own times, and pruning before training has none.
        {"methods": {"imp": {}}, "pruning": {"update_every": 5000, "end_epoch": 3}},
        {"methods": {"snip": {}}, "pruning": {"update_every": 5000, "end_epoch": 3}},
    ],
    ids=["validation", "train", "batch", "pad", "window", "late window", "imp", "snip"],
)  # fmt: skip
def test_the_nearest_valid_values_are_valid(write: Write, changes: dict[str, Any]) -> None:
    load(write(**changes))


def test_a_folder_of_unknown_size_is_not_guessed_at(write: Write) -> None:
    images = {"kind": "folder", "name": "x", "path": "x", "validation": 10**6}
    assert load(write(data=images)).data.validation == 10**6


def test_a_missing_study_is_answered_with_the_nearest(write: Write) -> None:
    path = write(name="demo").with_name("dmeo.yaml")
    assert complaint(path).startswith(f"{path}: no such study; did you mean ")


UNCAUGHT: dict[str, tuple[str, str]] = {
    "key that is a number": ("1: 2\n", "1"),
    "key that is nothing": ("~: 2\n", "None"),
    "base with a zero byte": ('base: "a\\0b"\n', "base"),
    "list for a method": ("methods: {x: {method: [gmp]}}\n", "methods.x.method"),
}


@pytest.mark.parametrize(("text", "fragment"), list(UNCAUGHT.values()), ids=list(UNCAUGHT))
def test_what_python_or_yaml_refuses_is_a_complaint_too(
    write: Write, text: str, fragment: str
) -> None:
    path = write(text=yaml.safe_dump({k: v for k, v in DEMO.items() if k not in text}) + text)
    assert fragment in complaint(path).removeprefix(str(path))


def test_a_key_of_two_lines_is_named_on_one(write: Write) -> None:
    assert "\n" not in complaint(write(**{"a\nb": 1}))


IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "nesterov without momentum": {"training": TRAINING | {"momentum": 0}},
    "sparsity that is no decimal": {"sparsities": ["2/3"], "initial_sparsities": [0]},
    "another method called dense": {"methods": {"dense": {"method": "gmp"}}},
}


@pytest.mark.parametrize("changes", list(IMPOSSIBLE.values()), ids=list(IMPOSSIBLE))
def test_what_cannot_be_trained_or_filed_is_refused_at_once(
    write: Write, changes: dict[str, Any]
) -> None:
    complaint(write(**changes))


# ------------------------------------------------------------------------------------ fuzz

ODD = [None, True, False, 0, -1, 7, 10**30, 1.5, -0.0, float("nan"), float("inf"), 1e-300]
ODD += ["", "x", "0.5", "1/0", "é\u2028", " ", "null", "2020-01-01", [], [[]], [None], [1, "a"]]
ODD += [{}, {"a": 1}, {"name": {}}, ["vgg19"], {"method": "gmp"}, "digits", b"\xff"]
KEYS = ["method", "x", "", "a.b", "name", "lr", "base", "é", "epochs ", "path", "gmp"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = list(value.items()) if isinstance(value, dict) else []
    items += list(enumerate(value)) if isinstance(value, list) else []
    return [place for key, part in items for place in [(*path, key), *places(part, (*path, key))]]


def mutate(study: Any, rng: random.Random) -> None:
    *path, last = rng.choice(places(study))
    holder = study
    for key in path:
        holder = holder[key]
    action = rng.choice(["delete", "rename", "replace", "replace", "swap"])
    if action == "delete":
        del holder[last]
    elif action == "rename" and isinstance(holder, dict):
        holder[rng.choice(KEYS)] = holder.pop(last)
    elif action == "swap":
        *_, other = rng.choice(places(DEMO))
        holder[last] = copy.deepcopy(DEMO.get(other, other))
    else:
        holder[last] = rng.choice(ODD)


def verdict(path: Path) -> str | None:
    """The complaint about a study, if there is one."""
    try:
        expected_text(load(path), "study")
    except ConfigError as error:
        return str(error)
    except Exception as error:
        pytest.fail(f"raised {error!r} on\n{path.read_text()}")
    return None


def test_random_mutations_of_the_demo_raise_nothing_but_complaints(tmp_path: Path) -> None:
    refused = 0
    for seed in range(300):
        rng = random.Random(seed)
        study = yaml.safe_load((CONFIG / "demo.yaml").read_text())
        for _ in range(rng.choice([1, 1, 2, 4])):
            mutate(study, rng)
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(study, sort_keys=False, allow_unicode=True))
        message = verdict(path)
        if message is not None:
            refused += 1
            assert "\n" not in message, seed
            assert message.startswith(str(tmp_path)), seed
    assert 100 < refused < 300


def test_a_method_with_nothing_behind_it_has_its_default_settings(write: Write) -> None:
    empty = write(methods=dict.fromkeys(DEMO["methods"]))
    assert load(empty) == load(CONFIG / "demo.yaml")


def test_a_key_one_level_too_high_is_sent_to_its_place(write: Write) -> None:
    message = complaint(write(lr_decay=0.5))
    assert "lr_decay: no such key; did you mean 'training.lr_decay'?" in message
