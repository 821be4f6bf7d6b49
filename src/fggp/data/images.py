"""One encoded image to pixels, and the mean and spread of many."""

from __future__ import annotations

import io
import math
import struct
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fggp.data.dataset import DataError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".webp")
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "WEBP")
SMALLEST, LARGEST = 16, 64
_UNDECODABLE = (EOFError, IndexError, OSError, SyntaxError, ValueError, struct.error)
_CHUNK = 1000

Triple = tuple[float, float, float]


def decode(data: bytes, name: str) -> NDArray[np.uint8]:
    """Return the (3, S, S) RGB pixels of one encoded image.

    Raises:
        DataError: naming the image as ``name``, when it cannot be decoded, is not square or not
            of 16 to 64 pixels, or has more than eight bits per channel.

    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.size, name)
            if image.mode.startswith(("I", "F")):
                raise DataError(f"{name} has 16 or more bits per channel; convert it to 8 bits")
            return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    except UnidentifiedImageError:
        raise _undecodable(name, "it is not an image") from None
    except (*_UNDECODABLE, Image.DecompressionBombError) as error:
        raise _undecodable(name, str(error) or type(error).__name__) from error


def mean_and_std(images: NDArray[np.uint8], name: str) -> tuple[Triple, Triple]:
    """Return mean and standard deviation per channel on the 0..1 scale, to four decimals.

    Args:
        images: (N, 3, H, W); sums are exact integers, so the order of images does not matter.
        name: what to call the data in an error.

    Raises:
        DataError: when a channel is constant and so cannot be normalised.

    """
    first, second = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for start in range(0, len(images), _CHUNK):
        values = images[start : start + _CHUNK].astype(np.int64)
        first += values.sum(axis=(0, 2, 3))
        second += (values * values).sum(axis=(0, 2, 3))
    count = images.size // 3
    mean = [Fraction(int(total), count * 255) for total in first]
    square = [Fraction(int(total), count * 255**2) for total in second]
    std = [round(math.sqrt(s - m * m), 4) for s, m in zip(square, mean, strict=True)]
    if 0 in std:
        raise DataError(f"{name}: a channel of the train images is constant; use other images")
    red, green, blue = (round(float(m), 4) for m in mean)
    return (red, green, blue), (std[0], std[1], std[2])


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width == height and SMALLEST <= width <= LARGEST:
        return
    wanted = f"images must be square, of {SMALLEST} to {LARGEST} pixels"
    raise DataError(f"{name} is {width}x{height} pixels but {wanted}; resize them")


def _undecodable(name: str, reason: str) -> DataError:
    return DataError(f"{name} cannot be decoded ({reason}); replace or remove it")
