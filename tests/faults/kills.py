"""Trainings that are killed again and again, each time followed by the same command.

What they come to has to be, to the byte, what undisturbed ones come to.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from checkout import TIMEOUT, TINY, Checkout
from tally import LEFT, LOST, TRACEBACK, UNCLEAR, WRONG, Tally

STORM = TINY | {
    "data": {"kind": "digits", "name": "digits", "validation": 100, "train": 400},
    "initial_sparsities": [0.5],
    "methods": {  # every kind of state that a checkpoint holds
        "dense": {}, "fggp": {"gradient_steps": 2}, "gmp": {}, "granet": {}, "rigl-itop": {},
        "dpf": {"period": 2}, "deep-r": {}, "iss": {}, "imp": {"share": 0.7}, "mest": {},
    },
    "training": {"epochs": 8, "batch_size": 32, "pad": 1, "flip": False},
    "pruning": {"update_every": 5, "end_epoch": 6},
}  # fmt: skip
STUDY = "storm"
SLOW_DISK = """
import os, pathlib, time
replace = os.replace

def slowly_replace(source, target, **more):
    time.sleep(0.03)
    replace(source, target, **more)
    time.sleep(0.03)

def slowly_write(path, content):
    with path.open("wb") as file:
        file.write(content[: len(content) // 2])
        file.flush()
        time.sleep(0.03)
        file.write(content[len(content) // 2 :])

os.replace, pathlib.Path.write_bytes = slowly_replace, slowly_write
"""
"""Read by Python at its start: a disk so slow that kills can come while a file is written."""

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# Good ends: done, stopped with a checkpoint, interrupted, and by the signal itself.
STATUSES = {0, 75, 130, *(-number for number in SIGNALS)}
PARTIAL = tuple(rf"\.{kind}\..*partial" for kind in ("ckpt", "json", "npz", "fggp"))
PARTIAL += (r"\.owner", r"\.ckpt")
"""Ends of files whose appearing is waited for, so that kills come while something is written."""


def kills(folder: Path, number: int, seed: int, jobs: int) -> Tally:
    """Kill trainings ``number`` times at random points, and see what they come to."""
    tally = Tally("kills of a training")
    whole = Checkout.fresh(folder / "whole")
    whole.study(STUDY, **STORM)
    whole.fggp("run", STUDY, "--jobs", str(jobs))
    cells = sorted(whole.fingerprints(STUDY))
    began = time.monotonic()
    whole.fggp("train", STUDY, cells[0])  # it is there already, so that this is the start alone
    start = time.monotonic() - began
    shares = [number // len(cells) + (place < number % len(cells)) for place in range(len(cells))]

    def storm(place: int) -> None:
        rng = np.random.default_rng([seed, place])
        Storm(whole, folder / f"storm{place}", cells[place], rng, tally).pass_over(
            shares[place], start
        )
        print(f"  {shares[place]} kills of {cells[place]}", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(storm, range(len(cells))))
    return tally.end()


class Storm:
    """The kills of one cell, in a checkout of its own that begins without data and results."""

    def __init__(
        self, whole: Checkout, path: Path, cell: str, rng: np.random.Generator, tally: Tally
    ) -> None:
        self.whole, self.cell, self.rng, self.tally = whole, cell, rng, tally
        self.checkout = Checkout.fresh(path)
        self.checkout.study(STUDY, **STORM)
        (self.checkout / "src/sitecustomize.py").write_text(SLOW_DISK)
        self.runs = self.checkout.result(cell, STUDY).parent
        self.told: list[str] = []

    def pass_over(self, number: int, start: float) -> None:
        """Kill a number of times, then train to the end and compare, also if training ends earlier.

        ``start`` is the time that a process takes before it trains, in seconds.
        """
        result = json.loads(self.whole.result(self.cell, STUDY).read_text())
        length, left = start + result["provenance"]["seconds"], number
        try:
            while left:
                if self._attack(length):
                    left -= 1
                elif left:  # it was faster than the kill: judge it and begin again
                    self._judge()
                    shutil.rmtree(self.checkout / "results")
            self._end(self._start())
            self._judge()
        finally:
            self.checkout.end()
            shutil.rmtree(self.checkout.path)

    def _attack(self, length: float) -> bool:
        """Start, and kill at a random moment; returns whether it was still running then."""
        number = SIGNALS[self.rng.integers(len(SIGNALS))]
        process = self._start()
        if self.rng.random() < 0.5:
            when = f"after {self._at_a_file(process)}"
        else:
            moment = float(self.rng.uniform(0, length))
            end = time.monotonic() + moment
            self._wait(process, lambda: time.monotonic() > end)
            when = f"after {moment:.2f} s"
        phase = self._phase()
        if process.poll() is not None:
            self._end(process)
            return False
        process.send_signal(number)
        self.told.append(f"{number.name} {when}, {phase}")
        self._end(process)
        self.tally.tried += 1
        self.tally.note(number.name)
        self.tally.note(phase)
        return True

    def _at_a_file(self, process: subprocess.Popen[str]) -> str:
        suffix = PARTIAL[self.rng.integers(len(PARTIAL))]
        skip = int(self.rng.integers(4)) if suffix == PARTIAL[0] else 0
        seen = there = 0

        def appeared() -> bool:
            nonlocal seen, there
            names = [path.name for path in self.runs.iterdir()] if self.runs.is_dir() else []
            found = any(re.search(f"{suffix}$", name) for name in names)
            seen, there = seen + (found and not there), int(found)
            return seen > skip

        self._wait(process, appeared)
        time.sleep(float(self.rng.choice([0, 0.01, 0.02, 0.04, 0.06])))
        return f"{skip + 1} × {suffix}"

    def _wait(self, process: subprocess.Popen[str], true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not true() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)

    def _phase(self) -> str:
        names = {path.name for path in self.runs.iterdir()} if self.runs.is_dir() else set()
        if any(name.endswith(".partial") for name in names):
            return "while a file was written"
        if self.checkout.result(self.cell, STUDY).exists():
            return "after the result was written"
        if ".seed1.owner" not in names:
            return "before training began"
        return "in training"

    def _start(self) -> subprocess.Popen[str]:
        return self.checkout.start(sys.executable, "-m", "fggp", "train", STUDY, self.cell)

    def _end(self, process: subprocess.Popen[str]) -> None:
        text = process.communicate(timeout=TIMEOUT)[0]
        self.checkout.started.remove(process)
        self.told.append(f"status {process.returncode}: {text[-3000:]}")
        if "Traceback" in text:
            self.tally.fault(TRACEBACK, self._story())
        elif process.returncode not in STATUSES:
            self.tally.fault(UNCLEAR, self._story())

    def _judge(self) -> None:
        mine, wanted = (it.result(self.cell, STUDY) for it in (self.checkout, self.whole))
        self.tally.note("trainings compared")
        if not mine.exists():
            self.tally.fault(LOST, self._story())
            return
        prints = [it.fingerprints(STUDY).get(self.cell) for it in (self.checkout, self.whole)]
        beside = ["seed1.logits.npz", "seed1.weights.fggp"]
        equal = all(
            mine.with_name(name).read_bytes() == wanted.with_name(name).read_bytes()
            for name in beside
            if mine.with_name(name).exists()
        )
        if prints[0] != prints[1] or not equal:
            self.tally.fault(WRONG, self._story())
        names = {path.name for path in self.runs.iterdir()} - {".seed1.lock"}
        if names != {"seed1.json", ".seed1.kept.json", *beside}:
            self.tally.fault(LEFT, f"{sorted(names)}\n{self._story()}")
        data = {path.name for path in (self.checkout / "data").iterdir()}
        if data - {".digits.npz.lock"} != {"digits.npz"}:
            self.tally.fault(LEFT, f"{sorted(data)}\n{self._story()}")
        self.told.clear()

    def _story(self) -> str:
        return "\n".join([self.cell, *self.told])
