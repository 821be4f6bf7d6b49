"""The part of an incomplete study that is compared."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fabricate import analysed, grid, runs_of

from fggp.analysis.compared_runs import MOST_SEEDS, compared, coverage
from fggp.analysis.figures import write_figures
from fggp.analysis.figures.critical_difference import critical_difference, separable
from fggp.analysis.plan import default_plan
from fggp.analysis.spreads import few_seeds
from fggp.analysis.study_tables import Material
from fggp.analysis.tables import tabulate, write_table
from fggp.analysis.tables.claims import HOLDS, UNDECIDED, claims, claims_table
from fggp.analysis.tables.ranking import ranking
from fggp.analysis.tables.settings import settings
from fggp.study.cell import Cell

PLAN = default_plan()
STUDY = grid(
    backbones={"vgg19": {}, "resnet50": {}},
    sparsities=[0.9, 0.95],
    seeds=[1, 2, 3],
    methods={"dense": {}, "gmp": {}, "fggp": {}, "random": {}},
)
Skip = Callable[[Cell], bool]


def of_resnet(there: Skip) -> Skip:
    """Keep all of VGG-19, and of ResNet-50 the cells that are ``there``."""
    return lambda cell: cell.backbone.name == "resnet50" and not there(cell)


STATES: dict[str, tuple[Skip, int, set[int]]] = {
    "only dense networks of resnet50": (of_resnet(lambda c: c.label == "dense"), 4, {1, 2, 3}),
    "one seed in one setting": (
        of_resnet(lambda c: c.seed == 1 and c.sparsity != 0.95 and c.initial_sparsity != 0.5),
        4,
        {1, 2, 3},
    ),
    "one seed": (of_resnet(lambda c: c.seed == 1), 4, {1, 2, 3}),
    "two seeds, which are more trainings": (of_resnet(lambda c: c.seed < 3), 4, {1, 2, 3}),
    "all but one training": (
        lambda c: c.id.startswith("resnet50/s95/i50/gmp/seed3"),
        7,
        {1, 2, 3},
    ),
    "a seed that vgg19 lacks": (
        lambda c: (c.backbone.name == "vgg19") == (c.seed == 3),
        4,
        {1, 2},
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_the_largest_complete_part_with_enough_seeds_is_compared(state: str) -> None:
    skip, number, seeds = STATES[state]
    part = compared(runs_of(STUDY, skip=skip), PLAN)
    counts = part[part["label"] == "fggp"].groupby(["backbone", "sparsity", "start"])["seed"]
    assert {frozenset(own) for _, own in counts} == {frozenset(seeds)}
    assert len(counts) == number
    assert set(ranking(part, PLAN)["settings"]) == {number}
    found = settings(part, PLAN)
    assert set(found["n"]) == {len(seeds)}
    assert {"dense", "gmp", "fggp", "random"} == set(found["label"])


def test_captions_of_figures_that_compare_methods_name_the_part(tmp_path: Path) -> None:
    folder = analysed(tmp_path, partial=True, skip=lambda cell: cell.id.endswith("gmp/seed2"))
    write_figures(["paired_differences", "run_overview"], folder, formats=["png"])
    told = "The comparison uses the 4 settings (vgg19) with seed 1"
    assert told in (folder / "figures/paired_differences.rst").read_text()
    assert told not in (folder / "figures/run_overview.rst").read_text()


def test_accuracies_do_not_affect_the_part() -> None:
    skip = STATES["one seed"][0]
    high = compared(runs_of(STUDY, lambda cell: 900, skip=skip), PLAN)
    low = compared(runs_of(STUDY, lambda cell: 100 + cell.seed, skip=skip), PLAN)
    assert high.index.equals(low.index)


def test_all_trainings_of_a_complete_study_are_compared() -> None:
    runs = runs_of(STUDY)
    assert compared(runs, PLAN) is runs
    assert not coverage(runs, PLAN)


def test_the_part_is_named_with_what_is_left_out() -> None:
    runs = runs_of(STUDY, skip=STATES["one seed"][0])
    assert coverage(runs, PLAN) == (
        "The comparison uses the 4 settings (vgg19) with seeds 1, 2, 3 that have a result of every "
        "label, and leaves 11 other results out."
    )
    whole = runs_of(STUDY, skip=lambda cell: cell.backbone.name == "resnet50")
    assert coverage(whole, PLAN).endswith("label; these are all results so far.")


def test_a_label_without_any_result_is_named_and_keeps_claims_about_ranks_open(
    tmp_path: Path,
) -> None:
    def accuracy(cell: Cell) -> int:
        return 800 + 100 * (cell.label == "fggp") + cell.seed * len(cell.label) % 3

    folder = analysed(
        tmp_path,
        accuracy,
        partial=True,
        skip=lambda cell: cell.label == "granet",
        seeds=[1, 2, 3, 4, 5],
        methods={"gmp": {}, "fggp": {}, "granet": {}},
    )
    material = Material(folder)
    assert "a result of every label but granet; these are all" in material.coverage
    assert material.coverage in write_table("ranking", folder)[1].read_text()
    row = claims(material.compared, PLAN, material.cells).set_index("claim").loc["highest-ranking"]
    assert [row["verdict"], row["note"]] == [UNDECIDED, "no results of granet"]
    assert claims(material.compared, PLAN).set_index("claim")["verdict"]["highest-ranking"] == HOLDS


def test_without_a_complete_setting_all_values_are_shown_and_nothing_is_ranked() -> None:
    def skip(cell: Cell) -> bool:
        return (cell.label == "gmp") != (cell.seed == 1) and cell.label != "dense"

    runs = runs_of(STUDY, skip=skip)
    assert compared(runs, PLAN) is runs
    assert coverage(runs, PLAN).startswith("Nothing can be compared yet")
    assert ranking(runs, PLAN).empty
    shown = tabulate("settings", runs, PLAN)
    assert set(shown.data["label"]) == {"dense", "gmp", "fggp", "random"}
    assert not any(shown.bold["accuracy (%)"])
    assert few_seeds(runs, PLAN).startswith("n = 1 seed")


def test_seeds_beyond_those_tried_in_combination_count_if_all_settings_have_them() -> None:
    many = list(range(1, MOST_SEEDS + 4))
    study = grid(seeds=many, sparsities=[0.9], methods={"gmp": {}, "fggp": {}})
    runs = runs_of(study, skip=lambda cell: cell.id.endswith("i50/gmp/seed2"))
    assert set(compared(runs, PLAN)["seed"]) == set(many) - {2}


def test_each_setting_that_lacks_another_seed_costs_as_few_trainings_as_possible() -> None:
    study = grid(seeds=list(range(1, 7)), methods={"gmp": {}, "fggp": {}})
    gone = dict(enumerate(((0.9, 0.0), (0.9, 0.5), (0.95, 0.0), (0.95, 0.5)), start=1))

    def skip(cell: Cell) -> bool:
        own = (float(cell.sparsity), float(cell.initial_sparsity or 0))
        return cell.label == "gmp" and gone.get(cell.seed) == own

    part = compared(runs_of(study, skip=skip), PLAN)
    blocks = part[part["label"] == "fggp"]
    trials = [(4, 2), (3, 3), (2, 4), (1, 5)]  # settings × seeds
    assert len(blocks) == max(a * b for a, b in trials)


def test_one_seed_is_shown_without_bold_type_and_diagram_though_one_label_has_more(
    tmp_path: Path,
) -> None:
    def skip(cell: Cell) -> bool:
        return cell.seed > 1 and cell.label not in {"dense", "fggp"}

    changes = {"backbones": {"vgg19": {}}, "methods": {"dense": {}, "gmp": {}, "fggp": {}}}
    folder = analysed(tmp_path, partial=True, skip=skip, seeds=[1, 2, 3], **changes)
    material = Material(folder)
    assert few_seeds(material.compared, PLAN).startswith("n = 1 seed: values only")
    for name in ("ranking", "settings", "leave_out", "comparisons", "claims"):
        paths = write_table(name, folder)
        shown = next(path for path in paths if path.suffix == ".md").read_text()
        assert "n = 1 seed: values only" in shown
        assert "**" not in shown.replace("**PARTIAL: results are missing**", "")
    assert critical_difference(material)[1].empty
    assert not separable(material)


def test_a_claim_of_an_incomplete_study_holds_only_so_far(tmp_path: Path) -> None:
    def accuracy(cell: Cell) -> int:
        return 900 + 50 * (cell.label == "fggp") + cell.seed % 3 + len(cell.label) * cell.seed % 2

    changes = {"seeds": [1, 2, 3, 4], "backbones": {"vgg19": {}, "resnet50": {}}}
    folder = analysed(
        tmp_path,
        accuracy,
        partial=True,
        skip=lambda cell: cell.backbone.name == "resnet50" or cell.seed == 4,
        **changes,
    )
    material = Material(folder)
    row = claims(material.compared, PLAN, material.cells).set_index("claim").loc["gradient-matters"]
    assert row["verdict"] == HOLDS
    assert [row[name] for name in ("settings", "planned_settings")] == [4, 8]
    assert [row[name] for name in ("seeds", "planned_seeds")] == [3, 4]
    shown = claims_table(material.compared, PLAN, folder).shown.set_index("claim")
    row = shown.loc["Both criteria are better than the magnitude alone"]
    assert [row["verdict"], row["settings"], row["seeds"]] == ["holds so far", "4 of 8", "3 of 4"]
    whole = claims_table(runs_of(grid(**changes), accuracy), PLAN).shown
    assert "holds" in set(whole["verdict"])
    assert "so far" not in " ".join(whole["verdict"])
