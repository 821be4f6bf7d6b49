"""The facts about a method follow from its parts, and the shipped page states them."""

import re
from pathlib import Path
from typing import Any

import pytest

from fggp.methods import METHODS
from fggp.methods.registry import ordered
from fggp.publishing.report.method_facts import described, gradients, trainings, updates
from fggp.study.yaml_files import read_study, studies

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/methods.md").read_text()
LABELS = {path.stem: read_study(path).get("methods", {}) for path in studies(ROOT / "config")}


def of(name: str) -> dict[str, Any]:
    return described(METHODS[name], LABELS)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dense", "never"),
        ("random", "never"),
        ("snip", "once, before the first step"),
        ("magnitude-init", "once, before the first step"),
        ("gmp", "at every mask update of the study, to the end of the pruning window"),
        ("granet", "at every mask update of the study, to the end of training"),
        ("rigl", "at every mask update of the study, for three quarters of the training"),
        ("rigl-itop", "at one in 4 mask updates of the study, to the end of training"),
        ("dpf", "every 16 steps, to the end of training"),
        ("iss", "after every step, to the end of the pruning window"),
        ("imp", "between two trainings"),
        ("ecoflap", "once, before the first step"),
        ("jackpots", "after every step, to the end of training"),
    ],
)
def test_when_masks_change_follows_from_the_parts(name: str, said: str) -> None:
    assert updates(METHODS[name].recipe()) == said


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("gmp", {}, "none"),
        ("fggp", {}, "of the active weights, at mask updates"),
        ("fggp", {"pool": "kept", "grow": "gradient"}, "of all weights, at mask updates"),
        ("rigl", {}, "of all weights, at mask updates"),
        ("set", {}, "none"),
        ("mest", {}, "none"),
        ("mest", {"gradient_weight": 1}, "of all weights, at mask updates"),
        ("snip", {}, "before training, of all weights, on data"),
        ("sr-ste", {}, "of all weights, in every step"),
        ("jackpots", {}, "of all weights, in every step"),
        ("ecoflap", {}, "none"),
        ("decaying-mask", {}, "of all weights, in every step of the pruning window"),
    ],
)
def test_the_gradients_that_are_asked_for_follow_from_the_parts(
    name: str, settings: dict[str, Any], said: str
) -> None:
    assert gradients(METHODS[name].recipe(**settings)) == said


def test_trainings_are_counted_as_they_are_made() -> None:
    assert trainings(METHODS["gmp"].recipe()) == "1"
    assert trainings(METHODS["imp"].recipe()) == "12 at 90 %, 15 at 95 %, 19 at 98 %"
    assert trainings(METHODS["global-mp"].recipe()) == "half of one, after the dense one"
    assert trainings(METHODS["fpgm"].recipe(scratch=True)) == "1, after the dense one"
    assert trainings(METHODS["jackpots"].recipe()) == "1, after the dense one"
    assert [it.name for it in ordered() if of(it.name)["dense"]] == [
        *(
            "ecoflap",
            "global-mp",
            "jackpots",
            "bn-filter",
            "fpgm",
            "hrank",
            "l1-filter",
            "l2-filter",
            "lrp",
        ),
        *("random-filter", "taylor-filter"),
    ]


def test_starts_are_told_apart() -> None:
    assert of("fggp")["start"].startswith("two: dense, or")
    assert of("imp")["start"] == "one: dense"
    assert of("rigl")["start"] == "one: a random mask of the target sparsity"
    assert of("sr-ste")["start"] == "one: the N largest initial weights of every M"


def test_settings_have_default_bounds_and_meaning() -> None:
    rows = {row["name"]: row for row in of("fggp")["settings"]}
    assert rows["order"]["values"] == "`gradient-first`, `magnitude-first`"
    assert rows["gradient_steps"]["values"] == "a whole number from 1"
    assert rows["floor"]["values"] == "a number from 0 to 1"
    assert rows["rho"]["values"] == "a number, or a schedule of one"
    assert rows["rho"]["default"] == "0.5"
    assert all(row["meaning"] for row in rows.values())
    assert of("grasp")["settings"][0]["values"] == "a number above 0"


def test_every_variant_of_the_studies_is_listed_once_without_the_copies_on_folders() -> None:
    found = of("fggp")["variants"]
    labels = {row["label"] for row in found}
    assert {"fggp-annealed", "fggp-magnitude-first", "fggp-kept", "fggp-quota"} <= labels
    assert {"fggp-grow", "fggp-layer", "fggp-floor", "fggp-mean-gradient"} <= labels
    assert len({(row["label"], row["settings"]) for row in found}) == len(found)
    linear = next(
        row for row in found if row["label"] == "fggp-linear" and "rho" in row["settings"]
    )
    assert linear["settings"] == "rho: {schedule: linear, start: 1/2, end: 0.005}"
    assert "reduced-ablation" in linear["studies"]
    assert "reduced-ablation-folder" not in linear["studies"]
    assert {row["label"] for row in of("gmp")["variants"]} == {"gmp-layer"}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_shipped_page_says_what_the_registry_says(name: str) -> None:
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None, "rewrite docs/methods.md: make report"
    said = of(name)
    lines = section[1].splitlines()
    expected = [said["summary"], *said["formula"], *said["text"]]
    expected += [f"| Mask updates | {said['updates']} |", f"| Paper | {said['paper']} |"]
    rows = [f"| `{it['name']}` | `{it['default']}` | {it['values']} |" for it in said["settings"]]
    rows += [f"| `{it['label']}` | `{it['settings']}` |" for it in said["variants"]]
    stale = [line for line in expected if line not in lines]
    stale += [row for row in rows if row not in section[1]]
    assert stale == [], "rewrite docs/methods.md: make report"


def test_the_page_has_a_section_per_method_and_no_other() -> None:
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert headings == ["Symbols", *(it.name for it in ordered()), "Not here"]
