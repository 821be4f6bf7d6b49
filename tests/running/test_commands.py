import sys

from fggp.running.commands import NOT_RUN, TIMED_OUT, run


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
    assert (slow.status, slow.complaint) == (TIMED_OUT, "sleep has not answered in 0.2 seconds")
