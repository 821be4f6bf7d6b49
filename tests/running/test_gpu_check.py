"""The check of a GPU: each fault is found, each gap is named, and one file keeps all of it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fggp.cli import main
from fggp.running.commands import Ran
from fggp.running.doctor.context import Place
from fggp.running.doctor.finding import Finding, ok, unchecked, wrong
from fggp.running.doctor.torch_probe import Gpu, Probed
from fggp.running.gpu_check import check as checking
from fggp.running.gpu_check import gpu_tests, masks, pair, parts, specimens, training
from fggp.running.gpu_check.asking import Answer, ask
from fggp.running.gpu_check.facts import facts, machine, watts
from fggp.running.gpu_check.parts import Bench
from fggp.study import gpu_measurements
from fggp.study.config import load
from fggp.study.gpu_measurements import Measured

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
H200 = Gpu("NVIDIA H200", (9, 0), 140 * 2**30, 139 * 2**30)
SEEN = Probed(
    torch="2.15.0+cu132", cuda="13.2", cudnn=92600, gpus=(H200,), architectures=("sm_80", "sm_90")
)
UNSEEN = Probed(torch="2.15.0", cuda="13.2")
GUARD = 600


def place(name: str = "paper", probed: Probed = SEEN, **answers: str) -> Place:
    """A study on a machine where PyTorch and nvidia-smi say this."""
    made = Place(study_file=ROOT / f"config/{name}.yaml", study=load(ROOT / f"config/{name}.yaml"))
    vars(made)["probed"] = probed
    for field, answer in {"driver_version": "580.65.06", "compute_cap": "9.0", **answers}.items():
        fields = f"name,{field}" if field == "power.limit" else field
        command = ("nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits")
        made._answers[command] = Ran(0, answer, "")
    made._answers["nvidia-smi", "-L"] = Ran(0, "", "")
    return made


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(place(), "cuda", tmp_path)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for the files of the check."""
    monkeypatch.setattr(gpu_measurements, "FOLDER", tmp_path / "gpu-check")
    return tmp_path / "gpu-check"


# ------------------------------------------------------------------------------- trainings


def trained_way(weights: str | None = "aa", first: int = 1, **more: Any) -> dict[str, Any]:
    return {"weights": weights, "first": first, "seconds": 2.0, "joules": 300.0} | more


def answers(monkeypatch: pytest.MonkeyPatch, said: str = "", **changes: Any) -> list[Any]:
    """Let each training process answer as a sound one, but for the ways that are changed."""
    asked = []
    again = specimens.STEPS + 1 + specimens.STEPS // 2 + 1
    sound = {
        "recorded": trained_way(),
        "plain": trained_way(),
        "stopped": trained_way(None),
        "resumed": trained_way(first=again),
    }

    def answer(part: str, question: dict[str, Any], environment: Any = None) -> Answer:
        asked.append(question)
        if failure := changes.get("failure"):
            return Answer({}, failure, "")
        known = sound | changes
        if list(question["ways"]) == ["stopped"]:
            return Answer({"stopped": known["resumed"]}, "", "")
        return Answer(known, "", said)

    monkeypatch.setattr(parts, "ask", answer)
    monkeypatch.setattr(specimens, "write_images", lambda *given, **named: None)
    return asked


def test_equal_trainings_are_ok_and_their_energy_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answers(monkeypatch)
    *found, energy = parts.trainings(bench)
    assert [it.state for it in found] == ["ok"] * 4
    assert "equal" in found[0].found
    assert energy == ok("energy", "the counter of the board rose by 1200 J")
    ways = asked[0]["ways"]
    assert {name: way["graphs"] for name, way in ways.items()} == {
        "recorded": True,
        "plain": False,
        "stopped": True,
    }
    assert [way["stop"] for way in ways.values()][:2] == [None, None]
    assert asked[1]["ways"]["stopped"] == ways["stopped"] | {"stop": None}
    assert set(bench.weights.values()) == {"aa"}


@pytest.mark.parametrize(
    ("changes", "said", "found"),
    [
        ({"plain": trained_way("bb")}, "", "the weights of the plain training differ"),
        ({"resumed": trained_way("bb", 38)}, "", "the weights of the resumed training differ"),
        ({"resumed": trained_way(first=1)}, "", "not stop after step 37, but resumed at step 1"),
        ({"stopped": trained_way("aa")}, "", "did not stop after step 37"),
        ({"failure": "CUDA error: out of memory"}, "", "training fails: CUDA error: out of memory"),
        ({}, "x\nfggp: no CUDA graph is used (not permitted); slower", "no CUDA graph is used"),
    ],
)
def test_a_training_that_depends_on_how_it_was_made_is_wrong(
    changes: dict[str, Any],
    said: str,
    found: str,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers(monkeypatch, said, **changes)
    first = next(parts.trainings(bench))
    assert first.state == "error"
    assert found in first.found
    assert bench.weights == {}


def test_a_counter_that_cannot_be_read_is_a_warning(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, recorded=trained_way(joules=None))
    *_, energy = parts.trainings(bench)
    assert (energy.name, energy.state) == ("energy", "warning")


def test_the_trainings_have_the_protocol_of_the_study_and_both_layouts() -> None:
    cells = specimens.trainings(load(ROOT / "config/paper.yaml"), tiny=False)
    assert list(cells) == [
        "vgg19 fggp tf32 channels_last",
        "vgg19 fggp bf16 contiguous",
        "resnet50 granet tf32 channels_last",
        "vgg19 dense tf32 channels_last",
    ]
    for cell in cells.values():
        assert cell.backbone.width == 1
        assert cell.training.batch_size == 64
        assert float(cell.training.label_smoothing) == 0.1
        assert cell.pruning.dense == ("first",)
        assert cell.training.epochs == specimens.EPOCHS
    drawn = specimens.images(64, 32, steps=3)
    assert len(drawn.train_images) % 64 == specimens.ODD


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "config").glob("*.yaml")))
def test_every_study_can_be_checked(name: str) -> None:
    if name in {"claims", "colours", "stats"}:
        pytest.skip("no study")
    for tiny in (False, True):
        assert specimens.trainings(load(ROOT / f"config/{name}.yaml"), tiny=tiny)


def test_a_stopped_training_goes_on_where_it_was_and_comes_to_the_same_weights(
    tmp_path: Path,
) -> None:
    study, data = load(ROOT / "config/demo.yaml"), tmp_path / "images.npz"
    specimens.write_images(study, 16, data, tiny=True)
    cell = specimens.training(study, "vgg19", "fggp", tiny=True)
    shared = {"cell": cell.plain(), "data": str(data), "device": "cpu"}

    def way(name: str, stop: int | None) -> dict[str, Any]:
        return {"checkpoint": str(tmp_path / name), "graphs": True, "stop": stop}

    found = training.trained(shared | {"ways": {"one": way("one", None), "two": way("two", 9)}})
    assert found["two"] == {"weights": None, "first": 1}
    resumed = training.trained(shared | {"ways": {"two": way("two", None)}})["two"]
    assert resumed["first"] == 10
    assert resumed["weights"] == found["one"]["weights"]
    assert len(resumed["weights"]) == 64


# ------------------------------------------------------------------------------ other parts


def test_masks_are_compared_entry_by_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"device": "cpu", "backbone": {"name": "vgg19", "width": "1/32"}}
    assert masks.compared(asked) == {"updates": 21, "different": {}}
    made, calls = masks.masks, []

    def other(*given: Any) -> Iterator[torch.Tensor]:
        calls.append(given[0])
        on_device = len(calls) % 2 == 0
        for mask in made(*given):
            if given[0] == "granet" and on_device:
                mask[:5] = ~mask[:5]
            yield mask

    monkeypatch.setattr(masks, "masks", other)
    found = masks.compared(asked)["different"]
    assert found == {"granet from 0": 15, "granet from 0.5": 15}


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (Answer({"updates": 21, "different": {}}, "", ""), "ok", "21 updates of vgg19"),
        (Answer({"updates": 21, "different": {"gmp": 3}}, "", ""), "error", "3 entries of gmp"),
        (Answer({}, "no kernel image", ""), "error", "no kernel image"),
    ],
)
def test_masks_that_differ_from_the_cpu_are_wrong(
    answer: Answer, state: str, said: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ask", lambda *given: answer)
    (found,) = parts.masks(bench)
    assert found.state == state
    assert said in found.found


def test_six_steps_are_timed_beside_their_estimates(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [2.0, 1.0, 5.0, 10.0, 5.0, 20.0]
    monkeypatch.setattr(parts, "ask", lambda *given: Answer({"milliseconds": times}, "", ""))
    found = list(parts.step_times(bench))
    assert [it.milliseconds for it in bench.steps] == times
    assert {(it.backbone, it.precision) for it in bench.steps} == {
        (backbone, precision)
        for backbone in ("vgg19", "resnet50")
        for precision in ("tf32", "bf16", "fp32")
    }
    assert {(it.batch_size, it.side, it.width) for it in bench.steps} == {(64, 32, 1)}
    assert found[0].found == "2 ms per step of 64 images (estimate: 2)"


@pytest.mark.parametrize(
    ("ran", "alone", "weights", "state", "said"),
    [
        (Ran(0, "", ""), "aa", "aa", "ok", "through MPS, and equal to the single training"),
        (Ran(0, "", ""), "aa", "bb", "error", "differ from those of the single training"),
        (Ran(0, "the cells run one at a time: x", ""), "aa", "aa", "warning", "at a time: x"),
        (Ran(0, "", ""), None, "aa", "skipped", "no single training"),
        (Ran(1, "", "fggp: no device"), "aa", "aa", "error", "the job fails: fggp: no device"),
    ],
)
def test_two_cells_at_once_have_to_equal_one_alone(
    ran: Ran,
    alone: str | None,
    weights: str,
    state: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pair, "run", lambda *given: ran)
    monkeypatch.setattr(pair, "read", lambda path: {"outcome": {"weights_sha256": weights}})
    cell = specimens.training(load(ROOT / "config/demo.yaml"), "vgg19", "fggp", tiny=True)
    found = pair.pair(cell, tmp_path / "images.npz", tmp_path / "pair", "cuda", alone)
    assert found.state == state
    assert said in found.found


def test_what_a_job_needs_and_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair, "NEEDED", ("json", "no_such_package_here"))
    cell = specimens.training(load(ROOT / "config/demo.yaml"), "vgg19", "fggp", tiny=True)
    found = pair.pair(cell, tmp_path / "images.npz", tmp_path / "pair", "cuda", "aa")
    assert found.state == "skipped"
    assert "no_such_package_here" in found.found


def test_the_gpu_tests_are_those_that_are_marked_and_are_skipped_with_the_reason(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {path.name for path in gpu_tests.marked(ROOT / "tests")}
    assert {"test_on_gpu.py", "test_cuda_graphs.py", "test_batches.py"} <= names
    assert "test_topk.py" not in names
    on_cpu = Bench(place(), "cpu", tmp_path)
    assert next(gpu_tests.gpu_tests(on_cpu)) == unchecked("gpu tests", "they need a GPU")
    with monkeypatch.context() as patch:
        patch.setattr(gpu_tests, "find_spec", lambda name: None)
        assert "pytest is not installed" in next(gpu_tests.gpu_tests(bench)).found
        patch.setattr(gpu_tests, "marked", lambda folder: [])
        assert "the tests are not installed" in next(gpu_tests.gpu_tests(bench)).found
    for ran, state in (
        (Ran(0, "..\n40 passed in 9 s", ""), "ok"),
        (Ran(1, "FAILED tests/a.py::b\n1 failed in 9 s", ""), "error"),
    ):
        monkeypatch.setattr(gpu_tests, "run", lambda *given, ran=ran: ran)
        found = next(gpu_tests.gpu_tests(bench))
        assert found.state == state
        assert ran.out.splitlines()[-1] in found.found
    assert "FAILED tests/a.py::b" in found.found


def test_without_a_gpu_the_check_is_wrong_even_for_a_study_of_cpus(tmp_path: Path) -> None:
    found = list(machine(Bench(place("demo", UNSEEN), "cuda", tmp_path)))
    (gpu,) = [it for it in found if it.name == "gpu"]
    assert gpu.state == "error"
    assert "--device cpu" in gpu.fix


def test_a_gpu_that_suits_its_driver_and_its_pytorch_lets_the_check_go_on(bench: Bench) -> None:
    found = {it.name: it for it in machine(bench)}
    assert {"torch", "gpu 0", "mps", "memory"} <= found.keys()
    assert "NVIDIA H200, capability 9.0" in found["gpu 0"].found
    assert [it for it in found.values() if it.state == "error"] == []


def test_the_facts_are_those_of_driver_build_and_gpu() -> None:
    where = place(**{"power.limit": "NVIDIA T400, 31.00\nNVIDIA H200, 700.00"})
    assert watts(where) == 700
    assert watts(place(**{"power.limit": "NVIDIA H200, [N/A]"})) is None
    known = facts(where)
    assert known["driver"] == "580.65.06"
    assert known["cuda"] == "13.2"
    assert known["cudnn"] == 92600
    assert known["architectures"] == "sm_80 sm_90"
    assert known["capability"] == "9.0"


# ------------------------------------------------------------------------------ as a whole


def test_a_process_that_dies_or_says_nothing_is_a_failure_with_its_last_line() -> None:
    died = ask("no_such_part", {})
    assert died.facts == {}
    assert "no_such_part" in died.failure
    broken = ask("training", {"data": "/nowhere.npz"})
    assert "/nowhere.npz does not exist" in broken.failure


def test_all_findings_are_told_as_they_come_and_kept_in_one_file(kept: Path) -> None:
    def first(bench: Bench) -> Iterator[Finding]:
        yield ok("torch", "is there")

    def breaks(bench: Bench) -> Iterator[Finding]:
        yield unchecked("other", "not here")
        raise RuntimeError("out\nof order")

    told: list[Any] = []
    checked = checking.check(
        place(**{"power.limit": "NVIDIA H200, 700.00"}),
        "cuda",
        heading=told.append,
        tell=told.append,
        parts=(("one", first), ("two", breaks)),
    )
    assert told[0] == "[1/2] one"
    assert told[1:] == [checked.findings[0], "[2/2] two", *checked.findings[1:]]
    assert checked.findings[2].found == "the check failed: RuntimeError: out of order"
    assert checked.path == kept / "nvidia-h200.json"
    read = Measured.model_validate_json(checked.path.read_bytes())
    assert read == checked.measured
    assert (read.passed, read.watts, read.device) == (False, 700, "cuda")
    assert [it.name for it in read.checks] == ["torch", "other", "breaks"]
    last = checking.last_line(checked, 130)
    assert last.startswith("gpu-check FAILED: 1 of 2 (breaks), 1 skipped, on NVIDIA H200 in 2.2")


def test_where_nothing_can_be_trained_the_other_parts_are_left_out(kept: Path) -> None:
    def first(bench: Bench) -> Iterator[Finding]:
        yield wrong("gpu", "none", "buy one")

    def second(bench: Bench) -> Iterator[Finding]:
        pytest.fail("it was made")
        yield

    checked = checking.check(place(), "cuda", parts=(("one", first), ("two", second)))
    assert len(checked.findings) == 1
    assert not checked.measured.passed


def test_the_command_prints_a_last_line_and_its_status_says_whether_it_passed(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    for finding, status, word in ((ok("a", "b"), 0, "passed"), (wrong("a", "b", "c"), 1, "FAILED")):

        def part(bench: Bench, finding: Finding = finding) -> Iterator[Finding]:
            yield finding

        monkeypatch.setattr(checking.check, "__kwdefaults__", None)
        monkeypatch.setattr(
            checking.check,
            "__kwdefaults__",
            {"heading": print, "tell": print, "parts": (("one", part),)},
        )
        assert main(["doctor", "demo", "--gpu", "--device", "cpu"]) == status
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "[1/1] one"
        assert lines[-1].startswith(f"gpu-check {word}: ")
        assert str(kept / "cpu.json") in lines[-1]


ABSENT = (
    *("matplotlib", "pandas", "pytest", "safetensors", "scipy", "seaborn"),
    *("sklearn", "snakemake", "statsmodels", "tabulate", "zstandard"),
)
BLOCK = f"""
import sys

for name in {ABSENT}:
    sys.modules[name] = None
"""


@pytest.mark.parametrize(
    "module", ["fggp.cli.doctor", *(f"fggp.running.gpu_check.{it}" for it in ("training", "steps"))]
)
def test_the_check_is_imported_with_little_more_than_torch_and_pydantic(module: str) -> None:
    script = f"{BLOCK}\nimport {module}\nimport fggp.running.gpu_check.check"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=GUARD)


@pytest.mark.slow
def test_the_whole_check_passes_on_a_cpu_with_little_installed(tmp_path: Path) -> None:
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked/sitecustomize.py").write_text(BLOCK)
    (tmp_path / "config").symlink_to(ROOT / "config")
    ran = subprocess.run(
        [sys.executable, "-m", "fggp", "doctor", "paper", "--gpu", "--device", "cpu"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'blocked'}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        timeout=GUARD,
        check=False,
    )
    assert ran.returncode == 0, ran
    lines = ran.stdout.splitlines()
    assert lines[-1].startswith("gpu-check passed: all "), ran.stdout
    assert any("a job needs safetensors, zstandard" in line for line in lines)
    kept = json.loads((tmp_path / "results/gpu-check/cpu.json").read_text())
    assert kept["passed"] is True
    assert len(kept["steps"]) == 6
    assert not (tmp_path / "data").exists()
