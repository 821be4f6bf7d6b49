"""Files of a study, damaged, swapped or edited: that is noticed, or made right, or harmless."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from checkout import TINY, Checkout
from commands import Answer, fggp, inside
from tally import LOST, TRACEBACK, WRONG, Tally

from fggp.foundation.errors import Failure
from fggp.running.run_cell import run_cell
from fggp.storage.logits import read_logits
from fggp.storage.packing import unpack
from fggp.study.cell import canonical
from fggp.study.config import cells, load
from fggp.study.result_file import fingerprint
from fggp.study.study_folder import data_path, run_path
from fggp.training.loop import digest
from fggp.training.train import Stopped

STUDY = "small"
HOME = Path("results") / STUDY
SMALL = TINY | {
    "initial_sparsities": [0.5],
    "seeds": [1, 2],
    "methods": {"dense": {}, "gmp": {}, "fggp": {}, "global-mp": {}},
    "training": {"epochs": 3, "batch_size": 32, "pad": 1, "flip": False},
}
TABLES = ("runs.csv", "epochs.csv", "layers.csv", "updates.csv")
ORIGIN = {
    *("started", "finished", "seconds", "estimated_seconds", "peak_memory_mb"),
    *("images_per_second", "peak_gflops", "share_of_peak", "energy_joules", "counter_joules"),
    *("device", "device_name", "code_sha256", "python", "numpy", "torch"),
}
"""Columns from the provenance, which is not part of what a result says and may be edited."""

Damage = Callable[[bytes, np.random.Generator], bytes]


def flip(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip a bit."""
    changed = bytearray(content)
    changed[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut the end off."""
    return content[: int(rng.integers(len(content)))]


def empty(content: bytes, rng: np.random.Generator) -> bytes:
    """Leave nothing."""
    return b""


def noise(content: bytes, rng: np.random.Generator) -> bytes:
    """Overwrite a stretch with random bytes."""
    begin = int(rng.integers(len(content)))
    more = rng.bytes(64)
    return content[:begin] + more + content[begin + len(more) :]


def count(content: bytes, rng: np.random.Generator) -> bytes:
    """Raise a number by one, as a hand may."""
    found = list(re.finditer(rb"(?<![\w.])\d+(?![\w.])", content))
    place = found[int(rng.integers(len(found)))]
    more = str(int(place[0]) + 1).encode()
    return content[: place.start()] + more + content[place.end() :]


def word(content: bytes, rng: np.random.Generator) -> bytes:
    """Name the other method or verdict."""
    for one, other in ((b'"completed"', b'"diverged"'), (b"fggp", b"gmp"), (b"0.9", b"0.8")):
        if one in content:
            return content.replace(one, other)
    return content + b" "


BYTES: tuple[Damage, ...] = (flip, flip, flip, cut, empty, noise)
EDITS: tuple[Damage, ...] = (*BYTES, count, count, count, word)


class Room:
    """Copies of one trained study, a fresh one for each damage."""

    def __init__(self, whole: Path, rng: np.random.Generator, tally: Tally) -> None:
        self.whole, self.rng, self.tally = whole, rng, tally
        self.path = whole.with_name("damaged")
        self.study = load(whole / f"config/{STUDY}.yaml")
        self.cells = {cell.id: cell for cell in cells(self.study)}
        with inside(whole):
            assert fggp("aggregate", STUDY).status == 0
            assert fggp("table", "ranking", STUDY).status == 0
            self.tables = _tables()
            self.ranking = (HOME / "tables/ranking.csv").read_bytes()
            self.prints = {name: self.fingerprint(name) for name in self.cells}
            self.stopped = {name: self._checkpoint(name) for name in self.cells}
        self.told = ""

    def pick(self, names: list[str] | None = None) -> str:
        """Return a cell at random."""
        found = names or list(self.cells)
        return found[int(self.rng.integers(len(found)))]

    def harm(self, path: Path, kinds: tuple[Damage, ...], twin: Path | None = None) -> None:
        """Damage a file, or exchange it with its twin of another cell."""
        place = int(self.rng.integers(len(kinds) + (twin is not None)))
        if twin is not None and place == len(kinds):
            self.told = f"{path} is {twin}"
            shutil.copy(twin, path)
            return
        self.told = f"{path}: {kinds[place].__name__}"
        before = path.read_bytes()
        path.write_bytes(kinds[place](before, self.rng))

    def judge(self, answer: Answer, *names: str) -> bool:
        """Judge an answer; returns whether the command did what it was asked."""
        answer.judge(self.tally, self.told, *names)
        return answer.status == 0

    def fault(self, kind: str, answer: Answer | str) -> None:
        """Record a broken promise."""
        self.tally.fault(kind, f"{self.told}\n{answer}")

    def trains_to_the_truth(self, name: str, *names: str) -> None:
        """Train a cell and compare: it comes to what it came to at first, or is refused."""
        answer = fggp("train", STUDY, name)
        if not self.judge(answer, *names):
            self.tally.note("refused")
            return
        if not run_path(HOME, self.cells[name]).exists():
            self.fault(LOST, answer)
        elif self.fingerprint(name) != self.prints[name]:
            self.fault(WRONG, answer)
        self.tally.note("right again")

    def aggregates_to_the_truth(self, *names: str) -> None:
        """Aggregate and compare: tables are those of before, or the study is refused."""
        answer = fggp("aggregate", STUDY)
        if not self.judge(answer, *names):
            self.tally.note("refused")
        elif _tables() != self.tables:
            self.fault(WRONG, answer)
        else:
            self.tally.note("right tables")

    def fingerprint(self, name: str) -> str:
        """Return the canonical text of a cell's result."""
        return fingerprint(json.loads(run_path(HOME, self.cells[name]).read_text()))

    def forget(self, name: str) -> Path:
        """Delete a cell's result with all beside it; returns its path."""
        path = run_path(HOME, self.cells[name])
        for file in path.parent.glob(f"*{path.stem}*"):
            file.unlink()
        return path

    def _checkpoint(self, name: str) -> bytes:
        """Return the checkpoint of a cell that was stopped on its way."""
        out = Path("other") / STUDY / "runs" / f"{name}.json"
        shutil.copytree(HOME / "runs", out.parents[4], dirs_exist_ok=True)
        for file in out.parent.glob(f"*{out.stem}*"):
            file.unlink()

        def stop(done: int, steps: int) -> None:
            if 2 * done > steps:
                signal.raise_signal(signal.SIGTERM)

        try:
            run_cell(self.cells[name], data_path("digits"), out, device="cpu", tick=stop)
        except Stopped:
            return out.with_name(f".{out.stem}.ckpt").read_bytes()
        raise AssertionError(f"{name} did not stop")


def damages(home: Path, number: int, seed: int, jobs: int) -> Tally:
    """Damage a number of files, one at a time, and run the commands that read them."""
    tally = Tally("damaged files")
    checkout = Checkout.fresh(home / "whole")
    checkout.study(STUDY, **SMALL)
    checkout.fggp("run", STUDY, "--jobs", str(jobs))
    room = Room(checkout.path, np.random.default_rng([seed, 2]), tally)
    parts = (_result, _copy, _both, _checkpoint, _data, _weights, _origin, _logits, _listing, _csv)
    for place in range(number):
        shutil.copytree(checkout.path, room.path)
        part = parts[place % len(parts)]
        with inside(room.path):
            part(room)
        tally.tried += 1
        tally.note(part.__name__.strip("_").replace("_", " "))
        shutil.rmtree(room.path)
        if tally.tried % 20 == 0:
            print(f"  {tally.tried} damaged files", flush=True)
    return tally.end()


def _twin(room: Room, path: Path) -> Path:
    """Return the file of another cell that has the place of ``path`` for that cell."""
    others = [it for it in HOME.rglob(path.name) if it != path]
    return others[int(room.rng.integers(len(others)))]


def _result(room: Room) -> None:
    name = room.pick()
    path = run_path(HOME, room.cells[name])
    room.harm(path, EDITS, _twin(room, path))
    room.aggregates_to_the_truth(str(path))
    room.trains_to_the_truth(name)
    room.aggregates_to_the_truth()


def _copy(room: Room) -> None:
    name = room.pick()
    path = run_path(HOME, room.cells[name])
    copy = path.with_name(f".{path.stem}.kept.json")
    room.harm(copy, EDITS, _twin(room, copy))
    room.aggregates_to_the_truth(str(path))
    room.trains_to_the_truth(name)
    # Snakemake deletes the result and asks again.
    path.unlink()
    room.trains_to_the_truth(name)


def _both(room: Room) -> None:
    name = room.pick()
    path = run_path(HOME, room.cells[name])
    room.harm(path, EDITS)
    shutil.copy(path, path.with_name(f".{path.stem}.kept.json"))
    room.aggregates_to_the_truth(str(path))
    room.trains_to_the_truth(name)


def _checkpoint(room: Room) -> None:
    name = room.pick()
    path = room.forget(name)
    other = Path("other.ckpt")
    other.write_bytes(room.stopped[room.pick([it for it in room.cells if it != name])])
    store = path.with_name(f".{path.stem}.ckpt")
    store.write_bytes(room.stopped[name])
    room.harm(store, BYTES, other)
    room.trains_to_the_truth(name)


def _data(room: Room) -> None:
    name = room.pick()
    room.forget(name)
    room.harm(data_path("digits"), (*BYTES, flip, flip))
    answer = fggp("train", STUDY, name)
    if not room.judge(answer, str(data_path("digits"))):
        room.tally.note("refused")
        return
    made = json.loads(run_path(HOME, room.cells[name]).read_text())
    if canonical(made["outcome"]) != canonical(json.loads(room.prints[name])[1]):
        room.fault(WRONG, answer)
    if fingerprint(made) != room.prints[name]:  # of a file with another checksum, and says so
        room.aggregates_to_the_truth("data checksums are mixed")
    room.tally.note("right again")


def _weights(room: Room) -> None:
    name = room.pick()
    path = run_path(HOME, room.cells[name]).with_suffix(".weights.fggp")
    truth = digest(unpack(path))
    room.harm(path, BYTES)
    answer = fggp("unpack", str(path), "out.safetensors")
    if not room.judge(answer, str(path)):
        room.tally.note("refused")
    elif digest(unpack(path)) != truth:
        room.fault(WRONG, answer)


def _origin(room: Room) -> None:
    """Damage the dense weights that a fine-tuned cell begins with."""
    name = room.pick([it for it in room.cells if "/global-mp/" in it])
    path = run_path(HOME, room.cells[name])
    room.forget(name)
    dense = HOME / "runs/vgg19/s0/i0/dense" / f"{path.stem}.weights.fggp"
    others = [it for it in dense.parent.glob("*.fggp") if it != dense]
    room.harm(dense, BYTES, others[0])
    room.trains_to_the_truth(name, str(dense))


def _logits(room: Room) -> None:
    path = run_path(HOME, room.cells[room.pick()]).with_suffix(".logits.npz")
    truth = read_logits(path)
    room.harm(path, BYTES)
    try:
        found = read_logits(path)
    except Failure as failure:
        room.tally.note("refused")
        if str(path) not in str(failure) or "\n" in str(failure):
            room.fault(WRONG, str(failure))
    except Exception as error:
        room.fault(TRACEBACK, repr(error))
    else:
        if any(not np.array_equal(a, b) for a, b in zip(found, truth, strict=True)):
            room.fault(WRONG, "other logits")


def _listing(room: Room) -> None:
    room.harm(HOME / "cells.json", EDITS)
    room.aggregates_to_the_truth("cells.json", "results", str(HOME))
    room.judge(fggp("plan", STUDY, "--write"))
    room.aggregates_to_the_truth()


def _csv(room: Room) -> None:
    """Tables are made from results again; one that is damaged never ends in a traceback."""
    path = HOME / TABLES[int(room.rng.integers(len(TABLES)))]
    room.harm(path, EDITS)
    room.judge(fggp("table", "ranking", STUDY), path.name, "runs", "results")
    figure = {"runs.csv": "accuracy_vs_sparsity", "epochs.csv": "training_curves",
              "layers.csv": "layer_density", "updates.csv": "mask_churn"}[path.name]  # fmt: skip
    room.judge(fggp("figure", figure, STUDY), path.name, "runs", "results")
    room.aggregates_to_the_truth()
    room.judge(fggp("table", "ranking", STUDY))
    if (HOME / "tables/ranking.csv").read_bytes() != room.ranking:
        room.fault(WRONG, "another ranking")


def _tables() -> dict[str, Any]:
    """Return the tables of a study, without what tells of time and place."""
    found = {name: (HOME / name).read_text() for name in TABLES}
    runs = pd.read_csv(io.StringIO(found["runs.csv"]), dtype=str)
    found["runs.csv"] = runs.drop(columns=list(ORIGIN & set(runs))).to_csv()
    return found
