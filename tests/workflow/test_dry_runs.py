import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import ROOT, TINY, TINY_CELLS, Checkout

from fggp.cli.analyse import TABLES
from fggp.methods import METHODS
from fggp.study.config import cells, load

pytestmark = pytest.mark.long
# Methods for whole filters rank among themselves, in studies of their own.
WITHOUT_FILTERS = {name for name, it in METHODS.items() if it.pattern != "filters"}


def is_study(path: Path) -> bool:
    return bool({"base", "methods"} & set(yaml.safe_load(path.read_text())))


STUDIES = sorted(path.stem for path in (ROOT / "config").glob("*.yaml") if is_study(path))


# Those that the README runs; that every study loads is tested in tests/study.
PLANNED = {"demo", "mini", "reduced", "paper", "paper-all"}


def listed(checkout: Checkout, study: str) -> list[str]:
    return [cell.id for cell in cells(load(checkout / f"config/{study}.yaml"))]


def jobs(trainings: int) -> dict[str, int]:
    analysis = {"plan": 1, "aggregate": 1, "table": len(TABLES), "figure": 1, "page": 1}
    return analysis | {"crate": 1, "all": 1, "prepare": 1, "train": trainings}


def test_there_are_studies_for_a_laptop_one_gpu_and_a_cluster() -> None:
    assert set(STUDIES) >= PLANNED


def some_slow(names: list[str]) -> list[Any]:
    return [pytest.param(it, marks=() if it in PLANNED else pytest.mark.slow) for it in names]


@pytest.mark.parametrize("name", some_slow(STUDIES))
def test_every_study_plans_one_training_per_cell_and_touches_nothing(
    name: str, fresh: Checkout
) -> None:
    before = {path.name for path in fresh.path.iterdir()}
    ran = fresh.snakemake("-n", "--quiet", "rules", study=name)
    assert ran.jobs == jobs(len(listed(fresh, name))), ran
    assert {path.name for path in fresh.path.iterdir()} <= before | {".snakemake"}


def test_without_a_configfile_it_is_the_670_trainings_of_the_paper(fresh: Checkout) -> None:
    ran = fresh.dry(study="")
    assert len(ran.trained) == 670
    assert ran.trained == set(listed(fresh, "paper"))
    assert "results/paper/runs.csv" in ran.out


def test_the_advertised_slurm_command_finds_its_profile_in_the_repository(fresh: Checkout) -> None:
    ran = fresh.snakemake("-n", "--quiet", "rules", "--profile", "slurm", study="")
    assert ran.jobs["train"] == 670, ran
    assert "Using profile slurm" in ran.err, ran


def test_the_snakefile_that_catalogs_look_for_plans_the_same_jobs(fresh: Checkout) -> None:
    ran = fresh.dry("--snakefile", "workflow/Snakefile")
    assert ran.trained == TINY_CELLS
    assert ran.jobs == jobs(7)


def test_a_thousand_cells_still_plan(fresh: Checkout) -> None:
    fresh.study("thousand", base="paper.yaml", seeds=list(range(1, 24)))
    ran = fresh.snakemake("-n", "--quiet", "rules", study="thousand")
    assert ran.jobs["train"] == len(listed(fresh, "thousand")) == 23 * 134, ran


def test_two_studies_at_once_are_refused_in_one_line(fresh: Checkout) -> None:
    both = ("--configfile", "config/demo.yaml", "config/mini.yaml")
    ran = fresh.run("snakemake", "-n", *both, status=1)
    assert "give one --configfile" in ran.complaint


def test_of_two_configfile_options_the_last_runs_alone_and_unmerged(fresh: Checkout) -> None:
    fresh.study("one", **TINY | {"seeds": [5, 6]})
    ran = fresh.snakemake("-n", "--configfile", "config/one.yaml")
    assert ran.trained == TINY_CELLS, ran


def test_a_changed_value_on_the_command_line_is_refused_with_the_way_to_do_it(
    fresh: Checkout,
) -> None:
    complaint = fresh.snakemake("-n", "--config", "ab=1", status=1).complaint
    assert "--config ab=…" in complaint
    assert "base: STUDY.yaml" in complaint


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            {"base": "tiny.yaml", "training": {"epoch": 3}},
            "fggp: config/bad.yaml: training.epoch: no such key; did you mean 'epochs'?",
        ),
        (
            {"base": "tiny.yaml", "methods": {"fgp": {}}},
            "fggp: config/bad.yaml: methods.fgp: 'fgp' is not a method; did you mean 'fggp'?",
        ),
    ],
    ids=["key", "method"],
)
def test_a_mistake_in_a_study_is_one_line_that_names_file_key_and_the_nearest_valid(
    content: dict[str, object], complaint: str, fresh: Checkout
) -> None:
    path = fresh.study("bad", **content)
    ran = fresh.run("snakemake", "-n", "--configfile", str(path), status=1)
    assert ran.complaint == complaint


def test_a_dry_run_of_a_finished_study_changes_no_result(study: Checkout) -> None:
    before = study.files("results", "data", "logs")
    assert study.dry().jobs == {}
    assert study.files("results", "data", "logs") == before
    assert json.loads((study / "results/tiny/cells.json").read_text())["study"] == "tiny"


def test_the_full_study_of_all_methods_is_1090_trainings_and_leaves_no_ranking_method_out() -> None:
    study = load(ROOT / "config/paper-all.yaml")
    assert len(cells(study)) == 1090
    named = {method["name"] for method in study.methods.values()}
    # The lottery ticket costs 12 to 19 trainings per cell.
    assert WITHOUT_FILTERS - named == {"imp"}


@pytest.mark.parametrize("name", ["demo-all", "mini-all-folder"])
def test_small_studies_of_all_methods_leave_none_out(name: str) -> None:
    study = load(ROOT / f"config/{name}.yaml")
    assert {method["name"] for method in study.methods.values()} == WITHOUT_FILTERS


def test_the_studies_of_filters_leave_no_method_for_filters_out() -> None:
    named = {
        method["name"]
        for name in ("filters", "filters-90")
        for method in load(ROOT / f"config/{name}.yaml").methods.values()
    }
    assert set(METHODS) - WITHOUT_FILTERS <= named
