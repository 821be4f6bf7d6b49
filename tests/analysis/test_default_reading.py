"""The default reading is kept or changed by the numbers and the declared rule, and so are words."""

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from fabricate import analysed

from fggp.analysis import plan
from fggp.analysis.default_reading.comparison import against_default
from fggp.analysis.default_reading.finding import Finding, about_claim, finding
from fggp.analysis.default_reading.page import NOTHING, reading_page
from fggp.analysis.fggp_variants import Arm, arms, means, rivals
from fggp.analysis.plan import default_plan, read_plan
from fggp.analysis.stats.power import Grid, smallest_differences
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.claims import ABSENT, FAILS, HOLDS, UNDECIDED
from fggp.analysis.tables.power import study_power
from fggp.study.cell import Cell

ROOT = Path(__file__).parents[2]
COSINE = {"schedule": "cosine", "start": "1/2", "end": 0.005}
METHODS: dict[str, Any] = {
    "dense": {},
    "gmp": {},
    "fggp": {"pool": "kept"},
    "fggp-r0": {"method": "fggp", "pool": "kept", "rate": 0},
    "fggp-quarter": {"method": "fggp", "pool": "kept", "rate": "1/4"},
    "fggp-annealed": {"method": "fggp", "pool": "kept", "rate": COSINE},
    "fggp-magnitude-first": {"method": "fggp", "pool": "kept", "order": "magnitude-first"},
    "fggp-grow": {"method": "fggp", "pool": "kept", "grow": "gradient"},
    "fggp-layer": {"method": "fggp", "pool": "kept", "scope": "layer"},
    "fggp-layer-magnitude-first": {
        "method": "fggp", "pool": "kept", "scope": "layer", "order": "magnitude-first",
    },
}  # fmt: skip
SEEDS = [1, 2, 3, 4, 5]
Page = Callable[..., dict[str, Any]]
Found = Callable[..., Finding]


def by(even: tuple[str, ...], lead: dict[str, int]) -> Callable[[Cell], int]:
    """Correct images: some labels lead by so many, those that are even have no spread."""

    def accuracy(cell: Cell) -> int:
        noise = 3 if cell.label in even else sha256(cell.id.encode()).digest()[0] % 7
        return 700 + lead.get(cell.label.replace("-", "_"), 0) + noise

    return accuracy


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    """Makes up the deciding study, labels leading by so many images, and returns its page."""
    monkeypatch.setattr(plan, "STATS", tmp_path / "stats.yaml")
    (tmp_path / "stats.yaml").write_text("resamples: 200\n")

    def make(seeds: int = 5, keep: int = 5, **lead: int) -> dict[str, Any]:
        analysed(
            tmp_path / default_plan().default_reading.study,
            by((), lead),
            partial=keep < seeds,
            skip=lambda cell: cell.seed > keep,
            methods=METHODS,
            sparsities=[0.95],
            seeds=SEEDS[:seeds],
        )
        return reading_page(tmp_path)

    return make


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """Applies the rule to a made-up complete study, without what else the page says."""

    def make(even: tuple[str, ...] = (), **lead: int) -> Finding:
        folder = analysed(tmp_path, by(even, lead), methods=METHODS, sparsities=[0.95], seeds=SEEDS)
        material, plan = Material(folder), default_plan()
        rows = against_default(material.runs, material.configuration, plan)
        return finding(material.runs, rows, len(material.expected), plan, "fggp")

    return make


def arms_of(methods: dict[str, dict[str, Any]], folder: Path) -> dict[str, Arm]:
    folder = analysed(folder, methods={"dense": {}} | methods, seeds=[1])
    return {arm.label: arm for arm in arms(Material(folder).configuration)}


def test_the_rule_is_declared_and_its_study_is_one_that_is_shipped() -> None:
    declared, origin = read_plan()
    assert origin == "config/stats.yaml"
    rule = declared.default_reading
    assert (ROOT / f"config/{rule.study}.yaml").exists()
    assert (rule.test, rule.family, rule.change) == ("grid", "variants", "better")
    first, second = (
        yaml.safe_load((ROOT / f"config/{name.removesuffix('-folder')}.yaml").read_text())
        for name in (rule.study, rule.confirm)
    )
    assert not set(first["seeds"]) & set(second["seeds"])


def test_readings_are_what_the_abstract_allows(tmp_path: Path) -> None:
    def fggp(**settings: Any) -> dict[str, Any]:
        return {"method": "fggp", "pool": "kept", **settings}

    found = arms_of(
        {
            "fggp": {"pool": "kept"},
            "a": fggp(rate="1/4"),
            "b": fggp(pool="active", rho="1/3"),
            "c": fggp(pool="quota"),
            "d": fggp(scope="layer", floor=0.01),
            "r": fggp(rate=0),
            "s": fggp(rate=1),
            "t": fggp(rate=COSINE),
            "u": fggp(order="magnitude-first"),
            "v": fggp(pool="active", rho=0),
            "w": fggp(pool="quota", kappa=1),
            "x": fggp(pool="active", rho=1),
            "y": fggp(pool="quota", kappa={"schedule": "linear", "start": 2, "end": 1}),
            "gmp": {},
        },
        tmp_path,
    )
    assert [label for label, arm in found.items() if arm.is_reading] == ["fggp", *"abcd"]
    assert found["fggp"].apart(found["fggp"]) == "the default"
    assert found["d"].apart(found["fggp"]) == "scope layer, floor 0.01"
    assert found["t"].apart(found["fggp"]) == "rate cosine 0.5 to 0.005 over the training"


def test_a_claim_is_asked_of_a_reading_with_what_differs_in_nothing_else(tmp_path: Path) -> None:
    material = Material(analysed(tmp_path, methods=METHODS, seeds=[1]))
    known = {arm.label: arm for arm in arms(material.configuration)}

    def named(label: str) -> dict[str, str]:
        return rivals(known[label], material.configuration, means(material))

    limits = {"gradient-alone": "fggp-r0", "magnitude-alone": "gmp"}
    changed = {"order": "fggp-magnitude-first", "annealing": "fggp-annealed"}
    assert named("fggp") == limits | changed
    assert named("fggp-quarter") == limits
    assert named("fggp-grow") == {}
    assert named("fggp-layer") == {"order": "fggp-layer-magnitude-first"}


def test_annealing_is_asked_of_a_rate_at_its_mean_or_at_its_start(tmp_path: Path) -> None:
    def fggp(**settings: Any) -> dict[str, Any]:
        return {"method": "fggp", "pool": "kept", **settings}

    linear = {"schedule": "linear", "start": "1/2", "end": 0.005}
    methods = {
        "dense": {}, "fggp": {"pool": "kept"}, "mean": fggp(rate=0.3736), "high": fggp(rate=0.75),
        "cosine": fggp(rate=COSINE), "linear": fggp(rate=linear),
    }  # fmt: skip
    configuration = Material(analysed(tmp_path, methods=methods, seeds=[1])).configuration
    known = {arm.label: arm for arm in arms(configuration)}
    mean = {"cosine": 0.40781, "linear": 0.37361}
    found = {label: rivals(arm, configuration, mean) for label, arm in known.items()}
    assert found["mean"] == {"annealing": "linear"}
    assert found["fggp"] == {"annealing": "cosine"}
    assert found["high"] == {}


def test_without_results_nothing_is_decided(tmp_path: Path) -> None:
    told = reading_page(tmp_path)
    assert told["kind"] == "none"
    assert told["finding"] == "There are no results yet, so the default stays as it is."
    assert {told["comparison"], told["claims"], told["ran"]} == {NOTHING}


def test_a_part_of_the_study_decides_nothing(page: Page) -> None:
    told = page(keep=3, fggp_grow=60)
    assert told["kind"] == "open"
    assert told["finding"].startswith("Not decided: 57 of 95 results are there, and only")
    assert "So far: `fggp-grow` was better than `fggp`" in told["finding"]
    assert "should be changed" not in told["finding"]
    assert "PARTIAL" in told["comparison"]
    assert "**partial**" in told["ran"]
    assert len(told["under"]) == 7


def test_where_nothing_can_be_separated_the_default_stays(found: Found) -> None:
    kind, told, _ = found()
    assert kind == "keep"
    assert told.startswith(
        "No variant of 7 differs from `fggp` by more than can be separated (the smallest that "
        "the study shows with 80 % power: "
    )
    assert told.endswith("The default stays.")


def test_a_better_reading_changes_the_default_and_the_best_one_is_named(page: Page) -> None:
    told = page(fggp_grow=30, fggp_quarter=60, fggp_annealed=90)
    assert told["kind"] == "change"
    assert told["finding"].startswith("Better by less: `fggp-grow`. `fggp-quarter` was better than")
    assert re.search(r"by [56]\.\d\d points \(\+5\.\d+ to \+6\.\d+, adjusted p ", told["finding"])
    assert told["finding"].endswith("The default should be changed to `fggp-quarter`.")
    line = next(row for row in told["comparison"].splitlines() if "fggp-quarter" in row)
    assert [cell.strip() for cell in line.split("|")[2:4]] == ["rate 0.25", "yes"]


def test_a_default_that_was_changed_by_the_finding_is_told_as_the_default_since(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "fggp-active", {"method": "fggp"})
    told = page(fggp_active=60)
    assert told["kind"] == "change"
    assert told["finding"].startswith("`fggp-active` was better than `fggp` by ")
    assert told["finding"].endswith("It is the default since.")
    assert told["was"] == "pool kept"
    assert (
        "Under the default, `fggp-active`; they were asked under 4 other readings."
        in told["claims"]
    )


def test_a_finding_that_another_setting_is_the_default_is_told_as_what_is_to_be_done(
    page: Page,
) -> None:
    told = page()
    assert told["kind"] == "keep"
    assert told["finding"].endswith("The default should be changed to `fggp`.")
    assert "Under the default, `fggp`;" in told["claims"]


def test_the_default_is_what_the_shipped_study_found() -> None:
    finding = (ROOT / "docs/default-reading.md").read_text().split("## The finding")[1]
    assert re.search(r"It is the default since\.|The default stays\.", finding)


CONFIRMING: dict[str, Any] = {
    "dense": {},
    "gmp": {},
    "fggp": {},
    "before": {"method": "fggp", "pool": "kept"},
    "fggp-r0": {"method": "fggp", "rho": 0},
}


@pytest.mark.parametrize(
    ("lead", "words"),
    [
        ({"fggp": 60}, "The default was better than `before`, the one before, by "),
        ({"before": 60}, "The default was worse than `before`, the one before, by "),
        ({}, "The default and `before`, the one before, cannot be told apart: "),
    ],
    ids=["better", "worse", "alike"],
)
def test_new_seeds_tell_whether_the_choice_holds(
    page: Page, tmp_path: Path, lead: dict[str, int], words: str
) -> None:
    confirm = tmp_path / default_plan().default_reading.confirm
    analysed(confirm, by((), lead), methods=CONFIRMING, sparsities=[0.95], seeds=SEEDS)
    told = page()["confirm"]
    assert told["finding"].startswith(words)
    points = re.search(r"([+-]?\d+\.\d\d) points \(([+-]\S+) to ([+-]\S+), p ", told["finding"])
    assert points is not None
    assert ("This test finds one of " in told["finding"]) == (not lead)
    if lead:
        assert 4 < float(points[1]) < 8
        assert float(points[2]) * float(points[3]) > 0
        assert (float(points[2]) > 0) == ("better" in words)
    assert "| before " in told["comparison"]
    assert "Under the default, `fggp`; they were asked under no other reading." in told["claims"]


def test_a_part_of_the_new_seeds_decides_nothing(page: Page, tmp_path: Path) -> None:
    assert page()["confirm"]["finding"] == "Not decided yet."
    analysed(
        tmp_path / default_plan().default_reading.confirm, by((), {"fggp": 60}), partial=True,
        skip=lambda cell: cell.seed > 3, methods=CONFIRMING, sparsities=[0.95], seeds=SEEDS,
    )  # fmt: skip
    told = page()["confirm"]
    assert told["finding"] == "Not decided yet."
    assert "27 of 45 trainings, **partial**" in told["ran"]


def test_what_the_abstract_does_not_describe_cannot_become_the_default(found: Found) -> None:
    kind, told, _ = found(fggp_annealed=60, fggp_layer=-60)
    assert kind == "keep"
    assert "`fggp-annealed` was better by " in told
    assert "but is not what the abstract describes" in told
    assert "Worse than `fggp`: `fggp-layer`." in told
    assert told.endswith("The default stays.")


def test_another_method_is_no_variant(found: Found) -> None:
    kind, told, _ = found(gmp=60)
    assert kind == "keep"
    assert "gmp" not in told


def test_a_variant_without_spread_is_told_apart_and_in_no_family(found: Found) -> None:
    kind, told, _ = found(even=("fggp", "fggp-grow"), fggp_grow=60)
    assert kind == "keep"
    assert "No variant of 6 differs" in told
    assert "Without a test, as no seed differs from another: `fggp-grow`." in told


def test_one_seed_is_not_decidable(page: Page) -> None:
    told = page(seeds=1, keep=1, fggp_grow=60)
    assert told["kind"] == "open"
    assert told["finding"].startswith("Not decidable: no variant has a test")
    assert "fggp-grow" in told["comparison"]


def test_p_are_adjusted_over_the_variants_and_those_of_methods_by_themselves(
    found: Found, tmp_path: Path
) -> None:
    found()
    material = Material(tmp_path)
    rows = against_default(material.runs, material.configuration, default_plan())
    methods = rows["kind"] == "method"
    assert list(rows.loc[methods, "label"]) == ["gmp"]
    assert (rows.loc[methods, "p_holm"] == rows.loc[methods, "p"]).all()
    variants = rows[~methods].sort_values("p")
    assert variants["p_holm"].iloc[0] == pytest.approx(min(1, 7 * variants["p"].iloc[0]))
    assert list(rows["points"]) == sorted(rows["points"], reverse=True)


def test_what_the_study_could_show_is_that_of_the_power_table_for_its_family(
    found: Found, tmp_path: Path
) -> None:
    found()
    material, declared = Material(tmp_path), default_plan()
    rows = against_default(material.runs, material.configuration, declared).set_index("label")
    measured = study_power(material.runs, declared).set_index("rival")["sd"]
    for label, family in (("fggp-grow", 7), ("gmp", 1)):
        grid = Grid(measured[label], seeds=5, settings=2, rivals=family)
        levels = smallest_differences(grid, declared.alpha, declared.power).set_index("level")
        assert rows.loc[label, "smallest"] == pytest.approx(levels.loc["grid", "difference_holm"])


def test_each_claim_is_decided_under_each_reading(page: Page) -> None:
    told = page(fggp=60, fggp_layer=60, fggp_layer_magnitude_first=20, fggp_quarter=-60)
    under = dict(told["under"])
    assert under["Gradient first is better than magnitude first"] == (
        "It holds under all 2 readings that it was asked of. "
        "Not asked under `fggp-quarter` and `fggp-grow`."
    )
    assert under["The gradient alone is worse than both criteria"] == (
        "It holds under `fggp`; it fails under `fggp-quarter`. "
        "Not asked under `fggp-grow` and `fggp-layer`."
    )
    dense = under["FGGP is in some settings above the dense network"]
    assert dense.startswith("It holds under `fggp` and `fggp-layer`; it fails under ")
    rows = [[it.strip() for it in row.split("|")[1:4]] for row in told["claims"].splitlines()]
    shown = {row[0]: row[1:] for row in rows if len(row) == 3}
    assert shown["Gradient first is better than magnitude first"][0] == HOLDS
    assert shown["FGGP has the highest ranking over all settings"][1].startswith("average rank 1.0")


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ([HOLDS, HOLDS], "It holds under all 2 readings that it was asked of."),
        ([HOLDS], "It holds under the 1 reading that it was asked of."),
        (
            [FAILS, UNDECIDED],
            "It holds under none of the 2 readings that it was asked of; "
            "it fails under `a` and is undecidable under `b`.",
        ),
        (
            [UNDECIDED, UNDECIDED, ABSENT],
            "It holds under none of the 2 readings that it was asked of; "
            "it is undecidable under all 2 readings. Not asked under `c`.",
        ),
        (
            [UNDECIDED, HOLDS, FAILS, HOLDS],
            "It holds under `b` and `d`; it fails under `c` and is undecidable under `a`.",
        ),
        ([ABSENT], "The study has nothing that decides it, under no reading."),
    ],
)
def test_a_claim_is_told_in_the_words_of_its_verdicts(verdicts: list[str], words: str) -> None:
    assert about_claim(dict(zip("abcd", verdicts, strict=False))) == words


def test_the_shipped_study_asks_the_order_of_every_pool_and_scope() -> None:
    study = yaml.safe_load((ROOT / "config/reading.yaml").read_text())
    labels = set(study["methods"])
    for label in ("fggp", "fggp-matched", "fggp-active", "fggp-quota", "fggp-layer"):
        twin = label.replace("fggp-matched", "fggp-magnitude-first-matched")
        assert {twin if twin != label else f"{label}-magnitude-first", label} <= labels
