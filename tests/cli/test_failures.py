import errno
import os

import pytest

from fggp.cli.failures import explained


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.ENOSPC, "make room; the same command then continues"),
        (errno.EROFS, "choose a folder that can be written to"),
        (errno.EACCES, "change its permissions, or choose another folder"),
        (errno.EMFILE, "allow more open files by `ulimit -n 4096`"),
        (errno.ENOLCK, "use a file system with locks for results/ and data/"),
        (errno.EISDIR, "move it away, or choose another folder"),
    ],
)
def test_what_the_system_refuses_is_one_line_with_the_file_and_the_fix(
    number: int, fix: str
) -> None:
    line = explained(OSError(number, os.strerror(number), "results/x"))
    assert line == f"results/x: {os.strerror(number).lower()}; {fix}"


def test_a_full_disk_that_names_no_file_is_still_explained() -> None:
    assert explained(OSError(errno.ENOSPC, "No space left on device")) == (
        "no space left on device; make room; the same command then continues"
    )


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 2.13 PiB"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.\nmore"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=["python", "numpy", "cuda", "torch"],
)
def test_a_lack_of_memory_is_one_line_that_names_what_to_make_smaller(error: Exception) -> None:
    line = explained(error)
    assert line is not None
    assert line.startswith("not enough memory (")
    assert "take a smaller training.batch_size or fewer trainings at once" in line
    assert "\n" not in line


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), OSError("odd"), ValueError("x")])
def test_a_mistake_of_the_program_keeps_its_traceback(error: Exception) -> None:
    assert explained(error) is None
