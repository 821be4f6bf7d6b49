from pathlib import Path

import pytest
from fabricate import analysed, grid, runs_of

from fggp.analysis.collect.runs_csv import read_runs
from fggp.analysis.plan import default_plan
from fggp.analysis.tables.provenance import FIELDS, provenance, provenance_table
from fggp.study.cell import Cell
from fggp.study.result_file import Result


def two_machines(cell: Cell, result: Result) -> None:
    """The second seed ran before the first, on another machine and with another PyTorch."""
    origin = result["provenance"]
    if cell.seed == 2:
        origin |= {"device_name": "another", "started": "2024-12-31T23:00:00+00:00"}
        origin |= {"finished": "2024-12-31T23:30:30+00:00", "seconds": 1800.5}
        origin["versions"] = origin["versions"] | {"torch": "2.12.0"}
        if cell.label == "gmp":
            origin |= {
                "started": "2024-12-31T22:00:00+00:00",
                "finished": "2025-01-01T08:00:00+00:00",
            }
        origin["peak_memory_mb"] = 100 + 10 * (cell.label == "fggp")
    if cell.id == "vgg19/s90/i0/gmp/seed2":
        result["outcome"]["verdict"] = "diverged"


def test_a_row_is_what_ran_on_one_machine_with_one_set_of_versions(tmp_path: Path) -> None:
    found = provenance(read_runs(analysed(tmp_path, change=two_machines)))
    assert list(found) == [field.name for field in FIELDS]
    first, second = found.to_dict("records")
    assert (first["device_name"], first["torch"], first["python"]) == (
        "another",
        "2.12.0",
        "3.11.0",
    )
    assert (second["device_name"], second["torch"], second["numpy"]) == (
        *("a processor", "2.11.0", "2.0.0"),
    )
    assert (first["runs"], second["runs"]) == (11, 11)
    assert (first["diverged"], second["diverged"]) == (1, 0)
    assert first["hours"] == pytest.approx(11 * 1800.5 / 3600)
    assert second["median_seconds"] == 60.5
    assert (first["peak_memory_mb"], second["peak_memory_mb"]) == (110, 512)
    assert first["first_started"] == "2024-12-31T22:00:00+00:00"
    assert first["last_finished"] == "2025-01-01T08:00:00+00:00"
    assert set(found["data_sha256"]) == {"d" * 64}
    assert set(found["code_sha256"]) == {"c" * 64}
    assert set(found["numerics"]) == {1}


def test_it_reads_in_days_and_short_checksums_and_names_its_n(tmp_path: Path) -> None:
    runs = read_runs(analysed(tmp_path, change=two_machines))
    made = provenance_table(runs, default_plan())
    row = made.shown.iloc[0]
    assert row["first started (UTC)"] == "2024-12-31 22:00"
    assert row["code"] == "c" * 12
    assert "22 trainings, n = 2 seeds" in made.note


def test_no_result_is_told() -> None:
    runs = runs_of(grid(methods={"dense": {}})).iloc[:0]
    assert provenance_table(runs, default_plan()).note == "Nothing to show: no result yet."


def moving(cell: Cell, result: Result) -> None:
    """One training began on one type of GPU and ended on another, the others stayed."""
    names = ["NVIDIA A100", "NVIDIA H100"] if cell.id == "vgg19/s90/i0/gmp/seed1" else None
    result["provenance"] |= {"device": "cuda", "device_name": "NVIDIA H100"}
    result["provenance"] |= {"device_names": names or ["NVIDIA H100"]}


def test_a_training_that_moved_between_types_of_devices_has_a_row_of_its_own_and_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = read_runs(analysed(tmp_path, change=moving))
    assert "several types of devices, whose bits differ: 1 of 22 results" in capsys.readouterr().err
    rows = provenance(runs).set_index("device_name")["runs"].to_dict()
    assert rows == {"NVIDIA A100, then NVIDIA H100": 1, "NVIDIA H100": 21}
    assert (
        "1 training moved between types of devices" in provenance_table(runs, default_plan()).note
    )
    still = read_runs(analysed(tmp_path / "still"))
    assert "moved" not in provenance_table(still, default_plan()).note
