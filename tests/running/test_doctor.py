"""The doctor on this machine, and on machines that are broken in one way each."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from fggp.cli import main
from fggp.data import prepare
from fggp.running.doctor import CHECKS, Finding, Place, disk, examine, memory, software
from fggp.running.doctor import devices as processors
from fggp.running.doctor.devices import cpu, gpus, sharing, torch_build
from fggp.running.doctor.disk import clock, descriptors, locks, room, writable
from fggp.running.doctor.finding import ok
from fggp.running.doctor.images import images
from fggp.running.doctor.software import packages, python, source
from fggp.running.doctor.torch_probe import Gpu, Probed, probe
from fggp.running.doctor.workflow import profile, snakemake_locks, study
from fggp.study.config import load

ROOT = Path(__file__).parents[2]
GUARD = 300  # seconds, against hanging
A100 = Gpu("NVIDIA A100", (8, 0), 40 * 2**30, 39 * 2**30)
V100 = Gpu("Tesla V100", (7, 0), 16 * 2**30, 15 * 2**30)
HEALTHY = Probed(torch="2.11.0", cuda="13.0")
Check = Callable[[Place], Iterator[Finding]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the studies, as a fresh checkout, and no command on PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return tmp_path


def place(name: str = "", probed: Probed = HEALTHY, **more: Any) -> Place:
    path = Path(f"config/{name}.yaml") if name else None
    made = Place(study_file=path, study=load(path) if path else None, **more)
    vars(made)["probed"] = probed
    return made


def one(check: Check, where: Place) -> Finding:
    (finding,) = check(where)
    return finding


def command(name: str, output: str) -> None:
    path = Path("bin") / name
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(0o755)


# ------------------------------------------------------------------------------ as a whole


def test_a_check_that_fails_itself_becomes_a_line_and_the_others_go_on() -> None:
    def breaks(where: Place) -> Iterator[Finding]:
        yield ok("first", "still told")
        raise SystemExit("out\nof order")

    found = examine(place(), [breaks, lambda where: iter([ok("last", "told")])])
    assert [it.name for it in found] == ["first", "breaks", "last"]
    assert found[1].state == "error"
    assert found[1].found == "the check failed: SystemExit: out of order"


def test_every_check_can_be_made_without_a_study_and_with_one() -> None:
    for where in (place(), place("demo"), place("paper", profile="slurm")):
        for check in CHECKS:
            for it in check(where):
                assert it.state in ("ok", "warning", "error", "skipped")
                assert it.found
                assert "\n" not in it.found + it.fix
                assert bool(it.fix) or it.state in ("ok", "skipped"), it


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fggp", "doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=GUARD,
        check=False,
        env=os.environ | environment,
    )


def test_the_demo_can_be_run_here_and_nothing_is_left_behind() -> None:
    before = sorted(Path().rglob("*"))
    ran = run("demo")
    assert ran.returncode == 0, ran
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[-1].startswith("0 errors, "), ran.stdout
    assert any(line.startswith("ok") and " torch " in line for line in lines)
    assert any(line.startswith("skipped") and " slurm " in line for line in lines)
    assert sorted(Path().rglob("*")) == before


def test_for_scripts_there_is_json_and_the_status_says_whether_something_is_wrong() -> None:
    Path("config/demo.yaml").write_text("seeds: [\n")
    ran = run("demo", "--json", https_proxy="http://127.0.0.1:9")
    found = {it["name"]: it for it in json.loads(ran.stdout)}
    assert ran.returncode == 1
    assert found["study"]["state"] == "error"
    assert found["study"]["found"].startswith("config/demo.yaml: line 2, column 1")
    assert found["study"]["fix"] == "fix the YAML there"
    assert set(found["torch"]) == {"name", "state", "found", "fix"}


BROKEN = {
    "raises": "raise RuntimeError('half installed\\nbadly')",
    "exits": "import sys; sys.exit('no')",
    "dies": "import os; os.kill(os.getpid(), 11)",
    "prints": "print('{')",
}


@pytest.mark.parametrize("content", list(BROKEN.values()), ids=list(BROKEN))
def test_whatever_a_broken_pytorch_does_it_is_one_line(
    content: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "broken").mkdir()
    (here / "broken/torch.py").write_text(content)
    inherited = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here / "broken"), inherited]))
    probed = probe("fp32")
    assert probed.failure
    found = one(torch_build, place(probed=probed))
    assert found.state == "error"
    assert "\n" not in found.found
    assert list(cpu(place(probed=probed))) == []
    assert list(gpus(place(probed=probed))) == []


def test_a_pytorch_that_hangs_is_given_up(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "torch.py").write_text("import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr("fggp.running.doctor.torch_probe.PATIENCE_SECONDS", 0.5)
    assert "did not answer within" in probe("fp32").failure


def test_a_study_that_does_not_exist_is_a_line_and_no_refusal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fggp.running.doctor.context.probe", lambda precision: HEALTHY)
    assert main(["doctor", "dmeo"]) == 1
    text = capsys.readouterr().out
    assert "config/dmeo.yaml: no such study" in text
    assert "fix: did you mean 'demo'?" in text


def without_packages(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", "-m", "fggp", *arguments],
        capture_output=True,
        text=True,
        timeout=GUARD,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )


@pytest.mark.parametrize("verb", ["doctor", "plan", "pack"])
def test_a_missing_package_is_one_line_from_any_verb(verb: str) -> None:
    ran = without_packages(verb, "demo", "out")
    assert ran.returncode == 1
    assert re.fullmatch(
        r"fggp: (this|\w+) needs the package \w+: make setup, then . .venv/bin/activate\n",
        ran.stderr,
    ), ran


def test_help_says_which_verbs_need_a_package() -> None:
    ran = without_packages("--help")
    assert ran.returncode == 0, ran
    assert re.search(r"doctor +needs the package \w+: make setup", ran.stdout), ran


# ----------------------------------------------------------------------------------- study


def test_a_study_that_cannot_be_read_is_wrong_with_its_own_fix() -> None:
    found = one(study, Place(study_file=Path("x.yaml"), complaint="x.yaml: seeds: [1; add ]"))
    assert (found.state, found.found, found.fix) == ("error", "x.yaml: seeds: [1", "add ]")
    assert one(study, place()).state == "skipped"
    assert one(study, place("demo")).found == "config/demo.yaml: 52 cells"


# -------------------------------------------------------------------------------- software


def test_python_and_the_packages_of_the_tests_are_as_required() -> None:
    assert one(python, place()).state == "ok"
    assert one(packages, place()).state == "ok"


Declares = Callable[..., None]


@pytest.fixture
def declared(here: Path, monkeypatch: pytest.MonkeyPatch) -> Declares:
    """Let the source that runs be that of a project with other requirements."""

    def declare(
        *dependencies: str, workflow: tuple[str, ...] = (), dev: tuple[str, ...] = ()
    ) -> None:
        (here / "pyproject.toml").write_text(
            "[project]\n"
            f"requires-python = '>=3.11'\ndependencies = {list(dependencies)}\n"
            f"optional-dependencies = {{workflow = {list(workflow)}, dev = {list(dev)}}}\n"
        )
        monkeypatch.setattr(software.fggp, "__file__", str(here / "src/fggp/__init__.py"))

    return declare


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("no-such-package-here>=1", "is not installed; >=1 is needed"),
        ("numpy<1", "is installed; <1 is needed"),
        ("numpy>=99", "is installed; >=99 is needed"),
        ("numpy>=2.0", ""),
        ("pyyaml>=6", ""),
    ],
)
def test_a_package_that_is_missing_or_too_old_is_named(
    requirement: str, said: str, declared: Declares
) -> None:
    declared("filelock", requirement)
    found = one(packages, place())
    assert found.state == ("error" if said else "ok")
    assert said in found.found
    assert (re.split("[<>]", requirement)[0] in found.name) == bool(said)


def test_a_package_that_cannot_be_imported_is_named(
    here: Path, declared: Declares, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "tabulate.py").write_text("raise OSError('libfoo.so: cannot open\\nshared object')")
    monkeypatch.syspath_prepend(here)
    monkeypatch.delitem(sys.modules, "tabulate", raising=False)
    declared("tabulate")
    found = one(packages, place()).found
    assert "cannot be imported (OSError: libfoo.so: cannot open shared object)" in found


def test_snakemake_is_asked_for_with_a_workflow_and_its_plugin_with_the_profile(
    declared: Declares, here: Path
) -> None:
    new = ("fggp[study]", "snakemake>=999", "snakemake-executor-plugin-slurm>=999")
    declared("torch>=999", workflow=new, dev=("mypy>=999",))
    assert {found.name for found in packages(place())} == {"package torch"}
    with_slurm = {found.name for found in packages(place(profile="slurm"))}
    (here / "workflow").mkdir()
    (here / "workflow/Snakefile").touch()
    asked = {found.name for found in packages(place())}
    assert asked == {"package torch", "package snakemake"}
    assert with_slurm - asked == {"package snakemake-executor-plugin-slurm"}


def test_without_the_project_the_bounds_are_those_of_the_installed_package(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(software.fggp, "__file__", str(here / "site/fggp/__init__.py"))
    assert one(python, place()).state == "ok"
    assert one(packages, place()).state == "ok"
    wanted = ["numpy>=99", "mypy>=99; extra == 'dev'"]
    monkeypatch.setattr(metadata, "requires", lambda name: wanted)
    monkeypatch.setattr(metadata, "metadata", lambda name: {"Requires-Python": "<3"})
    assert one(packages, place()).name == "package numpy"
    assert one(python, place()).state == "error"

    def gone(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "metadata", gone)
    assert one(packages, place()).state == "warning"
    assert one(python, place()).state == "ok"


def test_another_source_than_that_of_this_folder_is_a_warning(here: Path) -> None:
    assert one(source, place()).state == "ok"
    (here / "src/fggp").mkdir(parents=True)
    found = one(source, place())
    assert found.state == "warning"
    assert "export PYTHONPATH=src" in found.fix


# -------------------------------------------------------------------------------- hardware


def test_pytorch_makes_a_step_on_the_cpu_here() -> None:
    probed = probe("bf16")
    assert probed.failure == probed.cpu_trouble == probed.torchvision_trouble == ""
    assert one(torch_build, place(probed=probed)).state == "ok"


def test_a_torchvision_of_another_pytorch_is_wrong() -> None:
    trouble = "operator torchvision::nms does not exist"
    _, found = torch_build(place(probed=Probed(torch="2.11", torchvision_trouble=trouble)))
    assert (found.name, found.state, found.found) == ("torchvision", "error", trouble)


def with_gpus(*there: Gpu, **more: Any) -> Probed:
    return Probed(torch="2.11", cuda="13.0", gpus=there, **more)


def test_gpus_are_told_with_memory_capability_and_driver() -> None:
    command("nvidia-smi", "580.65.06")
    first, second = gpus(place("paper", with_gpus(A100, A100)))
    assert first.state == "ok"
    assert first.found == (
        "NVIDIA A100, capability 8.0, 39.0 of 40.0 GiB free, a training step works, "
        "driver 580.65.06"
    )
    assert second.name == "gpu 1"


def test_a_gpu_that_cannot_compute_or_is_too_old_for_the_precision_is_told() -> None:
    broken = Gpu("NVIDIA B200", (10, 0), 2**38, 0, trouble="no kernel image is available")
    found, old = gpus(place("paper", with_gpus(broken, V100)))
    assert found.state == "error"
    assert "no kernel image is available" in found.found
    assert old.state == "warning"
    assert "too old for tf32" in old.found
    assert [it.state for it in gpus(place("demo", with_gpus(V100)))] == ["ok"]


def test_why_pytorch_sees_no_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert one(gpus, place("demo")).state == "ok"
    assert one(gpus, place("paper")).state == "warning"
    assert one(gpus, place("paper", profile="slurm")).state == "skipped"
    command("nvidia-smi", "GPU 0: NVIDIA A100")
    assert one(gpus, place("demo", Probed(torch="2.11"))).found.endswith("built without CUDA")
    old = with_gpus(warnings=("The NVIDIA driver on your system is too old",))
    found = one(gpus, place("demo", old))
    assert found.state == "error"
    assert "driver on your system is too old" in found.found
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    hidden = one(gpus, place("demo"))
    assert (hidden.state, hidden.fix) == ("warning", "unset CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("SLURM_JOB_GPUS", "0")
    assert one(gpus, place("demo")).state == "error", "a training would refuse to start"


def test_sharing_a_gpu_needs_the_service() -> None:
    assert one(sharing, place()).state == "skipped"
    assert one(sharing, place("paper", with_gpus(A100))).state == "warning"
    command(processors.CONTROL, "")
    assert one(sharing, place("paper", with_gpus(A100))).state == "ok"


def test_more_threads_than_cores_are_a_warning() -> None:
    path = Path("config/demo.yaml")
    path.write_text(path.read_text().replace("training:", "training:\n  threads: 512"))
    assert one(cpu, place("demo")).state == "warning"
    assert one(cpu, place("demo", profile="slurm")).state == "ok"
    assert one(cpu, place("demo", Probed(torch="2", cpu_trouble="no"))).state == "error"


def meminfo(available: int, total: int) -> Path:
    path = Path("meminfo")
    path.write_text(f"MemTotal: {total} kB\nMemAvailable: {available} kB\nHugePages_Total: 0\n")
    return path


def test_a_training_that_does_not_fit_is_wrong_and_says_that_it_is_an_estimate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = Gpu("small", (8, 0), 2**30, 2**29)
    full = Gpu("full", (8, 0), 40 * 2**30, 2**28)
    states = {
        gpu.name: one(memory.fits_memory, place("paper", with_gpus(gpu)))
        for gpu in (A100, small, full)
    }
    assert [it.state for it in states.values()] == ["ok", "error", "warning"]
    assert all("by an estimate for resnet50/" in it.found for it in states.values())
    plain = one(memory.fits_memory, place("paper", with_gpus(Gpu("5", (8, 0), 2**34, 5 * 2**30))))
    assert plain.state == "warning"
    assert "with CUDA graphs" in plain.found
    assert "works without CUDA graphs" in plain.fix
    monkeypatch.setattr(memory, "MEMINFO", meminfo(20 * 2**20, 24 * 2**20))
    assert one(memory.fits_memory, place("paper")).state == "ok"
    monkeypatch.setattr(memory, "MEMINFO", meminfo(2**18, 24 * 2**20))
    assert one(memory.fits_memory, place("paper")).state == "warning"
    monkeypatch.setattr(memory, "MEMINFO", meminfo(2**18, 2**20))
    assert one(memory.fits_memory, place("paper")).state == "error"
    monkeypatch.setattr(memory, "MEMINFO", Path("nowhere"))
    assert one(memory.fits_memory, place("paper")).state == "skipped"
    assert one(memory.fits_memory, place()).state == "skipped"
    assert one(memory.fits_memory, place("paper", profile="slurm")).state == "skipped"


# ------------------------------------------------------------------------------------ data


def test_prepared_images_are_read_whole() -> None:
    assert one(images, place("demo")).state == "ok"
    path = prepare("digits", Path("data/digits.npz"))
    found = one(images, place("demo"))
    assert found.state == "ok"
    assert "1197 to train on and 600 to test, of 16 pixels, sha256 " in found.found
    content = bytearray(path.read_bytes())
    content[90_000] ^= 1
    path.write_bytes(content)
    found = one(images, place("demo"))
    assert found.state == "error"
    assert "damaged" in found.found
    assert "fggp prepare" in found.fix


def test_images_of_another_study_or_too_few_are_wrong() -> None:
    prepare("digits", Path("data/cifar10.npz"))
    found = one(images, place("paper"))
    assert found.state == "error"
    assert "holds the images of digits, not those of cifar10" in found.found


def test_an_archive_is_told_by_its_checksum_and_a_missing_one_by_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    found = one(images, place("paper"))
    assert found.state == "error"
    assert "no network" in found.found
    md5 = "c58f30108f718f92721af3b95e74349a"
    assert found.fix == f"put cifar-10-python.tar.gz with the MD5 {md5} into data/"
    Path("data").mkdir()
    Path("data/cifar-10-python.tar.gz").write_bytes(b"half")
    found = one(images, place("paper"))
    assert found.state == "error"
    assert "damaged or truncated" in found.found


def test_a_folder_that_is_not_there_is_wrong_and_one_that_is_waits_to_be_prepared() -> None:
    found = one(images, place("mini-folder"))
    assert found.state == "error"
    assert found.found == "data/cifar10-jpeg.tar.xz does not exist"
    Path("data").mkdir()
    Path("data/cifar10-jpeg.tar.xz").touch()
    found = one(images, place("mini-folder"))
    assert found.state == "skipped"
    assert found.fix.startswith("fggp prepare mini-folder")


# ------------------------------------------------------------------------------------ disk


def test_results_are_tried_where_they_go_and_leave_no_trace(here: Path) -> None:
    Path("results/demo").mkdir(parents=True)
    before = sorted(here.rglob("*"))
    for check in (writable, locks, clock):
        assert one(check, place("demo")).state == "ok"
    assert sorted(here.rglob("*")) == before


def test_results_that_cannot_be_written_are_wrong() -> None:
    Path("results").symlink_to("/proc", target_is_directory=True)
    found = one(writable, place("demo"))
    assert found.state == "error"
    assert "results/demo is not writable" in found.found
    assert one(locks, place("demo")).state == "error"
    assert one(clock, place("demo")).state == "skipped"


def test_locks_that_let_a_second_holder_in_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(fcntl, "flock", lambda descriptor, operation: None)
    found = one(locks, place("demo"))
    assert found.state == "error"
    assert "the lock does not exclude a second process" in found.found


@pytest.mark.parametrize(
    ("dated", "skew"), [(100.0, 0), (100.5, 0), (101.0, 0), (90.0, -10), (121.0, 20)]
)
def test_the_clock_of_the_file_system_is_compared_with_the_time_it_took(
    dated: float, skew: float
) -> None:
    assert disk.skew(100.0, dated, 101.0) == skew


@pytest.mark.parametrize(("seconds", "state"), [(0, "ok"), (-60, "warning"), (60, "warning")])
def test_a_clock_that_is_off_is_a_warning_with_its_direction(
    seconds: int, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = disk.time.time
    monkeypatch.setattr(disk.time, "time", lambda: real() - seconds)
    found = one(clock, place("demo"))
    assert found.state == state
    if state == "warning":
        assert ("60 s ahead of" if seconds > 0 else "60 s behind") in found.found


def test_room_is_compared_with_the_cells_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    found = one(room, place("demo"))
    assert found.state == "ok"
    assert "for 52 cells to train" in found.found
    usage = shutil.disk_usage(".")
    need = float(found.found.partition("about ")[2].split()[0]) * 1e9
    for free, state in ((0.8 * need, "error"), (1.5 * need, "warning"), (2.5 * need, "ok")):
        now = usage._replace(free=free)
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda path, now=now: now)
        assert one(room, place("demo")).state == state, free
    assert one(room, place()).state == "skipped"


def test_room_for_checkpoints_grows_with_the_jobs_at_once() -> None:
    Path("slurm").mkdir()
    found = {}
    for jobs in (1, 200, "unlimited"):
        Path("slurm/config.yaml").write_text(f"executor: slurm\njobs: {jobs}\n")
        text = one(room, place("paper", profile="slurm")).found
        found[jobs] = float(text.partition("about ")[2].split()[0])
    assert found[200] > 10 * found[1]
    assert found["unlimited"] > found[200]


def test_few_open_files_are_a_warning() -> None:
    assert one(descriptors, place()).state == "ok"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        found = one(descriptors, place())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found.state == "warning"
    assert found.fix == "ulimit -n 1024"


# ------------------------------------------------------------------------------- snakemake


def test_locks_of_snakemake_are_a_warning_with_the_way_out() -> None:
    assert one(snakemake_locks, place()).state == "ok"
    Path(".snakemake/locks").mkdir(parents=True)
    assert one(snakemake_locks, place()).state == "ok"
    Path(".snakemake/locks/0.input.lock").touch()
    found = one(snakemake_locks, place())
    assert found.state == "warning"
    assert found.fix.endswith("snakemake --unlock")


@pytest.mark.parametrize(
    ("content", "state"),
    [(None, "error"), ("a: [\n", "error"), ("- a\n", "error"), ("executor: slurm\n", "ok")],
)
def test_the_profile_is_there_and_can_be_read(content: str | None, state: str) -> None:
    assert one(profile, place()).state == "skipped"
    if content is not None:
        Path("slurm").mkdir()
        Path("slurm/config.yaml").write_text(content)
    assert one(profile, place(profile="slurm")).state == state


def test_a_profile_without_slurm_asks_nothing_of_it() -> None:
    Path("laptop").mkdir()
    Path("laptop/config.yaml").write_text("cores: 2\n")
    assert not place("paper", profile="laptop").on_slurm
    assert not place("paper").on_slurm
    assert place("paper", profile="slurm").on_slurm


def test_the_shipped_profile_is_understood() -> None:
    shutil.copytree(ROOT / "slurm", "slurm")
    where = place("paper", profile="slurm")
    assert where.on_slurm
    assert where.settings["slurm-status-command"] == "squeue"
    assert where.resource("partition") is None


def test_the_images_of_a_place_without_a_study_are_not_guessed_at() -> None:
    assert one(images, place()).state == "skipped"


def test_a_second_gpu_that_trainings_do_not_use_is_no_error() -> None:
    display = Gpu("Quadro K620", (5, 0), 2 * 2**30, 2**30)
    probed = replace(HEALTHY, gpus=(A100, display), architectures=("sm_80", "sm_90"))
    where = place("paper", probed)
    first, second = gpus(where)
    assert first.state == "ok"
    assert second.state == "warning"
    assert second.found.endswith("; not used: trainings use gpu 0")
    fits = one(memory.fits_memory, where)
    assert (fits.state, "39.0 free" in fits.found) == ("ok", True), fits
