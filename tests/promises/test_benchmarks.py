"""Every benchmark runs, at sizes at which no time means anything, and writes rows that add up."""

import csv
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from suite import children
from suite.granet import for_cpu
from suite.report import markdown, quartiles, records, times_ours, write
from suite.work import Row, over

pytestmark = pytest.mark.long

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TIMEOUT = 600  # seconds; a guard against hanging, and never a promise
CASES = {
    "augmentation": {"one image": 4},
    "stepping": {"one step": 7, "over dense": 5},
    "updating": {
        f"{kind}, {state}": most
        for kind, most in {
            "prune and exchange": 4,
            "prune": 4,
            "optimizer step and prune": 2,
        }.items()
        for state in ("from dense", "at 50 %", "at 90 %", "at 50 %, many equal")
    },
    "training": {"vgg19, batch 16": 9, "resnet50, batch 16": 4},
    "starting": {"a process": 8},
    "files": {"98 %": 4, "write, 98 %": 4, "read, 98 %": 4},
    "inference": {
        "vgg19 98 %, trained-like, batch 1": 6,
        "vgg19 98 %, trained-like, batch 32": 7,
    },
    "shrinking": {"vgg19 90 %, filters, batch 1": 6, "vgg19 90 %, filters, batch 32": 6},
    "planning": {"44 cells": 2},
}


def run(script: str, *arguments: str, status: int = 0) -> str:
    ended = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ended.returncode == status, ended.stderr
    return ended.stdout + ended.stderr


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "benchmarks.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def compares(row: dict[str, str]) -> bool:
    """Whether a row is of something that ours is compared with."""
    return row["times_ours"] not in {"", "1"}


@pytest.mark.slow
def test_what_is_measured_has_the_arithmetic_of_a_training(tmp_path: Path) -> None:
    lines = (
        "import gc, sys, torch",
        f"sys.path.insert(0, {str(BENCHMARKS)!r})",
        "from suite.ours import as_trained",
        "as_trained(1, 'tf32')",
        "gc.collect()",
        "print(torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.allow_tf32,",
        "      torch.get_float32_matmul_precision())",
    )
    script = tmp_path / "script.py"
    script.write_text("\n".join(lines))
    assert run(str(script)) == "True True high\n"


QUICK = {"planning", "steps", "whole"}  # the others are slow; "whole" is for a GPU that is rare


def some_slow(names: Iterable[str]) -> list[Any]:
    return [pytest.param(x, marks=() if x in QUICK else pytest.mark.slow) for x in names]


@pytest.mark.parametrize("name", some_slow(CASES))
def test_a_benchmark_measures_all_that_is_there_and_says_what_is_not(
    name: str, tmp_path: Path
) -> None:
    run("run.py", "--tiny", "--only", name, "--out", str(tmp_path))
    rows = table(tmp_path)
    expected = dict(CASES[name])
    absent = [row for row in rows if row["note"]]
    assert {row["contender"].partition(",")[0] for row in absent} <= {
        *("GraNet", "rigl-torch", "onnxruntime")
    }
    for row in absent:
        assert row["rounds"] == "0"
        assert row["wall_median"] == row["times_ours"] == ""
    # An absent network has no memory, and no ratio to dense.
    for case, most in expected.items():
        there = [row for row in rows if row["case"] == case]
        assert most - len(absent) <= len(there) <= most
        assert there[0]["contender"].startswith(("ours", "snakemake"))
    assert {row["case"] for row in rows} == set(expected)
    for row in rows:
        if row not in absent and row["case"] != "over dense":
            assert float(row["wall_median"]) > 0
    compared = any(compares(row) for row in rows)
    kinds = ("csv", "md", "png", "pdf") if compared else ("csv", "md")
    assert {path.name for path in tmp_path.iterdir()} == {f"benchmarks.{kind}" for kind in kinds}


@pytest.mark.parametrize("name", some_slow(["steps", "updates", "whole", "packing", "trace"]))
def test_the_commands_for_a_gpu_run_on_a_cpu(name: str, tmp_path: Path) -> None:
    arguments = ("--device", "cpu", "--tiny", "--only", name, "--out", str(tmp_path))
    assert "written to" in run("gpu.py", *arguments)
    rows = table(tmp_path)
    if name == "trace":
        assert (tmp_path / "trace_vgg19.json").stat().st_size > 10_000
        assert "aten::" in (tmp_path / "trace_resnet50.txt").read_text()
    elif name == "updates":
        assert len(rows) == 12
        assert {row["note"] for row in rows} == {"0 mask entries differ from the CPU's"}
    else:
        assert len(rows) == {"steps": 6, "whole": 6, "packing": 4}[name]
        assert all(float(row["wall_median"]) > 0 for row in rows)


def test_a_clone_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    said = run("run.py", "--granet", str(tmp_path), status=1)
    assert said.strip().endswith("does not hold sparselearning/core.py; clone GraNet")
    assert len(said.strip().splitlines()) == 1


def test_a_clone_is_copied_without_its_calls_of_cuda_and_stays_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "clone" / "CIFAR" / "sparselearning"
    source.mkdir(parents=True)
    text = 'mask = ones.cuda()\ndevice = torch.device("cuda")\n'
    (source / "core.py").write_text(text)
    for given in (tmp_path / "clone", tmp_path / "clone" / "CIFAR"):
        folder = tmp_path / f"made-of-{given.name}"
        folder.mkdir()
        copy = for_cpu(given, folder) / "sparselearning" / "core.py"
        assert copy.read_text() == 'mask = ones\ndevice = torch.device("cpu")\n'
    assert (source / "core.py").read_text() == text


def test_a_process_counts_its_own_memory_and_not_that_of_the_one_that_started_it(
    tmp_path: Path,
) -> None:
    big = bytearray(400 << 20)
    small = children.run([sys.executable, "-S", "-c", "pass"], tmp_path, {})
    assert len(big) == 400 << 20
    assert 1 < small.peak < 200
    ninety = [sys.executable, "-S", "-c", "x = bytearray(b'1') * (90 << 20); print(len(x))"]
    assert 90 < children.run(ninety, tmp_path, {}).peak < 250
    with pytest.raises(RuntimeError, match="too bad"):
        children.run([sys.executable, "-S", "-c", "import sys; sys.exit('too bad')"], tmp_path, {})


def test_the_page_on_deployment_has_the_numbers_of_the_reference() -> None:
    section = " ".join((BENCHMARKS.parent / "docs/deployment.md").read_text().split())
    rows = {(it["case"], it["contender"]): it for it in table(BENCHMARKS / "reference")}
    number = {key: float(it["wall_median"]) for key, it in rows.items() if it["wall_median"]}
    ours, exact = "ours, positive zeros", number["98 %", "ours"]
    for sparsity in ("90 %", "95 %", "98 %"):
        assert f"{number[sparsity, ours]:.1f} MB" in section
        assert f"{number[sparsity, 'torch.save']:.0f} MB" in section
        assert sparsity in section
    assert f"a {float(rows['98 %', 'torch.save']['times_ours']):.0f}th" in section
    assert f"the file is then {exact - number['98 %', ours]:.1f} MB larger" in section
    for doing in ("write", "read"):
        assert re.search(rf"\b{number[f'{doing}, 98 %', ours]:.0f} ms", section)


def row(contender: str, *cpu: float, wall: tuple[float, ...] = (), note: str = "") -> Row:
    return Row("b", "c", contender, "ms", wall or cpu, cpu, note)


def test_ratios_compare_the_rounds_in_which_both_ran() -> None:
    ours, slow = row("ours", 1.0, 2.0, 4.0), row("slow", 3.0, 4.0, 40.0)
    assert times_ours(slow, ours) == 3  # of 3, 2 and 10
    assert times_ours(ours, ours) == 1
    assert times_ours(row("missing"), ours) is None
    assert times_ours(slow, row("ours", 0.0, 1.0, 1.0)) is None
    big, small = Row("b", "c", "big", "MB", (300.0,)), Row("b", "c", "ours", "MB", (200.0,))
    assert times_ours(big, small) == 1.5  # no CPU time


def test_what_a_step_takes_over_a_dense_one_is_subtracted_round_by_round() -> None:
    rows = [row("ours", 5.0, 7.0), row("dense", 1.0, 4.0), Row("b", "c", "gone", "ms", note="no")]
    assert over(rows, "dense", "over") == [Row("b", "over", "ours", "ms", (4.0, 3.0), (4.0, 3.0))]


def test_quartiles_are_those_of_the_rounds() -> None:
    assert quartiles([4.0, 1.0, 3.0, 2.0, 5.0]) == (3.0, 2.0, 4.0)
    assert quartiles([7.0]) == (7.0, 7.0, 7.0)


def test_the_page_names_the_machine_and_the_first_row_of_a_case_is_the_measure(
    tmp_path: Path,
) -> None:
    rows = [row("ours", 2.0, 2.0), row("peer", 5.0, 7.0), row("gone", note="not installed")]
    lines = records(rows)
    assert [line["times_ours"] for line in lines] == ["1", "3", ""]
    page = markdown(lines, {"processor": "a fast one"})
    assert "- processor: a fast one" in page
    assert "| c | peer | 2 | 6 [5.5, 6.5] | 6 [5.5, 6.5] | ms | 3 |  |" in page
    assert "| c | gone | 0 |  |  | ms |  | not installed |" in page
    write(rows, {}, tmp_path / "new")
    assert table(tmp_path / "new") == lines
