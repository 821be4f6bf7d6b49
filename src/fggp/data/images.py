"""Decode an image to pixels, and compute the mean and spread of many images."""

from __future__ import annotations

import io
import math
import struct
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fggp.data.dataset import DataError

if TYPE_CHECKING:
    from PIL import Image, ImageFile

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".webp")
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "WEBP")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
SMALLEST, LARGEST = 16, 64
_UNDECODABLE = (EOFError, IndexError, OSError, SyntaxError, ValueError, struct.error)
_CHUNK = 1000

Triple = tuple[float, float, float]


def decode(data: bytes, name: str) -> NDArray[np.uint8]:
    """Return the (3, S, S) RGB pixels of one encoded image, rotated according to its EXIF data.

    Grey, palette and one-bit images become RGB. An alpha channel is dropped if it hides nothing.

    Raises:
        DataError: naming the image as ``name``, if it cannot be decoded, is not square or not of
            16 to 64 pixels, or is ambiguous: with more than eight bits per channel, transparent
            pixels, inks (CMYK) or several frames.

    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.size, name)
            _check_kind(image, name)
            turned = ImageOps.exif_transpose(image)
            if turned.has_transparency_data and _alpha(turned).min() < 255:
                raise DataError(f"{name} has transparent pixels; flatten it onto a background")
            return np.asarray(turned.convert("RGB")).transpose(2, 0, 1)
    except UnidentifiedImageError:
        raise _undecodable(name, "it is not an image") from None
    except (*_UNDECODABLE, Image.DecompressionBombError) as error:
        raise _undecodable(name, str(error) or type(error).__name__) from error


def mean_and_std(images: NDArray[np.uint8], name: str) -> tuple[Triple, Triple]:
    """Return mean and standard deviation per channel on the 0..1 scale, to four decimals.

    Args:
        images: (N, 3, H, W); sums are exact integers, so the order of images does not matter.
        name: name of the data in an error.

    Raises:
        DataError: if a channel is constant and so cannot be normalized.

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


def _check_kind(image: ImageFile.ImageFile, name: str) -> None:
    if image.mode.startswith(("I", "F")) or _is_deep(image):
        raise DataError(f"{name} has 16 or more bits per channel; convert it to 8 bits")
    if image.mode not in MODES:
        raise DataError(f"{name} has the colour mode {image.mode}; convert it to RGB")
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise DataError(f"{name} has {frames} frames; save one of them as an image")


def _is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether a channel of the file has more than eight bits, which Pillow truncates."""
    for tile in image.tile:
        given = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if any(";16" in it for it in given if isinstance(it, str)):
            return True
        if (
            tile.codec_name.startswith("ppm")
            and max(it for it in given if isinstance(it, int)) > 255
        ):
            return True
    return False


def _alpha(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGBA"))[:, :, 3]


def _undecodable(name: str, reason: str) -> DataError:
    return DataError(f"{name} cannot be decoded ({reason}); replace or remove it")
