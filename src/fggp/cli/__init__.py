"""The command line: ``fggp VERB …`` or ``python -m fggp VERB …``, the same by hand and in a job."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from fggp.cli.parser import parser
from fggp.cli.verbs import missing
from fggp.foundation.errors import Failure
from fggp.running.signals import STOPPED

TRAINING = ("run", "train")
"""Verbs whose status tells whether everything is trained."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb, and return the exit status (0 success, 1 failure, 2 wrong use, 75 stopped)."""
    options = None
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal and locale is UTF-8
    try:
        options = _parsed(sys.argv[1:] if arguments is None else arguments)
        status: int = options.do(options)
        sys.stdout.flush()
    except Failure as failure:
        print(f"fggp: {failure}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"fggp: this {missing(error)}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, such as head, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _cut_off(options)
    except KeyboardInterrupt:
        print("fggp: interrupted; the same command continues", file=sys.stderr)
        return 130
    except (OSError, MemoryError, RuntimeError) as error:
        from fggp.cli.failures import explained

        line = explained(error)
        if line is None:
            raise
        print(f"fggp: {line}", file=sys.stderr)
        return 1
    return status


def _cut_off(options: argparse.Namespace | None) -> int:
    """Return the status of a verb whose output nobody reads any more."""
    if options is None or options.verb not in TRAINING:
        return 0
    print("fggp: stopped: its output was closed; the same command continues", file=sys.stderr)
    return STOPPED


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line, and change to the folder that it names."""
    words = zip(("", *arguments), arguments, strict=False)
    verb = next((it for before, it in words if it[:1] != "-" and before != "-C"), None)
    options = parser(verb).parse_args(arguments)
    if options.working_folder is not None:
        os.chdir(options.working_folder)
    return options
