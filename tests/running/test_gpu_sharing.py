"""Several processes at once: on cores of their own, or on one GPU through its service.

No GPU is needed: stand-ins for NVIDIA's two programs write down how they are called.
"""

import os
import sys
from pathlib import Path

import pytest
from fabricate import grid

from fggp.running.gpu_sharing import cores_of, has_gpu, share
from fggp.running.mps import CONTROL, NoMps, mps
from fggp.running.workers import Task
from fggp.study.config import cells

CELLS = cells(grid())[:3]
CONTROL_SCRIPT = """#!/bin/sh
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
        print(what, *map(os.environ.get, names), sep=":", file=file)
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
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a GPU, and no service yet; returns where its programs write."""
    programs, path = tmp_path / "bin", tmp_path / "notes"
    programs.mkdir()
    path.touch()
    program(programs / "nvidia-smi", "#!/bin/sh\necho 'GPU 0: a stand-in'\n")
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    return path


@pytest.fixture
def served(notes: Path) -> Path:
    """The same machine with the service."""
    program(notes.parent / "bin" / CONTROL, CONTROL_SCRIPT.format(notes=notes))
    return notes


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def tasks(notes: Path, *statuses: int, together: int = 1) -> list[Scripted]:
    """Tasks that end with these statuses, each after so many of them have begun."""
    return [
        Scripted(
            cell,
            notes.parent / "data",
            notes.parent / f"{cell.id}.json",
            after=SCRIPT.format(notes=str(notes), status=status, together=together),
        )
        for cell, status in zip(CELLS, statuses, strict=False)
    ]


def lines(notes: Path) -> list[list[str]]:
    return [line.split(":") for line in notes.read_text().splitlines()]


def test_the_service_starts_before_the_processes_and_ends_after_them(served: Path) -> None:
    assert share(tasks(served, 0, 0, together=2), "auto").status == 0
    what = lines(served)
    assert [line[0] for line in what[:2]] == ["control", "control"]
    assert [line[1:3] for line in what if line[0] == "control"] == [
        ["-d", ""],
        ["", "get_server_list"],
        ["", "quit -t 5"],
    ]
    assert what[-1][0] == "control"
    pipes = {line[-1] for line in what}
    assert len(pipes) == 1, "one pipe directory for the service and for all processes"
    assert not Path(pipes.pop()).exists(), "it is taken away at the end"
    # The service sees the device by its number on the machine, its processes by their own.
    assert {line[3] for line in what if line[0] == "control"} == {"2"}
    assert {line[1] for line in what if line[0] in ("begin", "end")} == {"0"}
    assert [line[0] for line in what[2:4]] == ["begin", "begin"], "they ran at once"


def test_without_the_service_the_processes_take_the_gpu_in_turn(
    notes: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert share(tasks(notes, 0, 0), "auto").status == 0
    assert [line[0] for line in lines(notes)] == ["begin", "end", "begin", "end"]
    assert f"in turn: sharing it needs MPS, and {CONTROL} is not on PATH" in capfd.readouterr().out


def test_a_service_that_does_not_start_is_said_and_not_needed(
    served: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path(f"{served}.broken").touch()
    assert share(tasks(served, 0, 0), "cuda").status == 0
    ran = [line[0] for line in lines(served) if line[0] != "control"]
    assert ran == ["begin", "end", "begin", "end"]
    assert f"{CONTROL}: no server" in capfd.readouterr().out


def test_a_service_that_answers_late_is_asked_again(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fggp.running.mps.PAUSE", 0.01)
    Path(f"{served}.late").touch()
    with mps() as shared:
        assert shared["CUDA_VISIBLE_DEVICES"] == "0"
    said = [line[2] for line in lines(served)]
    assert said == ["", "get_server_list", "get_server_list", "quit -t 5"]


def test_a_service_that_never_answers_is_ended(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fggp.running.mps.UP_SECONDS", -1)
    Path(f"{served}.late").touch()
    with pytest.raises(NoMps), mps():
        pass
    assert lines(served)[-1][2] == "quit -t 5"


def test_a_service_of_the_site_is_used_and_left_alone(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "/run/site")
    assert share(tasks(served, 0, 0), "auto").status == 0
    assert {(line[0], line[2]) for line in lines(served)} == {
        ("begin", "/run/site"),
        ("end", "/run/site"),
    }


def test_the_service_ends_also_when_what_it_served_failed(served: Path) -> None:
    with pytest.raises(ZeroDivisionError), mps():
        raise ZeroDivisionError
    assert lines(served)[-1][2] == "quit -t 5"


def test_a_failing_process_leaves_its_neighbours_alone(served: Path) -> None:
    ended = share(tasks(served, 0, 3, 0), "auto")
    assert [(task.cell.id, why) for task, why in ended.failed] == [(CELLS[1].id, "exit status 3")]
    assert sum(line[0] == "end" for line in lines(served)) == 3


def test_processes_on_the_cpu_run_at_once_and_need_no_service(served: Path) -> None:
    assert share(tasks(served, 0, 0, together=2), "cpu").status == 0
    assert [line[0] for line in lines(served)] == ["begin", "begin", "end", "end"]


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


def test_no_program_is_no_gpu_and_no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    assert not has_gpu()
    with pytest.raises(NoMps, match="not on PATH"), mps():
        pass


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
def test_each_process_is_held_to_its_cores(notes: Path) -> None:
    cores = cores_of(2)
    if not cores:
        pytest.skip("one core")
    made = tasks(notes, 0, 0)
    text = (
        "import os, time; time.sleep(0.5)\n"
        f"print(sorted(os.sched_getaffinity(0)), file=open({str(notes)!r}, 'a'))"
    )
    share([Scripted(task.cell, task.data, task.out, after=text) for task in made], "cpu")
    assert sorted(notes.read_text().splitlines()) == sorted(str(sorted(held)) for held in cores)
