from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from fabricate import fabricate, grid, runs_of

from fggp.analysis.collect.aggregate import aggregate
from fggp.analysis.plan import built_in, default_plan
from fggp.analysis.tables import claims as module
from fggp.analysis.tables.claim_rules import RULES
from fggp.analysis.tables.claims import (
    ABSENT,
    COLUMNS,
    FAILS,
    FRAMES,
    HOLDS,
    UNDECIDED,
    claims,
    claims_table,
    read_claims,
    status,
)
from fggp.analysis.tables.ranking import ranking
from fggp.cli import main
from fggp.foundation.errors import ResultError
from fggp.study.cell import Cell
from fggp.study.config import cells

ROOT = Path(__file__).parents[2]
PLAN = default_plan()
VARIANTS = {
    "fggp-magnitude-first": {"method": "fggp", "order": "magnitude-first"},
    "fggp-annealed-kept": {
        "method": "fggp",
        "pool": "kept",
        "rate": {"schedule": "cosine", "start": "1/2", "end": 0.005},
    },
    "gradient": {"method": "fggp", "rho": 0},
}
COMBINED = {name: {"method": "combined", "score": name} for name in ("product", "rank-sum")}
ALL = {"dense": {}, "gmp": {}, "fggp": {}} | COMBINED | VARIANTS


def noise(cell: Cell) -> int:
    """A spread between seeds that differs by label."""
    return (cell.seed * (3 + 2 * len(cell.label)) + len(cell.backbone.name)) % 5


def study(seeds: int = 5, methods: dict[str, Any] | None = None, **lead: int) -> pd.DataFrame:
    """Return runs in which each label classifies 800 of 1000 images plus its number, and noise."""

    def accuracy(cell: Cell) -> int:
        return 800 + lead.get(cell.label.replace("-", "_"), 0) + noise(cell)

    chosen = grid(methods=methods or ALL, seeds=list(range(1, seeds + 1)))
    return runs_of(chosen, accuracy)


def verdicts(runs: pd.DataFrame) -> dict[str, str]:
    table = claims(runs, PLAN)
    return dict(zip(table["claim"], table["verdict"], strict=True))


def test_the_claims_inside_the_package_are_the_file_of_the_checkout() -> None:
    assert built_in("claims.yaml").samefile(ROOT / "config/claims.yaml")


def test_every_rule_reads_columns_of_its_table_and_is_explained_beside_the_claims() -> None:
    text = (ROOT / "config/claims.yaml").read_text()
    runs = study()
    for name, rule in RULES.items():
        frame = FRAMES[rule.table](runs, PLAN)
        assert set(rule.columns) <= set(frame.columns), name
        assert rule.figure(frame.iloc[0].to_dict())
        assert f"# {name} " in text
        for case in (*rule.holds, *rule.fails):
            for condition in case.conditions:
                assert condition.column in text
                assert str(condition.limit) in text


def test_every_statement_of_the_abstract_is_a_claim_and_so_is_each_rival_of_two_stages() -> None:
    found, _ = read_claims()
    assert set(found.claims) == {
        *("best-in-most-settings", "highest-ranking", "sometimes-above-dense"),
        *("order-essential", "fixed-beats-annealed", "magnitude-matters", "gradient-matters"),
        *("better-than-product", "better-than-rank-sum"),
    }


def test_all_claims_hold_where_the_method_is_far_ahead() -> None:
    runs = study(fggp=100, dense=50)
    assert set(verdicts(runs).values()) == {HOLDS}
    table = claims(runs, PLAN).set_index("claim")
    assert list(table.columns) == list(COLUMNS)[1:]
    assert table.loc["highest-ranking", "figure"] == (
        "average rank 1.00, 1.00 to 1.00; first in 100.0% of resamples"
    )
    assert table.loc["order-essential", "figure"].startswith("+10.00 points, +9.")
    assert table.loc["order-essential", "figure"].endswith(" on this grid")
    assert table.loc["order-essential", "rule"] == (
        "comparisons: holds if grid_low above 0; "
        "fails if grid_high below 0 or p_equivalent at least 0.95"
    )
    assert set(table["seeds"]) == {5}


def test_all_claims_fail_where_the_method_is_far_behind() -> None:
    others = {label.replace("-", "_"): 100 for label in ALL if label != "fggp"}
    assert set(verdicts(study(**others)).values()) == {FAILS}


def test_no_practical_difference_makes_a_claim_of_a_difference_fail() -> None:
    def accuracy(cell: Cell) -> int:
        # A fiftieth of a point on average, up and down.
        return 800 + (cell.label == "fggp") * (cell.seed % 2 * 2 - 1)

    runs = runs_of(grid(methods=ALL, seeds=list(range(1, 21))), accuracy)
    assert verdicts(runs)["order-essential"] == FAILS


def test_without_enough_seeds_nothing_is_decided_and_it_says_why() -> None:
    table = claims(study(seeds=1, fggp=100, dense=50), PLAN).set_index("claim")
    assert set(table["verdict"]) == {UNDECIDED}
    assert table.loc["highest-ranking", "note"] == "no resamples: 1 seed, needs 5"
    assert table.loc["order-essential", "note"] == "no interval and no p: 1 seed"
    assert table.loc["sometimes-above-dense", "note"] == "no interval: 1 seed"
    assert not table["figure"].str.contains(r"resamples| to |Holm| - ", regex=True).any()


def test_a_claim_about_a_label_that_is_not_there_is_not_in_this_study() -> None:
    runs = study(methods={"gmp": {}, "fggp": {}}, fggp=100)
    found = verdicts(runs)
    absent = {"order-essential", "fixed-beats-annealed", "magnitude-matters"}
    absent |= {"better-than-product", "better-than-rank-sum"}
    assert {name for name, verdict in found.items() if verdict == ABSENT} == absent
    assert found["gradient-matters"] == HOLDS
    assert found["sometimes-above-dense"] == UNDECIDED
    table = claims(runs, PLAN).set_index("claim")
    assert table.loc["order-essential", "note"] == "no fggp-magnitude-first"


def test_a_claim_about_ranks_is_among_methods_without_variants_of_its_own() -> None:
    ahead = {label.replace("-", "_"): 120 for label in VARIANTS}
    found = verdicts(study(fggp=100, **ahead))
    assert found["highest-ranking"] == found["best-in-most-settings"] == HOLDS
    assert found["order-essential"] == FAILS


def test_being_rarely_the_first_of_many_equals_does_not_make_a_claim_about_ranks_fail() -> None:
    alike = {name: {"method": "gmp"} for name in (f"gmp-{index}" for index in range(15))}

    def accuracy(cell: Cell) -> int:
        return 800 + sha256(cell.id.encode()).digest()[0] % 8

    runs = runs_of(grid(methods=alike | {"fggp": {}}, seeds=[1, 2, 3, 4, 5]), accuracy)
    row = ranking(runs, PLAN).set_index("label").loc["fggp"]
    assert row["p_first"] <= 0.05
    assert row["p_most"] <= 0.05
    found = verdicts(runs)
    assert found["highest-ranking"] == found["best-in-most-settings"] == UNDECIDED


def test_one_setting_above_dense_is_enough() -> None:
    def accuracy(cell: Cell) -> int:
        here = cell.label == "fggp" and cell.sparsity < 0.95 and not cell.initial_sparsity
        return 800 + (60 if here else -60 if cell.label != "dense" else 0) + noise(cell)

    runs = runs_of(grid(methods={"dense": {}, "gmp": {}, "fggp": {}}, seeds=[1, 2, 3]), accuracy)
    row = claims(runs, PLAN).set_index("claim").loc["sometimes-above-dense"]
    assert row["verdict"] == HOLDS
    assert row["figure"].startswith("largest gap +5.9")
    assert row["settings"] == 4
    assert "holds if some gap_points above 0 and gap_p_holm below alpha" in row["rule"]


def test_the_order_of_the_rows_does_not_matter() -> None:
    runs = study(fggp=2, dense=1)
    assert claims(runs.sample(frac=1, random_state=1), PLAN).equals(claims(runs, PLAN))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([HOLDS, HOLDS], 0),
        ([HOLDS, ABSENT], 0),
        ([HOLDS, UNDECIDED], 2),
        ([HOLDS, UNDECIDED, FAILS], 1),
        ([ABSENT, ABSENT], 2),
        ([], 2),
    ],
)
def test_the_exit_status_is_that_of_the_help(found: list[str], expected: int) -> None:
    assert status(found) == expected


CLAIM: dict[str, Any] = {
    "says": "it is better",
    "rule": "better",
    "label": "fggp",
    "rivals": ["gmp"],
}


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "CLAIMS", tmp_path / "claims.yaml")

    def write(**changes: Any) -> Path:
        content = {"claims": {"better": CLAIM | changes}}
        (tmp_path / "claims.yaml").write_text(yaml.safe_dump(content))
        return tmp_path / "claims.yaml"

    return write


def test_a_file_replaces_the_claims_as_a_whole(declare: Any) -> None:
    path = declare()
    table = claims_table(study(fggp=100), PLAN)
    assert list(table.data["claim"]) == ["better"]
    assert list(table.data["verdict"]) == [HOLDS]
    assert f"declared in {path}" in table.note


def test_rules_of_both_sides_at_once_decide_nothing() -> None:
    def accuracy(cell: Cell) -> int:
        return 800 + (cell.label == "fggp") * (cell.seed % 2)  # surely better, by very little

    runs = runs_of(grid(methods=ALL, seeds=list(range(1, 21))), accuracy)
    row = claims(runs, PLAN).set_index("claim").loc["order-essential"]
    assert row["verdict"] == UNDECIDED
    assert row["note"] == "both conditions are met"


def test_a_claim_of_several_rivals_holds_where_every_one_is_beaten(declare: Any) -> None:
    declare(rivals=["gmp", "fggp-annealed-kept"])
    row = claims(study(fggp=50), PLAN).iloc[0]
    assert row["verdict"] == HOLDS
    assert "every grid_low above 0" in row["rule"]
    row = claims(study(fggp=10, gmp=50), PLAN).iloc[0]
    assert row["verdict"] == FAILS
    assert row["figure"].startswith("-4.")
    assert "some grid_high below 0" in row["rule"]


def test_a_rival_with_one_start_is_compared_with_each_start_of_the_label(declare: Any) -> None:
    declare(rivals=["gmp", "random"])
    methods = {"dense": {}, "gmp": {}, "random": {}, "fggp": {}}
    row = claims(study(methods=methods, fggp=50, random=80), PLAN).iloc[0]
    assert [row["verdict"], row["settings"]] == [FAILS, 2]
    assert row["figure"].startswith("-2.8")
    row = claims(study(methods=methods, fggp=50), PLAN).iloc[0]
    assert row["verdict"] == HOLDS


def test_a_claim_holds_only_with_a_comparison_of_every_rival_in_the_study(declare: Any) -> None:
    declare(rivals=["gmp", "granet", "snip"])
    listed = cells(grid(methods={"gmp": {}, "granet": {}, "fggp": {}}))
    found = study(methods={"gmp": {}, "fggp": {}}, fggp=50)
    row = claims(found, PLAN, listed).iloc[0]
    assert [row["verdict"], row["note"]] == [UNDECIDED, "no comparison with granet"]
    assert claims(found, PLAN).iloc[0]["verdict"] == HOLDS  # a study without granet
    assert claims(study(gmp=50), PLAN, listed).iloc[0]["verdict"] == FAILS


def test_a_claim_is_about_its_label_whatever_the_reference_of_the_study(declare: Any) -> None:
    declare()
    table = claims(study(fggp=50), PLAN.model_copy(update={"reference": "gradient"}))
    assert table.iloc[0]["verdict"] == HOLDS


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"rule": "bettermost"}, "'bettermost' is not valid; did you mean 'better'?"),
        ({"rivals": []}, "the rule 'better' needs `rivals`"),
        ({"rule": "first-rank"}, "the rule 'first-rank' takes no `rivals`"),
        ({"changes": "rate"}, "claims.better.changes"),
        ({"says": 1}, "claims.better.says"),
        ({"rival": ["gmp"]}, "claims.better.rival: no such key; did you mean 'rivals'?"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_claim(
    declare: Any, changes: dict[str, Any], complaint: str
) -> None:
    path = declare(**changes)
    with pytest.raises(ResultError) as caught:
        claims(study(seeds=2), PLAN)
    message = str(caught.value)
    assert message.startswith(f"{path}: claims.better")
    assert complaint in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["- 1", "1: 2", "claims: {}", "claims: ["])
def test_a_file_that_is_no_list_of_claims_is_one_line(declare: Any, text: str) -> None:
    path = declare()
    path.write_text(text)
    with pytest.raises(ResultError) as caught:
        read_claims()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("lead", "expected"), [(100, 0), (0, 2), (-100, 1)])
def test_the_command_prints_the_table_and_exits_by_the_verdicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lead: int, expected: int
) -> None:
    def accuracy(cell: Cell) -> int:
        ahead = {"fggp": lead, "dense": lead // 2}.get(cell.label, 0)
        return 800 + ahead + noise(cell)

    methods = {"dense": {}, "gmp": {}, "fggp": {}}
    fabricate(tmp_path, grid(sparsities=[0.9], methods=methods, seeds=[1, 2, 3, 4, 5]), accuracy)
    aggregate(tmp_path)
    assert main(["claims", str(tmp_path)]) == expected
    text = capsys.readouterr().out
    assert text == (tmp_path / "tables/claims.md").read_text()
    assert "FGGP is the best method in most of the settings" in text
    assert (tmp_path / "tables/claims.tex").exists()


def test_a_partial_study_marks_its_verdicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fabricate(tmp_path, skip=lambda cell: cell.seed == 2)
    aggregate(tmp_path, partial=True)
    assert main(["claims", str(tmp_path)]) == 2
    assert "**PARTIAL" in capsys.readouterr().out


def test_a_study_without_tables_is_decided_and_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fabricate(tmp_path, skip=lambda cell: cell.seed == 2)
    before = sorted(tmp_path.rglob("*"))
    assert main(["claims", str(tmp_path)]) == 1
    assert "or pass --partial" in capsys.readouterr().err
    assert main(["claims", str(tmp_path), "--partial"]) == 2
    aside = capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before
    aggregate(tmp_path, partial=True)
    assert main(["claims", str(tmp_path)]) == 2
    assert capsys.readouterr().out == aside


def test_the_help_says_what_the_exit_status_means(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["claims", "--help"])
    text = capsys.readouterr().out
    for line in ("0  all claims that", "1  a claim fails", "2  no claim fails, but"):
        assert line in text
