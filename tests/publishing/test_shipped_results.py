"""Ranks, power and pictures in the texts are those of the tables."""

from pathlib import Path
from typing import Any

import pytest
from fabricate import GRID, analysed
from matplotlib.image import imread

from fggp.analysis.collect.runs_csv import read_runs
from fggp.analysis.figure_style import styled
from fggp.analysis.figures.layout import notes
from fggp.analysis.figures.standings import standings
from fggp.analysis.study_tables import Material
from fggp.analysis.tables import write_table
from fggp.analysis.tables.ranking import ranking_all
from fggp.foundation.errors import ResultError
from fggp.publishing.report.shipped_results import (
    DIFFERENCES,
    completeness,
    headline,
    least_p,
    pictures,
    places,
    points,
    power,
    shown,
    smallest,
    standing,
    telling,
    told,
    widest,
)

ROOT = Path(__file__).parents[2]
SIZE = 150_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    few = {"dense": {}, "gmp": {}, "fggp": {}, "fggp-linear": {"method": "fggp", "floor": 0.01}}
    studies = {
        "whole": analysed(folder / "whole"),
        "small": analysed(folder / "small", seeds=[1], sparsities=[0.9], methods=few),
    }
    for path in studies.values():
        for name in ("ranking", "ranking_all", "power", "comparisons"):
            write_table(name, path)
    return studies


def test_completeness_counts_pairs_of_methods_not_labels_times_settings_times_seeds(
    made: dict[str, Path],
) -> None:
    assert completeness(made["whole"]) == 3 * 2 * 2  # random, gmp and fggp are three pairs
    assert completeness(made["small"]) == 1 * 1 * 1
    chosen = widest(list(made.values()))
    assert (chosen["name"], chosen["entries"]) == ("whole", 5)
    assert (chosen["settings"], chosen["seeds"]) == (2, 2)
    assert chosen["few"]


def test_one_setting_or_one_seed_is_no_headline(made: dict[str, Path], tmp_path: Path) -> None:
    names = ("dense", "random", "snip", "set", "rigl", "granet", "gmp", "fggp")
    methods: dict[str, dict[str, Any]] = {name: {} for name in names}
    wide = {
        "one seed": analysed(tmp_path / "one seed", seeds=[1], methods=methods),
        "one setting": analysed(tmp_path / "one setting", sparsities=[0.9], methods=methods),
    }
    assert min(map(completeness, wide.values())) > completeness(made["whole"])
    assert headline([*made.values(), *wide.values()]) == "whole"
    assert headline(list(wide.values())) in wide


def test_a_study_that_decides_claims_is_the_headline_once_it_has_intervals(
    made: dict[str, Path], three_seeds: Path
) -> None:
    folders = [made["whole"], three_seeds]
    assert completeness(three_seeds) > completeness(made["whole"])
    assert headline(folders, ["whole"]) == three_seeds.name, "two seeds have no interval"
    small = [made["whole"], made["small"], three_seeds]
    assert headline(small, [three_seeds.name]) == three_seeds.name


def test_every_entry_stands_where_the_ranking_has_it(made: dict[str, Path]) -> None:
    found = standing(made["whole"])
    table = ranking_all(read_runs(made["whole"])).set_index("label")
    assert set(found) == set(GRID["methods"])
    assert [row["entry"] for row in found["random"]] == ["random"]
    assert len(found["fggp"]) == 2
    for row in [*found["fggp"], *found["gmp"], *found["random"]]:
        assert row["rank"] == pytest.approx(table.loc[row["entry"], "average_rank"])
        assert row["gap"] == pytest.approx(table.loc[row["entry"], "gap_to_dense_points"])
        assert (row["entries"], row["settings"], row["seeds"]) == (5, 2, 2)
    (dense,) = found["dense"]
    assert dense["rank"] is None
    assert dense["accuracy"] == pytest.approx(94, abs=1)


def test_a_standing_in_words() -> None:
    row = {"rank": 2.5, "entries": 5, "accuracy": 71.234, "gap": -3.1}
    assert told(row) == "rank 2.50 of 5, 71.23 %, −3.10 points to dense"
    assert told(row | {"rank": None, "gap": None}) == "not ranked, 71.23 %"
    assert places([row, row | {"rank": 1.0}, row | {"rank": None}]) == "1.00, 2.50"
    assert places([row | {"rank": None}]) == "not ranked"
    assert places([]) == "not in it"


def test_a_method_with_many_entries_stands_on_its_page_by_its_default() -> None:
    rows = [{"label": label} for label in ("fggp", "fggp-a", "fggp", "fggp-b")]
    assert shown(rows, "fggp") == rows
    assert shown([*rows, {"label": "fggp-c"}], "fggp") == [{"label": "fggp"}] * 2


@pytest.fixture(scope="module")
def three_seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with enough seeds for intervals and tests."""
    folder = analysed(tmp_path_factory.mktemp("three"), seeds=[1, 2, 3])
    for name in ("power", "comparisons"):
        write_table(name, folder)
    return folder


def test_power_is_that_of_the_table_where_there_is_any(
    made: dict[str, Path], three_seeds: Path
) -> None:
    rows = power(three_seeds)
    assert {(row["reference"], row["rival"]) for row in rows} >= {("fggp", "gmp")}
    grids = sorted(row["grid_holm"] for row in rows if row["grid_holm"])
    assert smallest(rows) == f"{grids[0]:.2f} to {grids[-1]:.2f}, by rival"
    assert smallest(rows[:1]) == f"{rows[0]['grid_holm']:.2f}"
    assert power(made["small"]) == []
    assert smallest([]) == "not computable"


def test_differences_beyond_all_accuracies_are_not_written_out() -> None:
    assert [points(it) for it in (None, 1.234, 100.5)] == ["-", "1.23", "over 100"]


def test_the_least_p_of_the_primary_test_is_that_of_the_table(
    made: dict[str, Path], three_seeds: Path
) -> None:
    # Four settings of two methods with both starts: 2 / 2^4; a single setting, and no rival.
    assert least_p(three_seeds) == 0.125
    assert least_p(made["whole"]) == 1  # two seeds decide nothing
    assert least_p(made["small"]) == 1


def test_a_missing_table_is_named(made: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"power\.csv: missing; .*make paper"):
        power(tmp_path)


def test_each_study_has_one_picture_and_the_headline_its_differences(
    made: dict[str, Path], tmp_path: Path
) -> None:
    drawn = pictures(list(made.values()), "whole", tmp_path)
    assert drawn["whole"] == DIFFERENCES.relative_to("docs")
    assert len(set(drawn.values())) == 2
    other = tmp_path / "docs/pictures/other.png"
    other.touch()
    first = {name: (tmp_path / "docs" / path).read_bytes() for name, path in drawn.items()}
    assert all(len(content) < SIZE for content in first.values())
    # Few colours, but those of the labels: here that of gmp.
    points = imread(tmp_path / DIFFERENCES)[..., :3]
    assert (abs(points - [0, 0x72 / 255, 0xB2 / 255]) < 0.02).all(axis=-1).sum() > 20
    pictures(list(made.values()), "whole", tmp_path)
    assert first["whole"] == (tmp_path / DIFFERENCES).read_bytes()
    assert not other.exists(), "of a study that is not there, or is the headline now"


@pytest.mark.parametrize(
    ("labels", "sparsities", "name"),
    [
        (12, [0.9, 0.95], "critical_difference"),
        (3, [0.9, 0.95], "accuracy_vs_sparsity"),
        (3, [0.9], "drop_to_dense"),
        (7, [0.9], "standings"),
    ],
)
def test_the_picture_of_a_study_is_the_figure_that_says_most(
    labels: int, sparsities: list[float], name: str, tmp_path: Path
) -> None:
    rates = {f"fggp-{n}": {"method": "fggp", "rho": n / 20} for n in range(labels)}
    changes = {"seeds": [1, 2, 3], "sparsities": sparsities, "methods": {"dense": {}} | rates}
    folder = analysed(tmp_path / "made", **changes)
    assert telling(Material(folder)) == name


def test_the_picture_of_the_ranking_shows_every_entry_in_the_order_of_ranks(
    made: dict[str, Path],
) -> None:
    with styled():
        figure, data = standings(Material(made["whole"]))
    table = ranking_all(read_runs(made["whole"])).dropna(subset="average_rank")
    assert list(data["entry"]) == list(table["label"])
    assert list(data["mean_points"]) == pytest.approx(list(table["gap_to_dense_points"]))
    assert (data["least_seed_points"] <= data["mean_points"]).all()
    words = " ".join(notes(figure))
    assert "2 settings" in words
    assert "n = 2 seeds" in words
    assert "2 seeds cannot separate neighbours" in words
    names = [it.get_text() for it in figure.axes[0].get_yticklabels()]
    assert names[0].startswith(str(data["entry"][0]))
    assert names[0].endswith(f"{data['average_rank'][0]:.2f}")


def test_trainings_of_another_length_are_said_beside_the_name(tmp_path: Path) -> None:
    methods = {"dense": {}, "gmp": {}, "imp": {"share": 0.7}, "global-mp": {}}
    folder = analysed(tmp_path / "long", sparsities=[0.9], methods=methods)
    material = Material(folder)
    for label, epochs in {"imp": 12, "global-mp": 2}.items():
        material.runs.loc[material.runs["label"] == label, "epochs"] = epochs
    figure, data = standings(material)
    lengths = dict(zip(data["label"], data["length"], strict=True))
    assert lengths["gmp"] == 1
    assert lengths["global-mp"] == 1.5
    assert lengths["imp"] == 3
    names = " ".join(it.get_text() for it in figure.axes[0].get_yticklabels())
    assert "imp (3 trainings)" in names
    assert "global-mp (1.5 trainings)" in names


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.png")), ids=lambda path: path.stem)
def test_the_shipped_pictures_are_small_and_whole(path: Path) -> None:
    assert path.stat().st_size < SIZE
    height, width, *_ = imread(path).shape
    assert min(height, width) > 200
