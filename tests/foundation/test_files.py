"""Files are replaced as a whole, also by two processes at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fggp.foundation.files import ABSENT, is_refusal, process_exists, replacing, write_text

WRITES = """
import sys
from pathlib import Path
from fggp.foundation.files import write_text
for number in range(200):
    write_text(Path("cells.json"), sys.argv[1] * 2000)
"""


def test_two_processes_that_write_one_file_do_not_meet(tmp_path: Path) -> None:
    both = [
        subprocess.Popen([sys.executable, "-c", WRITES, letter], cwd=tmp_path, stderr=-1, text=True)
        for letter in "ab"
    ]
    assert [process.communicate()[1] for process in both] == ["", ""]
    assert (tmp_path / "cells.json").read_text() in ("a" * 2000, "b" * 2000)
    assert [path.name for path in tmp_path.iterdir()] == ["cells.json"]


def test_only_the_leftover_of_a_process_that_is_gone_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with replacing(path) as own:
        own.write_text("own")
        machine = own.name.split(".")[3].partition("-")[0]
        gone, alive, elsewhere, old, of_another = (
            path.with_name(name)
            for name in (
                f".it.json.{machine}-{ended.pid}.partial",
                f".it.json.{machine}-1.partial",
                ".it.json.00000000-1.partial",
                ".it.json.00000000-2.partial",
                f".other.json.{machine}-{ended.pid}.partial",
            )
        )
        for other in (gone, alive, elsewhere, old, of_another):
            other.touch()
        os.utime(old, (0, 0))
        with replacing(path.with_name("other2")) as more:
            more.touch()
        assert gone.exists()
    write_text(path, "again")
    left = {alive, elsewhere, of_another, path, path.with_name("other2")}
    assert set(tmp_path.iterdir()) == left
    assert path.read_text() == "again"
    assert process_exists(1)
    assert not process_exists(ended.pid)
    assert not process_exists(10**30)


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (PermissionError(13, "Permission denied"), True),
        (OSError(5, "Input/output error"), True),
        (MemoryError(), True),
        (OSError(22, "Invalid argument"), False),
        (OSError("no number"), False),
        (ValueError(), False),
        *((kind(2, "it is not there"), False) for kind in ABSENT),
    ],
)
def test_a_refusal_of_the_system_is_not_damage(error: Exception, refused: bool) -> None:
    assert is_refusal(error) is refused
