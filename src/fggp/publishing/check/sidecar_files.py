"""The files next to a result: its hidden copy, the test logits and the packed weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from math import prod

import numpy as np

from fggp.foundation.errors import ResultError
from fggp.publishing.check.problems import Item, Problem
from fggp.storage.logits import read_logits
from fggp.storage.packed_file import Raw, from_bytes
from fggp.study.result_file import kept, logits_path, weights_path

KIND = "neighbouring files"


def beside(item: Item) -> Iterator[Problem]:
    """Check the files next to a result; a missing file is not a problem."""
    copy = kept(item.path)
    if item.path.exists() and copy.exists() and copy.read_bytes() != item.path.read_bytes():
        fix = f"keep the correct one of the two and delete {copy.name} or {item.path.name}"
        yield Problem(copy, KIND, f"differs from {item.path.name}", fix)
    if logits_path(item.path).exists():
        yield from _logits(item)
    if weights_path(item.path).exists():
        yield from _weights(item)


def _logits(item: Item) -> Iterator[Problem]:
    """Check that the logits give the accuracy of the last epoch, except for ties of rounding."""
    path = logits_path(item.path)
    try:
        logits, labels = read_logits(path)
    except ResultError as error:
        yield Problem.of(error, path, KIND)
        return
    images, correct = item.outcome.images.test, item.outcome.epochs[-1].test_correct
    fix = f"delete it and {item.path.name} with its copy, and train the cell again"
    if len(logits) != images:
        yield Problem(path, KIND, f"{len(logits)} images, but its result has {images}", fix)
    elif item.completed:
        own = np.take_along_axis(logits, labels[:, None].astype(np.intp), axis=1)
        others = logits.copy()
        np.put_along_axis(others, labels[:, None].astype(np.intp), -np.inf, axis=1)
        highest = others.max(axis=1, keepdims=True)
        low, high = int((own > highest).sum()), int((own >= highest).sum())
        if not low <= correct <= high:
            text = f"{low} to {high} images are correct, but its result has {correct}"
            yield Problem(path, KIND, text, fix)


def _weights(item: Item) -> Iterator[Problem]:
    """Check that the weights are those of the result, by their checksum and by their counts.

    The checksum is of all bits. Where weights were pruned, training leaves zeros of either sign and
    the file has one kind, so that only the counts of every layer can be compared.
    """
    path = weights_path(item.path)
    fix = f"delete it and {item.path.name} with its copy, and train the cell again"
    try:
        state = from_bytes(path.read_bytes())
    except (ValueError, OSError) as error:
        yield Problem(path, KIND, f"damaged ({' '.join(str(error).split())[:100]})", fix)
        return
    digest = hashlib.sha256()
    for raw in state.values():
        digest.update(raw.words.tobytes())
    if digest.hexdigest() == item.outcome.weights_sha256:
        return
    layers = item.outcome.layers
    if sum(layer.nonzero for layer in layers) == sum(prod(it.shape) for it in layers):
        yield Problem(path, KIND, "its checksum differs from weights_sha256 of its result", fix)
        return
    for layer in layers:
        tensor = state.get(layer.name)
        if tensor is None or tensor.shape != tuple(layer.shape):
            yield Problem(path, KIND, f"{layer.name} is missing or of another shape", fix)
            return
        if item.completed and _nonzero(tensor) != layer.nonzero:
            text = f"{layer.name} has {_nonzero(tensor)} nonzero weights"
            yield Problem(path, KIND, f"{text}, but its result has {layer.nonzero}", fix)
            return


def _nonzero(raw: Raw) -> int:
    """Return the number of words that are neither of the two zeros."""
    highest = raw.words.dtype.type(1 << (8 * raw.words.itemsize - 1))
    return int(((raw.words != 0) & (raw.words != highest)).sum())
