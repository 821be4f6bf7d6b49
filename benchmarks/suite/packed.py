"""Cells per hour on one device, with several at once, with and without MPS."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from fggp.running.gpu_sharing import cores_of
from fggp.running.mps import PIPES, NoMps, mps
from suite.work import Options, Row

AT_ONCE = (1, 2, 3, 4, 6)
STEPS_OF_A_CELL = 160 * 352
SECONDS = 20
TIMEOUT = 300


def measure(device: str, options: Options) -> list[Row]:
    """Return cells per hour by number of processes, without evaluations and starts."""
    rows = []
    for backbone in ("vgg19", "resnet50"):
        for shared in (False, True) if device == "cuda" else (False,):
            rows += _case(backbone, shared, device, options)
    return rows


def _case(backbone: str, shared: bool, device: str, options: Options) -> list[Row]:
    case = f"{backbone}, {'with' if shared else 'without'} MPS"
    rows = []
    with ExitStack() as stack:
        environment: Mapping[str, str] = {}
        if shared:
            try:
                environment = stack.enter_context(mps())
            except NoMps as why:
                return [Row("cells an hour", case, "ours", "1/h", note=str(why))]
        elif PIPES in os.environ:
            return [Row("cells an hour", case, "ours", "1/h", note=f"{PIPES} is set")]
        for number in AT_ONCE[:2] if options.tiny else AT_ONCE:
            rate = together(number, backbone, device, options, environment)
            per_hour = 3600 * rate / STEPS_OF_A_CELL
            rows.append(Row("cells an hour", case, f"ours, {number} at once", "1/h", (per_hour,)))
    return rows


def together(
    number: int, backbone: str, device: str, options: Options, environment: Mapping[str, str]
) -> float:
    """Return the steps per second of ``number`` processes together."""
    seconds = 1 if options.tiny else SECONDS
    own = [backbone, device, str(seconds), str(options.threads), str(int(options.tiny))]
    code = "from suite.packed import one; one()"
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    known = os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | dict(environment)
    cores = cores_of(number)
    processes = []
    try:
        for place in range(number):
            process = subprocess.Popen(
                [sys.executable, "-c", code, *own],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=known,
            )
            processes.append(process)
            if cores:
                os.sched_setaffinity(process.pid, cores[place])
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("a process that shares the device died during its start")
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return sum(float(process.communicate(timeout=TIMEOUT)[0]) for process in processes)
    finally:
        for process in processes:
            process.kill()


def one() -> None:
    """Train for some seconds on request, and print the steps per second."""
    from suite.gpu_steps import PROFILES, epoch_of, milliseconds

    backbone, device, seconds, threads, tiny = sys.argv[1:]
    options = Options(threads=int(threads), tiny=tiny == "1")
    epoch, steps = epoch_of(backbone, PROFILES[0], "granet", device, options)
    milliseconds(epoch, device, 1)
    print("ready", flush=True)
    sys.stdin.readline()
    began, done = time.monotonic(), 0
    while (passed := time.monotonic() - began) < float(seconds):
        # Waits for the epoch; otherwise queued steps that never ran would count.
        milliseconds(epoch, device, 1)
        done += steps
    print(done / passed)
