"""Failures of the machine (memory, GPU, disk, files) in one line with the fix."""

from __future__ import annotations

import errno
import sys

from fggp.cli.cuda_errors import cuda_error
from fggp.running.workers import Ended

FIXES = {
    errno.ENOENT: "check the path, and the folder in which the command is run",
    errno.ENOSPC: "make room; the same command then continues",
    errno.EDQUOT: "make room; the same command then continues",
    errno.EROFS: "choose a folder that can be written to",
    errno.EACCES: "change its permissions, or choose another folder",
    errno.EPERM: "change its permissions, or choose another folder",
    errno.EMFILE: "allow more open files with `ulimit -n 4096`",
    errno.ENOLCK: "use a file system with locks for results/ and data/",
    errno.ENOSYS: "use a file system with locks for results/ and data/",
}
NO_MEMORY = (
    *("out of memory", "can't allocate memory", "not enough memory"),
    *("cublas_status_alloc_failed", "cudnn_status_alloc_failed"),
)


def explained(error: BaseException) -> str | None:
    """Return one line with the fix, or None for an error that only a traceback explains."""
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename else ""
        fix = FIXES.get(error.errno, "move it away, or choose another folder")
        return f"{where}{(error.strerror or type(error).__name__).lower()}; {fix}"
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(words in text.lower() for words in NO_MEMORY):
        return (
            f"not enough memory ({text[:120] or 'Python has none left'}); use a smaller "
            "training.batch_size or fewer trainings at once, or request more memory"
        )
    return cuda_error(text)


def complain(ended: Ended) -> None:
    """Name each training that failed, why, and its log."""
    for task, reason in ended.failed:
        print(f"failed: {task.cell.id} ({reason}), see {task.log}", file=sys.stderr)
