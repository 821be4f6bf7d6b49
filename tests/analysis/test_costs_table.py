"""The table of what trainings took beside what was expected."""

from pathlib import Path

import pandas as pd
import pytest
from fabricate import analysed, measured, older

from fggp.analysis.collect.runs_csv import read_runs
from fggp.analysis.plan import read_plan
from fggp.analysis.tables import write_table
from fggp.analysis.tables.costs import costs_table, study_costs
from fggp.study import costs
from fggp.study.cell import Cell
from fggp.study.result_file import Result

IMAGES = costs.Size(5100, 1000, 32)  # of the made-up results


def table(folder: Path) -> pd.DataFrame:
    return study_costs(read_runs(folder)).set_index("label")


def test_every_method_has_its_hours_memory_and_energy(tmp_path: Path) -> None:
    found = table(analysed(tmp_path, training={"epochs": 4, "threads": 2}))
    assert list(found.index) == ["dense", "random", "gmp", "fggp"]
    assert list(found["cells"]) == [2, 4, 8, 8]
    hours = 2 * 60.5 / 3600  # two threads are two core hours
    assert list(found["hours_median"]) == pytest.approx([hours] * 4)
    assert list(found["hours"]) == pytest.approx([n * hours for n in (2, 4, 8, 8)])
    assert list(found["kwh"]) == pytest.approx(list(found["hours"] * 0.015))
    assert set(found["peak_memory_mb"]) == {512}


def test_the_estimate_is_that_of_the_costs_for_the_same_device(tmp_path: Path) -> None:
    def on_a_gpu(cell: Cell, result: Result) -> None:
        result["provenance"] |= {"device": "cuda", "device_name": "NVIDIA A100-SXM4-80GB"}
        result["provenance"]["seconds"] = 5.0 + cell.seed

    cells: list[Cell] = []
    changes = {"methods": {"dense": {}, "imp": {}}, "training": {"epochs": 4, "threads": 3}}
    analysed(
        tmp_path,
        change=lambda cell, result: (cells.append(cell), on_a_gpu(cell, result))[1],
        **changes,
    )
    found = table(tmp_path)
    for label in ("dense", "imp"):
        each = [
            costs.epochs(cell) * costs.epoch_seconds(cell, IMAGES, costs.device("a100"))
            for cell in cells
            if cell.label == label
        ]
        assert found.loc[label, "estimated_hours"] == pytest.approx(sum(each) / 3600)
    assert found.loc["dense", "hours"] == pytest.approx((6 + 7) / 3600)
    ratio = found.loc["dense", "hours"] / found.loc["dense", "estimated_hours"]
    assert found.loc["dense", "ratio"] == pytest.approx(ratio)
    assert found.loc["dense", "kwh"] == pytest.approx(found.loc["dense", "hours"] * 0.4)


def test_smaller_images_are_estimated_by_their_pixels(tmp_path: Path) -> None:
    def small(cell: Cell, result: Result) -> None:
        for layer in result["outcome"]["layers"]:
            layer["macs"] //= 4

    whole = table(analysed(tmp_path / "whole"))
    quarter = table(analysed(tmp_path / "small", change=small))
    before = table(analysed(tmp_path / "older", change=older))
    assert (quarter["estimated_hours"] < whole["estimated_hours"]).all()
    assert list(before["estimated_hours"]) == pytest.approx(list(whole["estimated_hours"]))


def test_trainings_that_were_not_completed_are_counted_by_verdict(tmp_path: Path) -> None:
    def diverge(cell: Cell, result: Result) -> None:
        if cell.label == "gmp" and cell.seed == 1:
            result["outcome"]["verdict"] = "diverged"

    found = table(analysed(tmp_path, change=diverge))
    assert list(found["not_completed"]) == [0, 0, 4, 0]
    assert found.loc["gmp", "verdicts"] == "4 diverged"


def test_the_note_has_the_sums_and_says_what_is_an_estimate(tmp_path: Path) -> None:
    analysed(tmp_path)
    write_table("costs", tmp_path)
    text = (tmp_path / "tables/costs.md").read_text()
    assert "Cost of 22 trainings, time in core hours" in text
    assert f"In all {22 * 60.5 / 60:.0f} min, estimated" in text
    assert (
        "Energy is an estimate, time multiplied by a rough power: cpu 15 W (an assumption" in text
    )


def test_both_devices_of_a_mixed_study_are_named(tmp_path: Path) -> None:
    def mixed(cell: Cell, result: Result) -> None:
        if cell.seed == 2:
            result["provenance"] |= {"device": "cuda", "device_name": "NVIDIA H200"}

    analysed(tmp_path, change=mixed, allow_mixed_device=True)
    write_table("costs", tmp_path)
    text = (tmp_path / "tables/costs.md").read_text()
    assert "in core hours and GPU hours" in text
    assert "h200 700 W" in text


def text_of(folder: Path) -> str:
    write_table("costs", folder)
    return (folder / "tables/costs.md").read_text()


def test_speed_and_measured_energy_stand_beside_the_estimate(tmp_path: Path) -> None:
    found = table(analysed(tmp_path, change=measured))
    assert list(found["measured"]) == list(found["cells"])
    assert list(found["measured_kwh"]) == pytest.approx(list(found["hours"] * 0.040))
    assert list(found["kwh"]) == pytest.approx(list(found["hours"] * 0.015)), "still the estimate"
    assert set(found["images_per_second"]) == {301.5}
    assert set(found["share_of_peak"]) == {0.05}
    text = text_of(tmp_path)
    kwh = 22 * 60.5 / 3600 * 0.040
    assert f"Energy was measured in 22 of 22 trainings ({1000 * kwh:.3g} Wh, estimated" in text
    assert "No energy is counted twice" in text
    row = next(line for line in text.splitlines() if "| fggp " in line)
    assert " 302 " in row
    assert " 5 % " in row


def test_cells_on_one_device_sum_to_what_its_counter_showed(tmp_path: Path) -> None:
    def packed(cell: Cell, result: Result) -> None:
        measured(cell, result)
        whole = result["provenance"]["counter_joules"]
        result["provenance"] |= {"energy_joules": whole / 2, "energy_shared": True}

    alone = table(analysed(tmp_path / "alone", change=measured))
    both = table(analysed(tmp_path / "packed", change=packed))  # both seeds at once
    assert list(both["measured_kwh"]) == pytest.approx(list(alone["measured_kwh"] / 2))


def test_what_only_some_cells_say_is_marked_and_what_none_says_is_a_dash(tmp_path: Path) -> None:
    def some(cell: Cell, result: Result) -> None:
        if cell.label == "gmp" and cell.seed == 1:
            measured(cell, result)

    found = table(analysed(tmp_path, change=some))
    assert list(found["measured"]) == [0, 0, 4, 0]
    assert found["measured_kwh"].isna().tolist() == [True, True, False, True]
    text = text_of(tmp_path)
    assert "(4 of 8)" in next(line for line in text.splitlines() if "| gmp " in line)
    fggp = next(line for line in text.splitlines() if "| fggp " in line)
    assert fggp.count("| -") + fggp.count(" - |") >= 3
    assert "4 of 22 trainings" in text


def test_of_older_results_nothing_is_said_that_they_do_not_know(tmp_path: Path) -> None:
    text = text_of(analysed(tmp_path, change=older))
    assert "Energy was measured" not in text
    assert "Images per second" not in text
    assert "Energy is an estimate" in text


def test_where_no_rate_is_on_record_there_is_no_estimate_and_no_ratio(tmp_path: Path) -> None:
    analysed(tmp_path)
    runs = read_runs(tmp_path)
    text = costs_table(runs, read_plan()[0]).note
    assert ", estimated " in text
    assert "without an estimate" not in text
    found = costs_table(runs.assign(estimated_seconds=float("nan")), read_plan()[0])
    assert set(found.shown["estimated"]) == set(found.shown["ratio"]) == {"-"}
    assert ", without an estimate, and" in found.note
