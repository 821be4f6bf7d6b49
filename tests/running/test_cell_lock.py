"""One process per cell."""

import io
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import TIMEOUT

from fggp.foundation.errors import Failure
from fggp.running import cell_lock
from fggp.running.cell_lock import holder, locked

HOLD = """
import sys
from pathlib import Path
from fggp.running.cell_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A result file."""
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "seed1.json"


def held(out: Path) -> subprocess.Popen[str]:
    """Start a process that holds a cell until its standard input is closed."""
    command = (sys.executable, "-c", HOLD, str(out))
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def other(out: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the cell."""
    process = held(out)
    yield process
    process.kill()
    process.communicate(timeout=TIMEOUT)


def test_a_cell_is_held_by_nobody_before_and_after(out: Path) -> None:
    assert holder(out) is None
    with locked(out):
        pass
    assert holder(out) is None
    with locked(out):
        pass


def test_a_held_cell_is_refused_with_the_name_of_its_holder(
    out: Path, other: subprocess.Popen[str]
) -> None:
    who = holder(out)
    assert who is not None
    assert who.startswith(f"process {other.pid} on ")
    with (
        pytest.raises(
            Failure, match=rf"seed1\.json: process {other.pid} on \S+ is training this cell; "
        ),
        locked(out),
    ):
        pass
    assert holder(out) == who, "a refused one took the name away"


def test_the_name_of_a_killed_holder_is_in_nobodys_way(
    out: Path, other: subprocess.Popen[str]
) -> None:
    other.kill()
    other.wait(timeout=TIMEOUT)
    assert holder(out) is None
    with locked(out):
        assert out.with_name(".seed1.owner").exists()


def test_patience_waits_until_the_cell_is_free(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = held(out)
    assert first.stdin is not None
    assert first.stdout is not None
    let_go = first.stdin.close

    class Errors(io.StringIO):
        def flush(self) -> None:
            let_go()

    errors = Errors()
    monkeypatch.setattr(sys, "stderr", errors)
    with first.stdout, locked(out, patience=TIMEOUT):
        assert first.wait(timeout=TIMEOUT) == 0
    assert errors.getvalue() == (
        f"{out}: process {first.pid} on {platform.node()} is training this cell; waiting for it\n"
    )


def test_patience_ends(out: Path, other: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    with (
        pytest.raises(
            Failure, match=rf"process {other.pid} on \S+ is still training this cell; stop it"
        ),
        locked(out, patience=1),
    ):
        pass
    assert time.monotonic() - began >= 1


def test_a_holder_in_a_slurm_job_is_named_with_it(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    with locked(out):
        assert out.with_name(".seed1.owner").read_text().endswith(" (Slurm job 42)\n")


def test_a_cell_of_another_user_is_held_while_its_owner_file_exists(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock cannot be opened; Snakemake ended with a traceback when it was parsed."""

    class Theirs:
        def __init__(self, *given: object, **options: object) -> None:
            pass

        def __enter__(self) -> None:
            raise PermissionError(13, "Permission denied", str(out))

        def __exit__(self, *error: object) -> None:
            pass

    out.with_name(".seed1.owner").write_text("process 7 on node1\n")
    monkeypatch.setattr(cell_lock, "FileLock", Theirs)
    assert holder(out) == "process 7 on node1"
