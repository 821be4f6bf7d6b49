"""Studies are YAML as `yaml.safe_load` reads it, but for what YAML's versions read differently."""

from pathlib import Path

import pytest
import yaml

from fggp.foundation.validation import ConfigError
from fggp.study.config import load
from fggp.study.yaml_files import read_study
from fggp.study.yaml_loader import UniqueKeys

CONFIG = Path(__file__).parents[2] / "config"
SAME = {
    "merge": "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n",
    "merge after own keys": "a: &a {x: 1}\nb: {x: 2, <<: *a}\n",
    "several merged": "a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc: {<<: [*a, *b], y: 4}\n",
    "merge of a merge": "a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: [*b, *a], z: 1}\n",
    "merge in a block": "a: &a\n  x: 1\nb:\n  <<: *a\n  y: 2\n",
    "merge at the top": "<<: {x: 1}\ny: 2\n",
    "anchor of a list": "a: &a [1, 2]\nb: *a\n",
    "anchor of a value": "a: &a 0.1\nb: *a\n",
    "flags": "a: on\nb: off\nc: yes\nd: No\ne: true\n",
    "numbers": "a: 1e-3\nb: 1.0e-3\nc: 0x1f\nd: 1_000\ne: 0\nf: 0o17\ng: .inf\ni: 08\nj: 00\n",
    "tags": "a: !!str 5\nb: !!int '5'\nc: !!float 1\n",
    "one document": "---\na: 1\n...\n",
    "quoted": "a: '010'\nb: \"1:30\"\n'on': 1\n",
    "equal sign": "'=': 1\n",
}


@pytest.mark.parametrize("text", SAME.values(), ids=list(SAME))
def test_yaml_is_read_as_by_safe_load(text: str) -> None:
    assert yaml.load(text, Loader=UniqueKeys) == yaml.safe_load(text)


def test_a_date_stays_the_text_that_it_is() -> None:
    assert yaml.load("a: 2024-01-31", Loader=UniqueKeys) == {"a": "2024-01-31"}


REFUSED = {
    "a key twice": ("a: {x: 1, x: 2}\n", "x: duplicate key"),
    "a key twice beside a merge": ("a: &a {x: 1}\nb: {<<: *a, y: 1, y: 2}\n", "y: duplicate key"),
    "a key twice in a merged mapping": ("a: {<<: {x: 1, x: 2}}\n", "x: duplicate key"),
    "a merge twice": ("a: &a {x: 1}\nb: {<<: *a, <<: *a}\n", "<<: duplicate key; merge several"),
    "octal": ("a: 010\n", "line 1, column 4: 010 is 8 in YAML 1.1 and 10 in YAML 1.2"),
    "octal key": ("a: {017: 1}\n", "017 is 15 in YAML 1.1 and 17"),
    "sixties": ("a: 1:30\n", "1:30 is 90 in YAML 1.1, which counts in sixties"),
    "sixties with a point": ("a: 1:30.5\n", "1:30.5 is 90.5 in YAML 1.1"),
    "a merge of a number": ("a: {<<: 5}\n", "expected a mapping"),
    "unknown anchor": ("a: *b\n", "undefined alias 'b'; name an anchor"),
    "unknown tag": ("a: !mine 5\n", "for the tag '!mine'; remove the tag"),
    "two documents": ("a: 1\n---\nb: 1\n", "another document; keep one of them"),
    "no document": ("---\n", "a study is a mapping of keys"),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_read_surely_is_refused_in_one_line(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        read_study(path)
    assert said in str(refusal.value)
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)


def test_utf_16_is_named(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("base: x.yaml\n", encoding="utf-16")
    with pytest.raises(ConfigError, match="is not UTF-8; save the file in that encoding"):
        read_study(path)


def test_a_method_can_be_merged_into_another_label(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        f"base: {CONFIG}/demo.yaml\n"
        "methods:\n"
        "  dense: {}\n"
        "  fggp: &ours {method: fggp, rho: 1/4}\n"
        "  fggp-layer: {<<: *ours, scope: layer}\n"
    )
    first, second = (load(path).methods[it]["settings"] for it in ("fggp", "fggp-layer"))
    assert second == first | {"scope": "layer"}
    assert first["rho"] == 0.25


def test_a_text_that_yaml_takes_for_a_flag_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"base: {CONFIG}/demo.yaml\nmethods: {{off: {{method: gmp}}}}\n")
    with pytest.raises(ConfigError, match="YAML reads on, off, yes and no as booleans: quote it"):
        load(path)


def test_a_rate_with_an_exponent_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"base: {CONFIG}/demo.yaml\ntraining: {{lr: 1e-3, weight_decay: 5E-4}}\n")
    training = load(path).training
    assert (float(training.lr), float(training.weight_decay)) == (0.001, 0.0005)
