"""NVIDIA's service started, proven and ended, with stand-ins for NVIDIA's programs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpu_machine import NEVER_MET, Machine, gpu_machine, is_running

from fggp.running.commands import run
from fggp.running.mps import CONTROL, Limits, NoMps, mps

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/environ"), reason="MPS is there on Linux alone"
)
SHORT, LONGER = 0.2, 1.0
"""Time limits in seconds: for an answer that never comes, and for a program that must hang."""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with gpu_machine(tmp_path) as made:
        made.with_mps()
        yield made


def limits(**short: float) -> Limits:
    """Limits that are not met, but for those given."""
    return Limits(**vars(NEVER_MET) | short)


def orders(machine: Machine) -> list[str]:
    return [note.detail.split()[0] for note in machine.noted("order")]


def assert_nothing_left(machine: Machine) -> None:
    assert machine.noted("start"), "the service was not even tried"
    assert orders(machine)[-1] == "quit"
    assert machine.left() == []


def test_the_service_runs_with_a_server_until_the_end_though_it_keeps_its_output_open(
    machine: Machine,
) -> None:
    with mps(limits=NEVER_MET) as shared:
        daemon, server = machine.noted("daemon", "server")
        assert shared == {"CUDA_MPS_PIPE_DIRECTORY": daemon.pipes, "CUDA_VISIBLE_DEVICES": "0"}
        assert is_running(daemon.pid)
        assert is_running(server.pid)
        assert machine.noted("order")[0].detail == f"start_server -uid {os.getuid()}"
    # It sees the device by its number on the machine, and all its programs have one folder.
    assert {note.devices for note in machine.noted()} == {"2"}
    assert {note.pipes for note in machine.noted()} == {daemon.pipes}
    assert_nothing_left(machine)


@pytest.mark.parametrize(
    ("conduct", "short", "why"),
    [
        ("refuse", {}, "-d failed: exit status 1; control.log: Failed to open the device"),
        ("break", {}, "-d failed: broken after its start"),
        ("fault", {}, r"its server is not active \(FAULT\)"),
        ("slow", {"server": 0}, r"its server is not active \(INITIALIZING\)"),
        ("no-server", {"server": 0}, r"\(there is none\); server.log: .*held by another process"),
        ("no-server deaf", {"server": 0, "end": SHORT}, r"\(there is none\); server.log: "),
        ("break deaf", {"end": SHORT}, "broken after its start"),
    ],
)
def test_a_service_that_does_not_come_up_says_why_and_leaves_nothing(
    machine: Machine, conduct: str, short: dict[str, float], why: str
) -> None:
    machine.with_mps(conduct)
    with pytest.raises(NoMps, match=why), mps(limits=limits(**short)):
        pytest.fail("it is no service to share a GPU by")
    assert_nothing_left(machine)


@pytest.mark.parametrize(
    ("conduct", "why"),
    [
        ("hang-start", f"-d did not return within {LONGER:g} seconds"),
        ("hang-start detached deaf", f"-d did not return within {LONGER:g} seconds"),
        ("hang-orders", f"did not answer within {LONGER:g} seconds"),
    ],
)
def test_a_service_that_hangs_is_given_up_and_leaves_nothing(
    machine: Machine, conduct: str, why: str
) -> None:
    machine.with_mps(conduct)
    # On a busy machine a program may be given up before it has begun, and has noted nothing then.
    hanging = limits(
        start=LONGER if "start" in conduct else 120, answer=LONGER, server=0, end=SHORT
    )
    with pytest.raises(NoMps, match=why), mps(limits=hanging):
        pytest.fail("it is no service to share a GPU by")
    assert machine.left() == []


@pytest.mark.parametrize("conduct", ["deaf", "stray"])
def test_a_daemon_or_a_server_that_does_not_quit_is_killed(
    machine: Machine, conduct: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.with_mps(conduct)
    with mps(limits=limits(end=SHORT)):
        daemon, server = machine.noted("daemon", "server")
    said = capsys.readouterr().out.partition(" was killed: ")[2].replace(",", "").split()
    wanted = {daemon.pid, server.pid} if conduct == "deaf" else {server.pid}
    assert set(map(int, said)) == wanted
    assert_nothing_left(machine)


def test_a_service_that_answers_late_is_asked_again(machine: Machine) -> None:
    machine.with_mps("late")
    with mps(limits=NEVER_MET):
        assert machine.noted("unheard")
        assert machine.noted("server")
    assert_nothing_left(machine)


def test_a_gpu_for_one_process_alone_is_named_where_it_is_held(machine: Machine) -> None:
    machine.with_mps("no-server")
    machine.program("nvidia-smi", "echo Exclusive_Process")
    with pytest.raises(NoMps, match="mode Exclusive_Process"), mps(limits=limits(server=0)):
        pass
    assert_nothing_left(machine)


def test_what_asks_a_job_to_stop_leaves_the_service_to_its_trainings(machine: Machine) -> None:
    with mps(limits=NEVER_MET) as shared:
        daemon, server = machine.noted("daemon", "server")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            os.kill(daemon.pid, number)
            os.kill(server.pid, number)
        log = {"CUDA_MPS_LOG_DIRECTORY": str(Path(daemon.pipes).with_name("log"))}
        asked = run([CONTROL], 120, entered="get_server_list\n", environment=shared | log)
        assert asked.said == str(server.pid)
        assert is_running(server.pid)
        assert int(daemon.detail) != os.getsid(0), "Ctrl-C in the terminal would reach it"
    assert_nothing_left(machine)


def test_the_service_ends_also_when_what_it_served_failed(machine: Machine) -> None:
    with pytest.raises(ZeroDivisionError), mps(limits=NEVER_MET):
        raise ZeroDivisionError
    assert_nothing_left(machine)


def test_the_service_ends_also_when_the_process_that_started_it_is_killed(
    machine: Machine,
) -> None:
    script = (
        "import time, fggp.running.mps as module\n"
        f"module.SOCKETS = {str(machine.sockets)!r}\n"
        "with module.mps():\n"
        "    print('shared', flush=True)\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "shared\n"
        process.kill()
    deadline = time.monotonic() + 120
    while machine.left() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert_nothing_left(machine)


def test_ctrl_c_during_the_end_comes_after_it(machine: Machine) -> None:
    machine.with_mps("interrupt")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
    try:
        with pytest.raises(KeyboardInterrupt), mps(limits=NEVER_MET):
            pass
    finally:
        signal.signal(signal.SIGINT, before)
    assert_nothing_left(machine)


def test_a_stop_ends_the_wait_for_a_server(machine: Machine) -> None:
    machine.with_mps("slow")
    with mps(lambda: bool(machine.noted("server")), NEVER_MET):
        pass
    assert_nothing_left(machine)


def test_a_service_of_the_site_is_used_and_left_alone(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    (tmp_path / "control").touch()
    with mps(limits=NEVER_MET) as shared:
        assert shared == {}
    assert machine.noted() == []


def test_a_folder_without_sockets_is_no_service_of_the_site(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    with mps(limits=NEVER_MET) as shared:
        assert shared["CUDA_MPS_PIPE_DIRECTORY"] != str(tmp_path)
    assert_nothing_left(machine)


def test_a_folder_that_cannot_be_made_is_no_service(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fggp.running.mps.SOCKETS", "/no/such/place")
    with pytest.raises(NoMps, match="cannot be created in /no/such/place: No such file"), mps():
        pass
    assert machine.noted() == []


def test_without_the_program_there_is_no_service(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoMps, match=f"{CONTROL} is not on PATH"), mps():
        pass
