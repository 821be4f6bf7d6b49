"""Published accuracies are compared only with networks that were trained like them."""

from pathlib import Path
from typing import Any

import pytest
from fabricate import grid
from sound import sound_study

from fggp.publishing.check.published import compare, comparisons, lines, why_not
from fggp.publishing.check.study import Report, check
from fggp.publishing.check.summary import plain, text
from fggp.publishing.report.published_figures import NOT_RUN, published_figures

LIKE_PUBLISHED: dict[str, Any] = {
    "data": {"kind": "cifar10", "name": "cifar10", "validation": 5000},
    "sparsities": [0.9],
    "methods": {
        "dense": {},
        "gmp": {},
        "rigl": {},
        "gmp-layer": {"method": "gmp", "scope": "layer"},
    },
    "training": {"epochs": 160},
    "pruning": {"update_every": 100, "end_epoch": 80},
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = sound_study(tmp_path_factory.mktemp("like") / "made", **LIKE_PUBLISHED)
    return check(folder)


BY_NAME = {it["name"]: it for it in comparisons()}
GRANET = BY_NAME["GraNet"]


@pytest.mark.parametrize("name", BY_NAME)
def test_every_row_has_its_source_and_fits_the_protocol(name: str) -> None:
    published = BY_NAME[name]
    assert "arXiv" in published["source"]
    assert published["view"] in {"last", "best_validation", "best_test"}
    for row in published["rows"]:
        assert 80 < row["accuracy"] < 100
        assert 0 < row.get("sd", 0.5) < 1
    settings = [(r["backbone"], r["method"], r["sparsity"], r["start"]) for r in published["rows"]]
    assert len(set(settings)) == len(settings)


def test_a_study_by_the_published_protocol_is_compared(report: Report) -> None:
    cells = [item.cell for item in report.items]
    assert why_not(GRANET, report.configuration, cells) == []
    rows = {row["method"]: row for row in compare(GRANET, report.configuration, report.items)}
    assert set(rows) == {"dense", "gmp", "rigl"}
    own = [
        item.outcome.accuracy.best_test.correct / 10
        for item in report.items
        if item.cell.label == "gmp" and item.cell.initial_sparsity == 0
    ]
    assert rows["gmp"]["seeds"] == len(own) == 2
    assert rows["gmp"]["here"] == pytest.approx(sum(own) / 2)
    assert rows["gmp"]["difference"] == pytest.approx(sum(own) / 2 - 93.59)
    assert rows["gmp"]["outside"] == (abs(sum(own) / 2 - 93.59) > 0.4)
    assert rows["rigl"]["differs"].startswith("published RigL")
    told = "\n".join(lines(list(rows.values())))
    assert "vgg19 gmp 90 %, start 0 %" in told
    assert "published 93.59 ± 0.10" in told
    assert told in "\n".join(line.removeprefix("  ") for line in text([report]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backbones": {"vgg19": {"width": 0.125}}}, "width is 0.125 instead of 1"),
        ({"training": {"epochs": 100}}, "epochs is 100 instead of 160"),
        ({"training": {"epochs": 160, "batch_size": 64}}, "batch_size is 64 instead of 128"),
        (
            {"data": {"kind": "folder", "name": "x", "path": "x.zip", "validation": 5000}},
            "data is folder instead of cifar10",
        ),
        (
            {"data": {"kind": "cifar10", "name": "x", "validation": 5000, "train": 900}},
            "only 900 training images are used",
        ),
    ],
)
def test_another_protocol_is_not_compared_and_says_why(changes: dict[str, Any], words: str) -> None:
    from fggp.study.config import cells

    study = grid(**LIKE_PUBLISHED | changes)
    reasons = why_not(GRANET, study.model_dump(mode="json"), cells(study))
    assert reasons == [words]


def test_a_study_without_results_says_so(tmp_path: Path) -> None:
    assert why_not(GRANET, {}, []) == ["there are no results"]


def test_a_study_that_fits_one_comparison_says_why_it_does_not_fit_the_others(
    report: Report,
) -> None:
    (found,) = plain([report])["studies"]
    assert set(found["not_comparable"]) == set(BY_NAME) - {"GraNet"}
    assert (
        "batch_size is 128 instead of 256"
        in found["not_comparable"]["Lottery Jackpots, 160 epochs"]
    )
    assert {row["comparison"] for row in found["published"]} == {"GraNet"}
    (line,) = (it for it in text([report]) if "not comparable" in it)
    assert "Lottery Jackpots, 30 epochs (epochs is 160 instead of 30" in line


def test_a_study_of_jackpots_is_held_against_their_numbers(tmp_path: Path) -> None:
    changes = LIKE_PUBLISHED | {
        "methods": {"dense": {}, "jackpots": {}},
        "training": {"epochs": 160, "batch_size": 256},
        "pruning": {"update_every": 100, "end_epoch": 80, "dense": ["classifier"]},
    }
    study = grid(**changes)
    from fggp.study.config import cells

    listed, plain_study = cells(study), study.model_dump(mode="json")
    reasons = {name: why_not(it, plain_study, listed) for name, it in BY_NAME.items()}
    assert reasons["Lottery Jackpots, 160 epochs"] == []
    assert reasons["Lottery Jackpots, 30 epochs"] == ["epochs is 160 instead of 30"]
    assert "dense is classifier instead of none" in reasons["GraNet"]


def test_the_page_has_ours_where_a_study_fits_and_else_not_run(report: Report) -> None:
    found = {it["name"]: it["rows"] for it in published_figures([report])}
    ours = {(row["backbone"], row["method"]): row["ours"] for row in found["GraNet"]}
    assert ours["vgg19", "gmp"].endswith(f"(2 seeds, {report.folder.name})")
    assert ours["vgg19", "granet"] == ours["resnet50", "dense"] == NOT_RUN
    for name in BY_NAME.keys() - {"GraNet"}:
        assert {row["ours"] for row in found[name]} == {NOT_RUN}
    accuracies = [row["accuracy"] for row in found["Lottery Jackpots, 30 epochs"]]
    assert accuracies == ["93.88", "93.49"]


def test_only_cells_by_the_protocol_are_compared_in_a_study_of_several(tmp_path: Path) -> None:
    """A network of another width was compared because the other one has full width."""
    backbones = {"resnet50": {"width": "1/8"}, "vgg19": {"width": 1}}
    folder = sound_study(tmp_path / "made", **LIKE_PUBLISHED | {"backbones": backbones})
    found = check(folder)
    assert why_not(GRANET, found.configuration, [it.cell for it in found.items]) == []
    rows = compare(GRANET, found.configuration, found.items)
    assert {row["backbone"] for row in rows} == {"vgg19"}
    narrow = [it for it in found.items if it.cell.backbone.name == "resnet50"]
    assert compare(GRANET, found.configuration, narrow) == []
