"""Several processes at once: on cores of their own, or on one GPU through its service.

No GPU is needed: stand-ins for NVIDIA's two programs write down how they are called.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fabricate import grid
from gpu_machine import NEVER_MET, Machine, gpu_machine

from fggp.running.gpu_sharing import cores_of, has_gpu, share
from fggp.running.mps import CONTROL
from fggp.running.signals import STOPPED
from fggp.running.workers import Task
from fggp.study.config import cells

CELLS = cells(grid())[:3]
on_linux = pytest.mark.skipif(
    not os.path.exists("/proc/self/environ"), reason="MPS is there on Linux alone"
)
SCRIPT = """#!/bin/sh
said=$(cat)
echo "control:$*:$said:$CUDA_VISIBLE_DEVICES:$CUDA_MPS_PIPE_DIRECTORY" >> "{notes}"
test ! -e "{notes}.broken" || {{ echo "no server" >&2; exit 1; }}
case "$said" in get*) ! rm "{notes}.late" 2> /dev/null;; esac
"""
SCRIPT = """
import os, pathlib, time
notes = pathlib.Path({notes!r})
def note(what):
    with notes.open("a") as file:
        names = ("CUDA_VISIBLE_DEVICES", "CUDA_MPS_PIPE_DIRECTORY")
        print(what, "", os.getpid(), *map(os.environ.get, names), sep=":", file=file)
note("begin")
end = time.monotonic() + 60
while notes.read_text().count("begin") < {together} and time.monotonic() < end:
    time.sleep(0.01)
note("end")
raise SystemExit({status})
"""


class Scripted(Task):
    """A task whose process runs a script instead of a training."""

    def command(self, device: str) -> list[str]:
        return [sys.executable, "-S", "-c", self.after or ""]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine with a GPU, and no service yet."""
    with gpu_machine(tmp_path) as made:
        yield made


@pytest.fixture
def notes(machine: Machine) -> Path:
    return machine.notes


def tasks(notes: Path, *statuses: int, together: int = 1) -> list[Scripted]:
    """Return tasks that end with these statuses, each after the given number have begun."""
    return [
        Scripted(
            cell,
            notes.parent / "data",
            notes.parent / f"{cell.id}.json",
            after=SCRIPT.format(notes=str(notes), status=status, together=together),
        )
        for cell, status in zip(CELLS, statuses, strict=False)
    ]


@contextmanager
def none_unhandled() -> Iterator[None]:
    """Check that SIGTERM comes only while it is handled."""
    unhandled: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: unhandled.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
    assert unhandled == [], "it would have ended this process, and left the service"


@on_linux
def test_the_service_starts_before_the_processes_and_ends_after_them(machine: Machine) -> None:
    machine.with_mps()
    assert share(tasks(machine.notes, 0, 0, together=2), "auto", NEVER_MET).status == 0
    what = [note.what for note in machine.noted()]
    assert [each for each in what if each in ("begin", "end")] == ["begin", "begin", "end", "end"]
    assert what.index("server") < what.index("begin")
    assert machine.noted()[-1].detail == "quit -t 5"
    assert len({note.pipes for note in machine.noted()}) == 1, "for the service and all processes"
    assert {note.devices for note in machine.noted("begin", "end")} == {"0"}
    assert machine.left() == []


@on_linux
@pytest.mark.parametrize(
    ("conduct", "why"),
    [
        (None, f"{CONTROL} is not on PATH"),
        ("refuse", f"{CONTROL} -d failed: exit status 1; control.log: Failed to open the device"),
        ("break", f"{CONTROL} -d failed: broken after its start"),
        ("fault", "its server is not active (FAULT)"),
    ],
)
def test_without_the_service_the_processes_take_the_gpu_in_turn_and_it_is_said_why(
    machine: Machine, conduct: str | None, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if conduct is not None:
        machine.with_mps(conduct)
    assert share(tasks(machine.notes, 0, 0), "cuda", NEVER_MET).status == 0
    ran = machine.noted("begin", "end")
    assert [note.what for note in ran] == ["begin", "end", "begin", "end"]
    assert {(note.devices, note.pipes) for note in ran} == {("2", "None")}
    assert f"run one at a time: sharing the GPU needs MPS, and {why}\n" in capfd.readouterr().out
    what = [note.detail if note.what == "order" else note.what for note in machine.noted()]
    assert "quit -t 5" not in what[what.index("begin") :], "the GPU is free before the first begins"
    assert machine.left() == []


@on_linux
def test_a_stop_while_the_service_starts_ends_it_and_starts_nothing(machine: Machine) -> None:
    machine.with_mps("signal")
    with none_unhandled():
        ended = share(tasks(machine.notes, 0, 0), "auto", NEVER_MET)
    assert (ended.status, len(ended.waiting)) == (STOPPED, 2)
    assert machine.noted("begin") == []
    assert machine.noted("start"), "the service was started"
    assert machine.left() == []


@on_linux
def test_a_stop_of_the_whole_job_lets_the_processes_use_the_service_until_they_have_stopped(
    machine: Machine,
) -> None:
    machine.with_mps()
    # As Slurm does, send the signal to every process; then use the service once more, and stop.
    text = f"""
import os, pathlib, signal, socket, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
notes = [line.split(":") for line in pathlib.Path({str(machine.notes)!r}).read_text().splitlines()]
for number in [int(n[2]) for n in notes if n[0] in ("daemon", "server")] + [os.getppid()]:
    os.kill(number, signal.SIGTERM)
while not asked:
    time.sleep(0.01)
with socket.socket(socket.AF_UNIX) as service:
    service.connect(os.environ["CUDA_MPS_PIPE_DIRECTORY"] + "/control")
    service.sendall(b"get_server_list")
    raise SystemExit({STOPPED} if service.recv(100) else 1)
"""
    task = tasks(machine.notes, 0)[0]
    with none_unhandled():
        ended = share([replace(task, after=text)], "auto", NEVER_MET)
    assert (ended.failed, len(ended.waiting)) == ([], 1)
    assert machine.left() == []


@on_linux
def test_a_service_of_the_site_is_used_and_left_alone(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.with_mps()
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    (tmp_path / "control").touch()
    assert share(tasks(machine.notes, 0, 0), "auto", NEVER_MET).status == 0
    assert {note.what for note in machine.noted()} == {"begin", "end"}
    given = {(note.devices, note.pipes) for note in machine.noted()}
    assert given == {("2", str(tmp_path))}


def test_a_failing_process_leaves_its_neighbours_alone(notes: Path) -> None:
    ended = share(tasks(notes, 0, 3, 0), "cpu")
    assert [(task.cell.id, why) for task, why in ended.failed] == [(CELLS[1].id, "exit status 3")]
    assert notes.read_text().count("end") == 3


def test_processes_on_the_cpu_run_at_once_and_need_no_service(machine: Machine) -> None:
    machine.with_mps()
    assert share(tasks(machine.notes, 0, 0, together=2), "cpu").status == 0
    assert [note.what for note in machine.noted()] == ["begin", "begin", "end", "end"]


def test_a_process_that_is_killed_is_named_with_its_signal(notes: Path) -> None:
    task = tasks(notes, 0)[0]
    killed = Scripted(task.cell, task.data, task.out, after="import os; os.kill(os.getpid(), 9)")
    (_, why), *_ = share([killed], "cpu").failed
    assert why == "ended by signal 9, Killed; so does a system that runs out of memory"


@pytest.mark.parametrize("visible", ["", "-1"])
def test_a_hidden_gpu_is_no_gpu(notes: Path, monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
    assert has_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert not has_gpu()


def test_no_program_is_no_gpu(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not has_gpu()


def test_a_driver_without_a_gpu_is_no_gpu(machine: Machine) -> None:
    machine.program("nvidia-smi", "echo 'No devices were found'")
    assert not has_gpu()
    machine.program("nvidia-smi", "echo 'GPU: no driver'; exit 9")
    assert not has_gpu()


def test_a_driver_that_does_not_answer_has_a_gpu_in_trouble(machine: Machine) -> None:
    machine.program("nvidia-smi", "exec sleep 600")
    assert has_gpu(0.2)


def test_cores_are_divided_without_overlap_and_not_where_there_are_too_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {4, 5, 6, 9, 11}, raising=False)
    assert cores_of(2) == [{4, 5}, {6, 9}]
    assert cores_of(5) == [{4}, {5}, {6}, {9}, {11}]
    assert cores_of(6) == []
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores_of(2) == []


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no such call on this system")
def test_each_process_is_held_to_its_cores(notes: Path, tmp_path: Path) -> None:
    held_to = tmp_path / "held"
    cores = cores_of(2)
    if not cores:
        pytest.skip("one core")
    made = tasks(notes, 0, 0)
    text = (
        "import os, time\n"
        f"while len(os.sched_getaffinity(0)) != {len(cores[0])}: time.sleep(0.01)\n"
        f"print(sorted(os.sched_getaffinity(0)), file=open({str(held_to)!r}, 'a'))"
    )
    share([Scripted(task.cell, task.data, task.out, after=text) for task in made], "cpu")
    assert sorted(held_to.read_text().splitlines()) == sorted(str(sorted(held)) for held in cores)
