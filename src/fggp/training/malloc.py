"""Keep freed memory in the process."""

from __future__ import annotations

import ctypes
import os
import sys

# Of mallopt, as the C library numbers them.
TRIM_THRESHOLD, MAP_AT_MOST = -1, -4
NEVER, NONE = -1, 0


def keep_freed_memory() -> bool:
    """Let the C library keep the memory that a training step frees for the next step.

    By default it returns large blocks to the system, and gets and clears them again at once, page
    by page. Changes no bit of a training. For Linux with the GNU library; elsewhere, and if the
    environment configures malloc, nothing is changed. Returns whether anything was.
    """
    asked = any(name == "GLIBC_TUNABLES" or name.startswith("MALLOC_") for name in os.environ)
    if asked or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(TRIM_THRESHOLD, NEVER)) and bool(mallopt(MAP_AT_MOST, NONE))
