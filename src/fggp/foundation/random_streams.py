"""Named random streams: each is a pure function of its seed, name and counters."""

import zlib

import numpy as np


def stream(seed: int, name: str, *counters: int) -> np.random.Generator:
    """Return the generator of one stream, e.g. ``stream(seed, "order", epoch)``.

    Streams of different names or counters are independent; nothing has to be saved to resume.
    """
    return np.random.default_rng([seed, zlib.crc32(name.encode()), *counters])
