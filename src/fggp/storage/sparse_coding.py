"""A compact coding of one tensor of mostly zeros, read back bit for bit.

A tensor is a flat array of words: its elements as unsigned integers of 1 to 8 bytes, so that no bit
pattern is special. There are three forms, and the smallest is used:

- ``dense``: every word.
- ``gaps``: the words that are not all zero bits, and the number of zeros before each of them.
- ``signs``: the same, but words with only their highest bit set count as zeros too, and one bit per
  word distinguishes the two zeros. In floating point they are +0.0 and -0.0, and multiplying
  weights by a mask leaves about half of each.

A gap is one byte; 255 means 255 zeros, and more to come. Words are stored byte by byte, all highest
bytes together: exponents are similar and compress, the rest does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.unsignedinteger[Any]]
Bytes = NDArray[np.uint8]
Form = Literal["dense", "gaps", "signs"]
FORMS: tuple[Form, ...] = get_args(Form)
MORE = 255


@dataclass(frozen=True, eq=False)
class Coded:
    """One tensor, coded.

    Attributes:
        form: one of the three.
        count: number of words in ``values``.
        gaps: (count + number of `MORE` bytes,), empty where dense.
        signs: (ceil(size / 8),) where the form is ``signs``, else empty.
        values: (bytes of a word × count,), lowest bytes first.

    """

    form: Form
    count: int
    gaps: Bytes
    signs: Bytes
    values: Bytes


def encode(words: Words, *, positive_zeros: bool = False) -> Coded:
    """Encode a flat array of words in the smallest of the three forms.

    With ``positive_zeros``, words with only their highest bit set are treated as zeros.
    """
    size, width = len(words), words.itemsize
    nonzero = words != 0
    negative = words == words.dtype.type(1 << (8 * width - 1))
    kept = int(np.count_nonzero(nonzero))
    values = kept - int(np.count_nonzero(negative))
    if positive_zeros and values < kept:
        nonzero ^= negative
        words, kept = words * nonzero, values
    none = np.empty(0, np.uint8)
    costs: dict[Form, int] = {
        "dense": size * width,
        "gaps": kept * (1 + width),
        "signs": values * (1 + width) + sign_bytes(size),
    }
    form = min(FORMS, key=costs.__getitem__)
    if form == "dense":
        return Coded(form, size, none, none, _planes(words))
    at = np.flatnonzero(nonzero if form == "gaps" else nonzero ^ negative)
    signs = np.packbits(negative) if form == "signs" else none
    return Coded(form, len(at), _gaps(at), signs, _planes(words[at]))


def decode(coded: Coded, size: int, width: int) -> Words:
    """Return the ``size`` words of ``width`` bytes; raises ValueError where they do not fit."""
    values = _words(coded.values, width)
    if coded.form == "dense":
        return values
    at = _positions(coded.gaps)
    if len(at) != len(values) or (len(at) and at[-1] >= size):
        raise ValueError(f"{len(at)} positions for {len(values)} of {size} values")
    words: Words
    if coded.form == "signs":
        words = np.unpackbits(coded.signs, count=size).astype(f"<u{width}")
        words <<= 8 * width - 1
    else:
        words = np.zeros(size, f"<u{width}")
    words[at] = values
    return words


def sign_bytes(size: int) -> int:
    """Return the number of bytes for one bit per word, for ``size`` words."""
    return -(-size // 8)


def _gaps(at: NDArray[np.intp]) -> Bytes:
    gaps = np.diff(at, prepend=-1) - 1
    more, rest = np.divmod(gaps, MORE)
    coded = np.full(len(at) + int(more.sum()), MORE, np.uint8)
    coded[np.cumsum(more + 1) - 1] = rest
    return coded


def _positions(gaps: Bytes) -> NDArray[np.int64]:
    last = gaps != MORE
    at: NDArray[np.int64] = np.cumsum(gaps + last, dtype=np.int64)[last] - 1
    return at


def _planes(words: Words) -> Bytes:
    return words.view(np.uint8).reshape(-1, words.itemsize).T.reshape(-1)


def _words(planes: Bytes, width: int) -> Words:
    return np.array(planes.reshape(width, -1).T, order="C").reshape(-1).view(f"<u{width}")
