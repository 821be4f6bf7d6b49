import os
import signal
import sys
from pathlib import Path

import pytest
from gpu_machine import ends

from fggp.running.commands import NOT_RUN, TIMED_OUT, if_killed, run

on_linux = pytest.mark.skipif(
    not os.path.exists("/proc/self/stat"), reason="how a process fares is read from /proc"
)


def test_a_command_reads_what_is_entered_and_sees_the_variables_given() -> None:
    code = "import os, sys; print(sys.stdin.read(), os.environ['GIVEN'])"
    ran = run([sys.executable, "-c", code], 60, entered="text", environment={"GIVEN": "value"})
    assert (ran.status, ran.said) == (0, "text value")


def test_a_failure_is_one_line_whatever_its_kind() -> None:
    failed = run(["sh", "-c", "echo not; echo 'this\nway' >&2; exit 3"], 60)
    assert (failed.status, failed.complaint) == (3, "this way")
    assert run(["sh", "-c", "exit 3"], 60).complaint == "exit status 3"
    absent = run(["no-such-program"], 60)
    assert (absent.status, absent.complaint) == (
        NOT_RUN,
        "no-such-program: No such file or directory",
    )
    slow = run(["sleep", "60"], 0.2)
    assert (slow.status, slow.complaint) == (TIMED_OUT, "sleep did not answer within 0.2 seconds")


def test_a_process_that_keeps_the_output_open_is_not_waited_for() -> None:
    ran = run(["sh", "-c", "sleep 600 & echo $!"], 60)
    os.kill(int(ran.out), signal.SIGKILL)
    assert ran.status == 0


@on_linux
def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    noted, patience = tmp_path / "noted", 0.5
    while not noted.exists():  # on a busy machine it may not have begun
        script = f"sleep 600 & echo $! $$ > {noted}.new; mv {noted}.new {noted}; wait"
        assert run(["sh", "-c", script], patience).status == TIMED_OUT
        patience *= 2
    assert all(ends(int(number)) for number in noted.read_text().split())


def test_one_that_cannot_be_killed_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", lambda group, number: groups.append(group))
        patch.setattr("fggp.running.commands.KILL_SECONDS", 0.1)
        with pytest.warns(ResourceWarning, match="still running"):
            assert run(["sleep", "600"], 0.1).status == TIMED_OUT
    os.kill(*groups, signal.SIGKILL)


@on_linux
def test_an_interruption_ends_the_command_too(tmp_path: Path) -> None:
    def interrupted(number: int, frame: object) -> None:
        raise ZeroDivisionError

    noted, before = tmp_path / "noted", signal.signal(signal.SIGUSR1, interrupted)
    try:
        with pytest.raises(ZeroDivisionError):
            run(["sh", "-c", f"echo $$ > {noted}; kill -USR1 $PPID; exec sleep 600"], 600)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ends(int(noted.read_text()))


def test_ctrl_c_in_the_terminal_does_not_reach_a_command() -> None:
    code = "import os; print(os.getsid(0))"
    assert int(run([sys.executable, "-c", code], 60).out) != os.getsid(0)


def test_systems_without_files_in_memory_have_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    assert run(["cat"], 60, entered="text").out == "text"


def test_what_is_to_run_after_a_kill_does_not_run_after_another_end(tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    with pytest.raises(ZeroDivisionError), if_killed('touch "$NOTED"', {"NOTED": str(noted)}):
        raise ZeroDivisionError
    assert not noted.exists()
