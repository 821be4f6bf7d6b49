import os
import shutil
from pathlib import Path

import pytest
import yaml
from checkout import FEW, TINY, Checkout

pytestmark = pytest.mark.long

CELL = "vgg19/s90/i50/fggp/seed1"
FGGP = {CELL, "vgg19/s90/i0/fggp/seed1"}
ANALYSIS = {"plan", "aggregate", "table", "figure", "page", "crate", "all"}


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def edit(checkout: Checkout, **changes: object) -> None:
    """Change top-level keys of study ``tiny``, as an editor would: the file is rewritten."""
    checkout.study("tiny", **TINY | changes)


def rate(value: str) -> dict[str, object]:
    return TINY["methods"] | {"fggp": {"rho": value}}  # type: ignore[operator]


def test_comments_in_the_study_the_workflow_and_the_source_rerun_nothing(study: Checkout) -> None:
    files = [
        "config/tiny.yaml",
        "Snakefile",
        "workflow/rules/train.smk",
        "src/fggp/training/train.py",
    ]
    for name in files:
        append(study / name, "\n# a comment\n")
    assert study.dry().jobs == {}


def test_spelling_the_same_values_differently_reruns_nothing(study: Checkout) -> None:
    methods = {"dense": {}, "gmp": {"method": "gmp"}, "granet": {}, "fggp": {"rho": "1/2"}}
    edit(study, sparsities=["9/10"], backbones={"vgg19": {"width": "1/16", "lr": "1/1"}},
         methods=methods)  # fmt: skip
    assert "9/10" in (study / "config/tiny.yaml").read_text()
    assert study.dry().jobs == {}


def test_a_new_description_trains_nothing(study: Checkout) -> None:
    edit(study, description="another one")
    ran = study.dry()
    assert ran.trained == set()
    assert set(ran.jobs) <= ANALYSIS, ran


def test_touching_the_data_file_reruns_nothing(study: Checkout) -> None:
    os.utime(study / "data/digits.npz")
    assert study.dry().jobs == {}


def test_deleting_the_data_file_reruns_nothing_and_prepared_anew_it_is_the_same(
    study: Checkout,
) -> None:
    data = study / "data/digits.npz"
    before = data.read_bytes()
    data.unlink()
    assert study.dry().jobs == {}
    study.fggp("prepare", "tiny")
    assert data.read_bytes() == before


def test_the_profile_and_the_number_of_cores_rerun_nothing(study: Checkout) -> None:
    profile = study / "slurm/config.yaml"
    text = profile.read_text()
    profile.write_text(text.replace("jobs: 200", "jobs: 3") + "default-resources:\n  mem_mb: 99\n")
    assert profile.read_text().count("jobs: 3") == 1
    ran = study.dry("--profile", "slurm", "--cores", "7", "--set-threads", "train=3")
    assert "Using profile slurm" in ran.err, ran
    assert ran.jobs == {}


def test_one_value_of_one_label_retrains_that_label_alone_and_changed_back_nothing(
    study: Checkout,
) -> None:
    before = study.fingerprints()
    edit(study, methods=rate("1/4"))
    ran = study.dry()
    assert ran.trained == FGGP
    assert set(ran.jobs) - {"train"} <= ANALYSIS, ran
    edit(study)
    assert study.dry().trained == set()
    assert study.fingerprints() == before


def test_a_new_seed_trains_exactly_its_own_cells(study: Checkout) -> None:
    edit(study, seeds=[1, 2])
    ran = study.dry()
    assert len(ran.trained) == 7
    assert all(cell.endswith("/seed2") for cell in ran.trained), ran


def test_a_label_taken_out_trains_nothing_and_its_results_stay(study: Checkout) -> None:
    before = study.fingerprints()
    edit(study, methods={"dense": {}, "gmp": {}, "fggp": {}})
    assert study.dry().trained == set()
    assert study.fingerprints() == before


def test_a_changed_protocol_retrains_every_cell(study: Checkout) -> None:
    edit(study, training=TINY["training"] | {"momentum": 0.8})  # type: ignore[operator]
    assert len(study.dry().trained) == 7


def test_a_removed_result_is_restored_from_its_copy_without_training(study: Checkout) -> None:
    path = study.result(CELL)
    before, log = path.read_bytes(), study.log(CELL).read_text()
    path.unlink()
    ran = study.snakemake(str(path.relative_to(study.path)), "--cores", "1")
    assert ran.trained == {CELL}, ran
    assert path.read_bytes() == before
    added = study.log(CELL).read_text().removeprefix(log)
    assert added == f"results/tiny/runs/{CELL}.json was there already\n"


def test_a_removed_result_is_missed_by_a_plain_run(study: Checkout) -> None:
    study.result(CELL).unlink()
    assert study.dry().trained == {CELL}


def test_with_all_outputs_removed_nothing_is_trained_anew(study: Checkout) -> None:
    before = study.fingerprints()
    for cell in before:
        study.result(cell).unlink()
    study.fggp("run", "tiny")
    assert study.fingerprints() == before
    assert study.dry().trained == set()


def test_a_label_edited_after_fggp_run_retrains_exactly_that_label(
    study_by_hand: Checkout,
) -> None:
    before = study_by_hand.fingerprints("few")
    study_by_hand.study("few", **FEW | {"methods": {"dense": {}, "fggp": {"rho": "1/4"}}})
    ran = study_by_hand.dry(study="few")
    assert ran.trained == FGGP
    assert "other settings than the study now has: 2;" in ran.err
    study_by_hand.study("few", **FEW)
    assert study_by_hand.dry(study="few").trained == set()
    assert study_by_hand.fingerprints("few") == before


@pytest.mark.slow
def test_a_label_edited_and_trained_by_fggp_run_is_taken_over_without_training(
    study: Checkout,
) -> None:
    edit(study, methods=rate("1/4"))
    study.fggp("run", "tiny", "--jobs", "2")
    before, log = study.fingerprints(), study.log(CELL).read_text()
    study.snakemake("results", "--cores", "1")
    assert study.fingerprints() == before
    added = study.log(CELL).read_text().removeprefix(log)
    assert added in ("", f"results/tiny/runs/{CELL}.json was there already\n")
    assert study.dry("results").jobs == {}


def test_lost_snakemake_records_retrain_nothing(study: Checkout) -> None:
    shutil.rmtree(study / ".snakemake")
    assert study.dry().jobs == {}


def test_a_result_damaged_by_hand_is_refused_in_one_line(study: Checkout) -> None:
    path = study.result(CELL)
    path.write_text(path.read_text()[:500])
    complaint = study.fggp("aggregate", "tiny", status=1).complaint
    assert complaint.startswith(f"fggp: results/tiny/runs/{CELL}.json: not a result (")
    shutil.copy(study.result("vgg19/s90/i0/gmp/seed1"), path)
    complaint = study.fggp("aggregate", "tiny", status=1).complaint
    assert "more than one result" in complaint
    assert f"{CELL}.json" in complaint


def test_snakemake_stops_at_a_damaged_result_and_its_log_says_why(study: Checkout) -> None:
    study.result(CELL).write_text("{")
    ran = study.snakemake("results", "--cores", "1", status=1)
    assert "results/tiny/logs/aggregate.log" in ran.out + ran.err
    lines = (study / "results/tiny/logs/aggregate.log").read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"fggp: results/tiny/runs/{CELL}.json: not a result")


def test_the_tiny_study_is_what_the_copies_hold(study: Checkout) -> None:
    assert yaml.safe_load((study / "config/tiny.yaml").read_text()) == TINY
