"""The JSON Schema of studies accepts what the loader does, explains every key, and is current."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from fggp.cli.schema import key_table
from fggp.methods import METHODS
from fggp.study.schema import key_rows, study_schema
from fggp.study.yaml_files import studies

ROOT = Path(__file__).parents[2]
STUDIES = studies(ROOT / "config")
DEMO = (ROOT / "config/demo.yaml").read_text()
SHIPPED: dict[str, Any] = json.loads((ROOT / "config/study.schema.json").read_text())
VALIDATOR = Draft202012Validator(SHIPPED)
MODELINE = "# yaml-language-server: $schema=study.schema.json\n"


def wrong(text: str) -> list[str]:
    return [it.json_path for it in VALIDATOR.iter_errors(yaml.safe_load(text))]


def current() -> dict[str, Any]:
    """The schema without methods that other tests registered."""
    with pytest.MonkeyPatch.context() as patch:
        for name, definition in list(METHODS.items()):
            if not definition.make.__module__.startswith("fggp."):
                patch.delitem(METHODS, name)
        return json.loads(json.dumps(study_schema()))


def test_the_shipped_schema_is_that_of_the_program() -> None:
    assert current() == SHIPPED, "run make schema"


def test_the_readme_of_studies_has_every_key_of_the_schema() -> None:
    table = key_table(SHIPPED)
    assert "\n| `training.epochs` | `160` | Passes over the training images. |\n" in table
    assert f"\n{table}\n" in (ROOT / "config/README.md").read_text(), "run make schema"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SHIPPED)
    assert len(STUDIES) > 25


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_is_valid_and_names_the_schema(path: Path) -> None:
    text = path.read_text()
    assert wrong(text) == []
    assert text.startswith(MODELINE)


def test_the_package_brings_the_schema_beside_its_examples() -> None:
    beside = ROOT / "src/fggp/study/examples/study.schema.json"
    assert beside.resolve() == ROOT / "config/study.schema.json"


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ("traning: {}", "$"),
        ("training: {epoch: 3}", "$.training"),
        ("training: {epochs: 0}", "$.training.epochs"),
        ("training: {lr: -1}", "$.training.lr"),
        ("training: {label_smoothing: 1}", "$.training.label_smoothing"),
        ("pruning: {end_share: 0}", "$.pruning.end_share"),
        ("sparsities: []", "$.sparsities"),
        ("sparsities: [1.5]", "$.sparsities[0]"),
        ("sparsities: [much]", "$.sparsities[0]"),
        ("backbones: {alexnet: {}}", "$.backbones.alexnet"),
        ("backbones: {Alex-Net: {source: torchvision}}", "$.backbones"),
        ("backbones: {alexnet: {source: torchvision, stem: large}}", "$.backbones.alexnet.stem"),
        ("methods: {fggp: {rat: 1}}", "$.methods.fggp"),
        ("methods: {fggp: {order: random}}", "$.methods.fggp.order"),
        ("methods: {quarter: {method: gmp, rho: 1/4}}", "$.methods.quarter"),
        ("methods: {Fggp: {}}", "$.methods"),
        ("data: {kind: digits, name: digits}", "$.data"),
    ],
)
def test_a_wrong_key_or_value_is_rejected_where_it_stands(changed: str, path: str) -> None:
    assert path in wrong(f"base: demo.yaml\n{changed}\n")


@pytest.mark.parametrize(
    "changed",
    [
        "training: {lr: 5e-4, weight_decay: 0, lr_milestones: [2/3, 5/6]}",
        "methods: {fggp: , quarter: {method: fggp, rho: 1/4}}",
        "methods: {fggp: {rho: {schedule: cosine, start: 1/2, end: 0.005, over: training}}}",
        "pruning: {end_epoch: null, end_share: 4/5, dense: [first]}",
        "backbones: {resnet18: {source: torchvision, stem: small}, mine: {source: 'net:build'}}",
        "methods: {mine: {strength: 3}}  # of a plugin that the base brings",
    ],
)
def test_what_the_loader_accepts_is_accepted(changed: str) -> None:
    assert wrong(f"base: demo.yaml\n{changed}\n") == []


def test_a_label_of_no_known_method_needs_a_plugin_or_the_name_of_a_method() -> None:
    other = DEMO.replace("  gmp: {}", "  mine: {}")
    assert wrong(other) == ["$.methods.mine"]
    assert wrong(other + "plugins: [methods.py]\n") == []
    assert wrong(DEMO.replace("  gmp: {}", "  mine: {method: gmp}")) == []


def test_without_a_base_no_block_may_be_missing() -> None:
    assert wrong("description: nothing else") == ["$"] * 6
    assert wrong("base: demo.yaml") == []


def test_every_key_has_a_meaning_and_a_default_or_an_example() -> None:
    rows = list(key_rows(SHIPPED))
    assert len(rows) > 35
    blocks = [SHIPPED, *SHIPPED["$defs"].values()]
    keys = {
        f"{it.get('title')}.{k}": v for it in blocks for k, v in it.get("properties", {}).items()
    }
    assert {key for key, it in keys.items() if len(it.get("description", "")) < 8} == set()
    unshown = {
        key
        for key, it in keys.items()
        if not {"examples", "enum"} & it.keys() and not key.endswith(".method")
    }
    assert unshown == set()
