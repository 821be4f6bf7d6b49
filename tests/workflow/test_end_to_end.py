import csv
import json
import re
import zipfile
from pathlib import Path

import pytest
from checkout import FEW_CELLS, TINY, TINY_CELLS, Checkout

from fggp.cli.analyse import FIGURES as FIGURE_NAMES
from fggp.cli.analyse import TABLES as NAMES

pytestmark = pytest.mark.long
HOME = "results/tiny"
RANKINGS = ("ranking", "ranking_all")
TABLES = [f"tables/{name}.{kind}" for name in NAMES for kind in ("csv", "md", "tex")]
FIGURES = [
    f"figures/{name}.{kind}"
    for name in FIGURE_NAMES
    for kind in ("pdf", "png", "svg", "csv", "rst")
]
DATA = [f"figures/{name}.csv" for name in FIGURE_NAMES]


def rows(checkout: Checkout, name: str) -> list[dict[str, str]]:
    with (checkout / f"{HOME}/{name}").open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_command_leaves_every_table_and_figure(trained: Checkout) -> None:
    made = [
        "cells.json",
        "runs.csv",
        "epochs.csv",
        "layers.csv",
        "updates.csv",
        *TABLES,
        *FIGURES,
        "page.html",
        "tiny.crate.zip",
    ]
    paths = [trained / f"{HOME}/{name}" for name in made]
    missing = [path for path in paths if not path.is_file() or path.stat().st_size == 0]
    assert not missing, (trained / "first.txt").read_text()
    assert (trained / f"{HOME}/figures/accuracy_vs_sparsity.png").read_bytes()[:4] == b"\x89PNG"
    assert (trained / f"{HOME}/figures/accuracy_vs_sparsity.pdf").read_bytes()[:4] == b"%PDF"


def test_every_cell_trains_exactly_once(trained: Checkout) -> None:
    text = (trained / "first.txt").read_text()
    assert set(trained.fingerprints()) == TINY_CELLS
    for cell in TINY_CELLS:
        assert text.count(f"output: {HOME}/runs/{cell}.json") == 1, text
        lines = trained.log(cell).read_text().splitlines()
        epochs = [line.split()[1] for line in lines if line.startswith("epoch ")]
        assert epochs == ["1/2", "2/2"], lines
        *rest, verdict, _ = [line for line in lines if not line.startswith("epoch ")]
        assert verdict == f"{cell}: completed after epoch 2"
        assert all(line.startswith("fggp: ") for line in rest), rest


def test_the_terminal_names_each_trained_cell_its_accuracy_and_the_count(
    trained: Checkout,
) -> None:
    text = (trained / "first.txt").read_text()
    said = re.findall(r"^trained (\S+)  \d+\.\d % test accuracy.*; (\d) of 7", text, re.MULTILINE)
    assert {cell for cell, _ in said} == TINY_CELLS, text
    assert [int(count) for _, count in said] == list(range(1, 8))
    assert ", about " in text.partition("; 1 of 7")[2].splitlines()[0], text


def test_tables_have_a_row_for_every_run_epoch_layer_and_update(trained: Checkout) -> None:
    outcomes = [
        json.loads(trained.result(cell).read_text())["outcome"] for cell in sorted(TINY_CELLS)
    ]
    assert len(rows(trained, "runs.csv")) == 7
    assert len(rows(trained, "epochs.csv")) == 7 * 2
    for name in ("epochs", "layers", "updates"):
        assert len(rows(trained, f"{name}.csv")) == sum(len(it[name]) for it in outcomes) > 0, name
    assert {row["label"] for row in rows(trained, "runs.csv")} == {"dense", "gmp", "granet", "fggp"}


def test_pruned_runs_meet_the_target_and_the_dense_run_keeps_everything(trained: Checkout) -> None:
    for row in rows(trained, "runs.csv"):
        assert row["kept"] == row["target"], row
        assert (row["kept"] == row["prunable"]) == (row["label"] == "dense"), row


def test_every_method_has_a_rank_and_the_dense_reference_has_none(trained: Checkout) -> None:
    for name in RANKINGS:
        for kind in ("md", "tex"):
            text = (trained / f"{HOME}/tables/{name}.{kind}").read_text()
            assert all(label in text for label in ("gmp", "granet", "fggp", "dense")), text
        ranks = {row["label"]: row["average_rank"] for row in rows(trained, f"tables/{name}.csv")}
        assert ranks.pop("dense (reference)") == "", name
        assert all(float(rank) >= 1 for rank in ranks.values()), ranks
        starts = [""] if name == "ranking" else [", dense start", ", 50 % sparse start"]
        assert set(ranks) == {m + start for m in ("gmp", "granet", "fggp") for start in starts}


def test_results_say_that_they_come_from_the_prepared_data(trained: Checkout) -> None:
    held = {row["data_sha256"] for row in rows(trained, "runs.csv")}
    assert len(held) == 1
    assert len(held.pop()) == 64


def test_the_report_holds_tables_figures_and_their_captions(study: Checkout) -> None:
    study.snakemake("--report", "report.html")
    text = (study / "report.html").read_text()
    flat = " ".join(text.replace("\\n", " ").split())
    for caption in (
        "Ranks over the settings of the study, 1 is best",
        "The reference method against each rival over the grid",
        "dashed grey line is the dense network of the same backbone",
        "The changes at each recorded mask update",
        "The study on one page",
        "Provenance of the trainings: processors, versions",
    ):
        assert caption in flat, caption
    pictures = [f"{name}.png" for name in FIGURE_NAMES]
    for name in (*(f"{name}.csv" for name in NAMES), *pictures, "page.html"):
        assert name in text, name
    listed = re.search(r"var categories = (\{.*?\});?$", text, re.MULTILINE)
    assert listed
    held = json.loads(listed[1])
    assert set(held) == {"Results", "Ablations", "Diagnostics", "Provenance"}
    stems = {head: {Path(it).stem for part in held[head].values() for it in part} for head in held}
    assert stems["Ablations"] == {"rate_ablation", "order_schedule"}
    assert stems["Provenance"] == {"provenance"}
    assert {"page", "power", "ranking", "forest"} <= stems["Results"]
    assert {"mask_churn", "run_overview", "seed_pairs"} <= stems["Diagnostics"]


def test_the_crate_comes_last_and_packs_trainings_tables_figures_and_the_workflow(
    study: Checkout,
) -> None:
    crate = study / f"{HOME}/tiny.crate.zip"
    before = crate.read_bytes()
    packed = set(zipfile.ZipFile(crate).namelist())
    assert {f"runs/{cell}.json" for cell in TINY_CELLS} <= packed
    assert {"ro-crate-metadata.json", "workflow/rules/analysis.smk"} <= packed
    assert {"cells.json", "runs.csv", "page.html", *TABLES, *FIGURES} <= packed
    (study / f"{HOME}/page.html").unlink()
    assert study.dry().jobs == {"page": 1, "crate": 1, "all": 1}
    study.fggp("page", "tiny")
    crate.unlink()
    assert study.dry().jobs == {"crate": 1, "all": 1}
    study.fggp("crate", "tiny")
    assert crate.read_bytes() == before
    assert study.dry().jobs == {}


def test_measurements_after_the_run_reach_tables_figures_page_and_crate(study: Checkout) -> None:
    (study / f"{HOME}/latency.json").write_text("[]\n")
    last = {"figure": 1, "page": 1, "crate": 1, "all": 1}
    assert study.dry().jobs == {"table": len(NAMES), **last}


def test_results_without_hidden_copies_survive_a_dry_run_of_other_settings(
    study: Checkout,
) -> None:
    before = study.fingerprints()
    for path in (study / HOME).rglob(".*.kept.json"):
        path.unlink()
    study.study("tiny", **TINY | {"training": TINY["training"] | {"epochs": 3}})
    assert study.dry().jobs["train"] == len(TINY_CELLS)
    study.study("tiny", **TINY)
    assert "train" not in study.dry().jobs
    assert study.fingerprints() == before


def test_results_of_other_settings_are_trained_again_after_a_plan(study: Checkout) -> None:
    study.study("tiny", **TINY | {"training": TINY["training"] | {"epochs": 3}})
    study.fggp("plan", "tiny", "--write")
    assert study.dry().jobs["train"] == len(TINY_CELLS)


def test_a_second_run_has_nothing_to_do(study: Checkout) -> None:
    ran = study.snakemake("--cores", "2")
    assert ran.jobs == {}, ran


def test_fggp_run_after_snakemake_changes_nothing(study: Checkout) -> None:
    before = study.files("results", "data")
    ran = study.fggp("run", "tiny")
    assert ran.out == "all cells are trained; next: fggp analyse results/tiny\n", ran
    (study / f"{HOME}/.run.lock").unlink()
    assert study.files("results", "data") == before
    assert study.dry().jobs == {}


def test_snakemake_after_fggp_run_trains_nothing(study_by_hand: Checkout) -> None:
    ran = study_by_hand.dry(study="few")
    assert ran.trained == set(), ran
    last = {"figure": 1, "page": 1, "crate": 1, "all": 1}
    assert ran.jobs == {"aggregate": 1, "table": len(NAMES), **last}, ran


def test_fggp_run_and_snakemake_come_to_the_same_bits(trained: Checkout, by_hand: Checkout) -> None:
    whole = trained.fingerprints()
    assert by_hand.fingerprints("few") == {cell: whole[cell] for cell in FEW_CELLS}


def test_the_command_line_makes_the_same_tables_as_snakemake(study: Checkout) -> None:
    names = ["runs.csv", "epochs.csv", "layers.csv", "updates.csv", *TABLES, *DATA, "page.html"]
    before = {name: (study / f"{HOME}/{name}").read_bytes() for name in names}
    for name in names:
        (study / f"{HOME}/{name}").unlink()
    study.fggp("analyse", "tiny")
    assert {name: (study / f"{HOME}/{name}").read_bytes() for name in names} == before
