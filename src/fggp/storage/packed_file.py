"""The bytes of a packed file: named tensors, coded sparsely, compressed, under a checksum.

``MAGIC``, the SHA-256 of everything after it, and one zstd frame. In the frame: the length of the
listing (4 bytes), the listing as JSON, and the gaps, signs and values of every tensor in its order.
All numbers are little-endian. It contains no program, and nothing in it is read before the checksum
matches.

A file has at least one byte for every `LARGEST` bytes that it unpacks to (padded with zero bytes
after the frame), so that a small file cannot fill the memory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import zstandard

from fggp.storage.sparse_coding import FORMS, Coded, Words, decode, encode, sign_bytes

MAGIC = b"FGGPACK1"
LARGEST = 1024
LEVEL = 3
WORD_BYTES = {
    **dict.fromkeys(("bool", "int8", "uint8"), 1),
    **dict.fromkeys(("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"), 1),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16", "complex32"), 2),
    **dict.fromkeys(("int32", "uint32", "float32", "complex64"), 4),
    **dict.fromkeys(("int64", "uint64", "float64", "complex128"), 8),
}
"""The dtypes that can be packed, as torch names them; a complex number is two words."""
SIGNED_ZEROS = {"float16", "bfloat16", "float32", "float64", "complex32", "complex64", "complex128"}
"""Those whose words are -0.0 if only the highest bit is set."""


class ForeignError(ValueError):
    """The bytes are not a packed file."""


@dataclass(frozen=True, eq=False)
class Raw:
    """A tensor independent of torch: its type, shape and bits.

    Attributes:
        dtype: a key of `WORD_BYTES`.
        shape: of the tensor.
        words: (number of words,) unsigned, the elements in logical order.

    """

    dtype: str
    shape: tuple[int, ...]
    words: Words


def to_bytes(tensors: Mapping[str, Raw], *, positive_zeros: bool = False) -> bytes:
    """Return the packed file of ``tensors``.

    With ``positive_zeros``, -0.0 is stored as +0.0 where the dtype has one.
    """
    listing, parts, unpacked = [], [], 0
    for name, raw in tensors.items():
        positive = positive_zeros and raw.dtype in SIGNED_ZEROS
        coded = encode(raw.words, positive_zeros=positive)
        listing.append([name, raw.dtype, raw.shape, coded.form, coded.count, len(coded.gaps)])
        parts += [coded.gaps.data, coded.signs.data, coded.values.data]
        unpacked += raw.words.nbytes
    text = json.dumps(listing, separators=(",", ":")).encode()
    content = b"".join([len(text).to_bytes(4, "little"), text, *parts])
    frame = zstandard.ZstdCompressor(level=LEVEL).compress(content)
    room = max(unpacked, len(content)) // LARGEST
    body = frame + bytes(max(0, room - len(frame)))
    return MAGIC + hashlib.sha256(body).digest() + body


def from_bytes(packed: bytes) -> dict[str, Raw]:
    """Return the tensors of a packed file in their order.

    Raises:
        ForeignError: where it is another kind of file.
        ValueError: where it is damaged, or declares more than a file of its size can contain.

    """
    start = len(MAGIC) + hashlib.sha256().digest_size
    if not packed.startswith(MAGIC):
        raise ForeignError("its magic number is missing")
    body = memoryview(packed)[start:]
    if hashlib.sha256(body).digest() != packed[len(MAGIC) : start]:
        raise ValueError("its checksum does not match")
    most = LARGEST * len(packed)
    try:
        declared = zstandard.frame_content_size(body)
        if not 0 <= declared <= most:
            raise ValueError(f"it declares {declared} bytes, but {len(packed)} hold at most {most}")
        content = zstandard.ZstdDecompressor().decompress(body)
    except zstandard.ZstdError as error:
        raise ValueError(f"it cannot be decompressed: {error}") from None
    return dict(_tensors(memoryview(content), most))


def _tensors(content: memoryview, most: int) -> Iterator[tuple[str, Raw]]:
    """Yield the tensors of a frame, after its whole listing has been checked to fit."""
    end = 4 + int.from_bytes(content[:4], "little")
    entries = [_entry(item) for item in _listing(bytes(content[4:end]))]
    if len({entry.name for entry in entries}) != len(entries):
        raise ValueError("two of its tensors have one name")
    if sum(entry.nbytes for entry in entries) > most:
        raise ValueError(f"its tensors take more than the {most} bytes that it can hold")
    if sum(sum(entry.parts) for entry in entries) != len(content) - end:
        raise ValueError("its listing and its content differ")
    for entry in entries:
        parts = []
        for length in entry.parts:
            parts.append(np.frombuffer(content[end : end + length], np.uint8))
            end += length
        coded = Coded(entry.form, entry.count, *parts)
        yield entry.name, Raw(entry.dtype, entry.shape, decode(coded, entry.size, entry.width))


@dataclass(frozen=True)
class _Entry:
    name: str
    dtype: str
    shape: tuple[int, ...]
    form: Any
    count: int
    gaps: int

    @property
    def width(self) -> int:
        return WORD_BYTES[self.dtype]

    @property
    def size(self) -> int:
        return prod(self.shape) * (2 if self.dtype.startswith("complex") else 1)

    @property
    def nbytes(self) -> int:
        return self.size * self.width

    @property
    def parts(self) -> tuple[int, int, int]:
        signs = sign_bytes(self.size) if self.form == "signs" else 0
        return self.gaps, signs, self.count * self.width


def _listing(text: bytes) -> list[Any]:
    try:
        listing = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its listing is not JSON: {error}") from None
    if not isinstance(listing, list):
        raise ValueError("its listing is not a list")
    return listing


def _entry(item: Any) -> _Entry:
    try:
        name, dtype, shape, form, count, gaps = item
        entry = _Entry(name, dtype, tuple(shape), form, count, gaps)
        good = (
            isinstance(name, str)
            and isinstance(dtype, str)
            and dtype in WORD_BYTES
            and form in FORMS
            and all(type(it) is int and 0 <= it < 2**63 for it in (*shape, count, gaps))
            and (form != "dense" or (count == entry.size and gaps == 0))
        )
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"its listing has the entry {str(item)[:80]!r}")
    return entry
