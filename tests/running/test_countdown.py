"""A finished training is reported with its accuracy, the count, and about the time left."""

import logging
import time
from pathlib import Path

import pytest
from fabricate import grid, result_of

from fggp.data.sizes import Size
from fggp.running.countdown import Countdown, came_to, work_of
from fggp.running.snakemake_messages import NamedCells
from fggp.study import costs
from fggp.study.config import cells
from fggp.study.result_file import write

CELLS = cells(grid())[:4]


@pytest.fixture
def results(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "results/tiny/runs" / f"{cell.id}.json" for cell in CELLS]
    for number, (cell, path) in enumerate(zip(CELLS, paths, strict=True)):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(result_of(cell, 900 + number), path)
    return paths


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_the_result_says_accuracy_in_percent_time_and_failure(results: list[Path]) -> None:
    failed = result_of(CELLS[0], 100)
    images = failed["outcome"]["images"]["test"]
    seconds = failed["provenance"]["seconds"]
    share = f"{100 * 900 / images:.1f} % test accuracy, {seconds:.0f} s"
    assert came_to(results[0]) == share
    failed["outcome"]["verdict"] = "diverged"
    failed["outcome"]["stopped"] = {"epochs": 9, "empty_layers": []}
    write(failed, results[0])
    assert came_to(results[0]).endswith(f" % test accuracy (diverged), {seconds:.0f} s")
    results[0].write_text("{")
    assert came_to(results[0]) == ""


def test_the_time_left_is_that_of_the_work_left_at_the_pace_so_far(
    results: list[Path], clock: list[float]
) -> None:
    work = {cell.id: each for cell, each in zip(CELLS, [1.0, 1.0, 4.0, 2.0], strict=True)}
    countdown = Countdown(work)
    clock[0] += 60
    said = countdown.finish(CELLS[0].id, results[0])
    assert said.endswith("; 1 of 4, about 7 min left"), said
    clock[0] += 60
    assert countdown.finish(CELLS[1].id, results[1]).endswith("; 2 of 4, about 6 min left")
    clock[0] += 360
    countdown.finish(CELLS[2].id, results[2])
    assert countdown.finish(CELLS[3].id, results[3]).endswith("; 4 of 4")


def test_where_only_some_are_asked_for_the_others_are_not_waited_for(
    results: list[Path], clock: list[float]
) -> None:
    countdown = Countdown({cell.id: 1.0 for cell in CELLS}, expected=2)
    clock[0] += 30
    assert countdown.finish(CELLS[0].id, results[0]).endswith("; 1 of 2, about 30 s left")
    assert countdown.finish(CELLS[1].id, results[1]).endswith("; 2 of 2")


def test_the_work_of_all_cells_is_in_one_unit() -> None:
    size, cpu = Size(train=900, test=100, side=16), costs.device("cpu")
    assert work_of(CELLS, size, cpu) == {it.id: costs.seconds(it, size, cpu) for it in CELLS}


def record(event: str, text: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("snakemake.logging", logging.INFO, "", 0, text, (), None)
    made.__dict__.update(extra, event=event)
    return made


def test_snakemake_names_the_cells_of_a_finished_job(results: list[Path]) -> None:
    named = NamedCells({cell.id: 1.0 for cell in CELLS}, {"train_1": 2, "train_2": 1})
    table = record("figure", "Finished jobid: 3 (Rule: figure)", job_id=3)
    start = record(
        "job_info", "Rule", rule_name="train_1", jobid=7, output=[str(it) for it in results[:2]]
    )
    end = record("job_finished", "Finished jobid: 7 (Rule: train_1)", job_id=7)
    other = record("job_finished", "Finished jobid: 8 (Rule: table)", job_id=8)
    stats = record("run_info", "Job stats", stats={"train_1": 1, "train_2": 1, "table": 9})
    assert all(named.filter(it) for it in (stats, table, start, end, other))
    first, *lines = end.msg.splitlines()
    assert first == "Finished jobid: 7 (Rule: train_1)"
    assert [line.split()[1] for line in lines] == [cell.id for cell in CELLS[:2]]
    assert "% test accuracy" in lines[0]
    assert "; 1 of 3" in lines[0]
    assert "; 2 of 3" in lines[1]
    assert other.msg == "Finished jobid: 8 (Rule: table)"
    assert table.msg == "Finished jobid: 3 (Rule: figure)"
