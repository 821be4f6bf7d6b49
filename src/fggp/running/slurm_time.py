"""Times as Slurm writes them."""

from __future__ import annotations

import re

from fggp.foundation.errors import Failure

NO_LIMIT = {"unlimited", "infinite"}
FORM = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")


def seconds_of(text: str) -> float | None:
    """Return the seconds of a Slurm time; None for no limit.

    The forms are ``minutes``, ``minutes:seconds`` and ``hours:minutes:seconds``, or with days
    ``days-hours``, ``days-hours:minutes`` and ``days-hours:minutes:seconds``. Raises Failure for
    anything else.
    """
    if text.lower() in NO_LIMIT:
        return None
    matched = FORM.fullmatch(text)
    if matched is None:
        raise Failure(f"{text!r} is not a time")
    days, *parts = matched.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, minutes, seconds = 0, *(*numbers, 0)[:2]
    return float(((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds)
