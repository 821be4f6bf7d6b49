"""Studies with something wrong in them: each is accepted whole, or refused in one line."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from checkout import ROOT
from commands import fggp, inside
from tally import WRONG, Tally

from fggp.study.config import cells, load
from fggp.study.study_folder import data_path, folder, run_path

BASES = ("demo", "demo-all", "demo-ablation", "mini", "mini-folder", "paper")
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, 1.5, -0.1, 1e-30, 1e30, float("inf"), float("nan"),
    10**30, "", " ", "text", "..", "../x", "/etc", "a/b", "1/0", "1/3", "NaN", "ß", "x\ny", "~",
    [], {}, [[]], [None], [1, 1], [0.9, "0.9"], ["text"], {"a": 1}, {1: 2}, {"method": "dense"},
)  # fmt: skip
TEXTS = (
    *(b"", b"\n", b"- a\n- b\n", b"text", b"{", b"a: b: c", b"\tdata: 1", b"\xff\xfe\x00"),
    *(b"? a\n: b", b"&a [*a]", b"!!python/object/apply:os.system [true]", b"--- a\n--- b"),
    *(b"a: *b", b"%YAML 9.9\n", b"base: base.yaml", b"base: 7", b"base: ../../../etc/passwd"),
    *(b"[" * 5000, b"a: {" * 5000, b"backbones:\n  vgg19: {}\nbackbones:\n  vgg19: {}\n"),
    *(b"\xef\xbb\xbfdata: {}\n", b"a: \x07\n", b"base: mutant.yaml", b"base: [demo.yaml]"),
)
NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")


def studies(home: Path, number: int, seed: int) -> Tally:
    """Read ``number`` mutated studies."""
    tally, rng = Tally("mutated studies"), np.random.default_rng([seed, 1])
    shutil.copytree(ROOT / "config", home / "config")
    path = home / "config" / "mutant.yaml"
    with inside(home):
        for told, content in mutants(rng, number):
            path.write_bytes(content)
            tally.tried += 1
            _read(path.relative_to(home), told, tally)
    return tally.end()


def mutants(rng: np.random.Generator, number: int) -> Iterator[tuple[str, bytes]]:
    """Yield a number of mutated studies with a description of each."""
    for content in TEXTS[:number]:
        yield f"text {content[:40]!r}", content
    kinds = (_changed, _changed, _removed, _renamed, _flipped, _cut)
    for place in range(number - len(TEXTS)):
        base = BASES[int(rng.integers(len(BASES)))]
        told, content = kinds[place % len(kinds)](rng, (ROOT / f"config/{base}.yaml").read_text())
        yield f"{base}: {told}", content


def _read(path: Path, told: str, tally: Tally) -> None:
    answer = fggp("plan", str(path), "--cells")
    answer.judge(tally, told, path.name, "base.yaml")
    tally.note("refused" if answer.refused else "accepted")
    if answer.status == 0 and (fault := _unsound(path, answer.out)):
        tally.fault(WRONG, f"{told}: {fault}\n{answer}")


def _unsound(path: Path, out: str) -> str:
    """Return the fault of the cells of an accepted study, or nothing."""
    study = load(path)
    ids = [cell.id for cell in cells(study)]
    listed = re.findall(r"^(?:done|to do) +(\S+)", out, re.MULTILINE)
    if len(set(ids)) < len(ids) or not ids:
        return "cells are not unique, or none"
    if listed != ids:
        return "plan lists other cells"
    places = [run_path(folder(path), cell) for cell in cells(study)]
    for place in [*places, data_path(study.data.name)]:
        parts = place.with_suffix("").parts
        if place.is_absolute() or not all(NAME.fullmatch(part) for part in parts):
            return f"{place} is not a safe path"
    return ""


def _places(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value of a tree."""
    if isinstance(tree, dict):
        inner = list(tree.items())
    else:
        inner = list(enumerate(tree)) if isinstance(tree, list) else []
    return [way for key, value in inner for way in [(*at, key), *_places(value, (*at, key))]]


def _chosen(rng: np.random.Generator, text: str) -> tuple[Any, Any, Any, str]:
    """Return a study, the holder of one of its values, the key of it, and words about that."""
    tree = yaml.safe_load(text)
    places = _places(tree)
    way = places[int(rng.integers(len(places)))]
    holder = tree
    for key in way[:-1]:
        holder = holder[key]
    return tree, holder, way[-1], ".".join(map(str, way))


def _changed(rng: np.random.Generator, text: str) -> tuple[str, bytes]:
    tree, holder, key, where = _chosen(rng, text)
    value = copy.deepcopy(VALUES[int(rng.integers(len(VALUES)))])
    holder[key] = value
    return f"{where} = {value!r}", _dumped(tree)


def _removed(rng: np.random.Generator, text: str) -> tuple[str, bytes]:
    tree, holder, key, where = _chosen(rng, text)
    del holder[key]
    return f"{where} removed", _dumped(tree)


def _renamed(rng: np.random.Generator, text: str) -> tuple[str, bytes]:
    tree, holder, key, where = _chosen(rng, text)
    if isinstance(holder, list):
        holder.append(holder[key])
        return f"{where} twice", _dumped(tree)
    names = (f"{key}s", str(key).upper(), f"{key}/../x", "", ".", "nan", "dense", 7, None, "a b")
    name = names[int(rng.integers(len(names)))]
    holder[name] = holder.pop(key)
    return f"{where} called {name!r}", _dumped(tree)


def _flipped(rng: np.random.Generator, text: str) -> tuple[str, bytes]:
    content = bytearray(text.encode())
    places = rng.integers(len(content), size=int(rng.integers(1, 4)))
    for place in places:
        content[place] ^= 1 << int(rng.integers(7))
    return f"bits of the bytes {places.tolist()}", bytes(content)


def _cut(rng: np.random.Generator, text: str) -> tuple[str, bytes]:
    content = text.encode()
    begin, end = sorted(rng.integers(len(content), size=2).tolist())
    return f"bytes {begin} to {end} cut out", content[:begin] + content[end:]


def _dumped(tree: Any) -> bytes:
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode()
