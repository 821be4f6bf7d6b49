"""The command line: ``python -m fggp VERB …``, the same by hand and in a job."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from fggp.cli import (
    aggregate,
    analyse,
    check_results,
    claims,
    crate,
    doctor,
    latency,
    methods,
    pack,
    plan,
    power,
    prepare,
    report,
    run,
    shrink,
    status,
    train,
)
from fggp.cli.failures import explained
from fggp.foundation.errors import Failure

VERBS = (
    *(doctor, prepare, plan, train, run, status, aggregate, analyse, claims, power),
    *(check_results, crate, report, methods, pack, shrink, latency),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status (0 good, 1 failed, 2 wrong use, 75 stopped)."""
    parser = argparse.ArgumentParser(
        prog="python -m fggp",
        description="Train, resume and analyse a pruning comparison.",
        epilog="Each verb has its own help with an example: python -m fggp train --help",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        verb.add(verbs)
    options = parser.parse_args(arguments)
    try:
        status: int = options.do(options)
        sys.stdout.flush()
    except Failure as failure:
        print(f"fggp: {failure}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, head for example, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("fggp: interrupted; the same command continues", file=sys.stderr)
        return 130
    except (OSError, MemoryError, RuntimeError) as error:
        line = explained(error)
        if line is None:
            raise
        print(f"fggp: {line}", file=sys.stderr)
        return 1
    return status
