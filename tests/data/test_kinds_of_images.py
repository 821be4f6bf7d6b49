"""Images that are no plain pictures of eight bits are refused by name, or read as they look."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fggp.data import DataError
from fggp.data.images import decode

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (16, 16, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def deep_png(colour: int, channels: int) -> bytes:
    """A PNG of sixteen bits per channel, of which Pillow reads eight."""
    line = RANDOM.integers(0, 65536, 16 * channels).astype(">u2").tobytes()

    def part(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", 16, 16, 16, colour, 0, 0, 0)
    body = zlib.compress(16 * (b"\0" + line))
    parts = part(b"IHDR", head) + part(b"IDAT", body) + part(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def netpbm(head: bytes, channels: int, kind: str) -> bytes:
    return head + RANDOM.integers(0, 255, 256 * channels).astype(kind).tobytes()


def frames(kind: str) -> bytes:
    first, *rest = (Image.fromarray(np.roll(PIXELS, n)) for n in range(3))
    return encoded(first, kind, save_all=True, append_images=rest)


def clear(mode: str) -> bytes:
    image = Image.fromarray(PIXELS).convert("RGBA")
    image.putpixel((3, 3), (0, 0, 0, 254))
    return encoded(image.convert(mode))


def palette(transparent: int) -> bytes:
    image = Image.fromarray(PIXELS).quantize(8)
    return encoded(image, transparency=transparent)


DEEP = "has 16 or more bits per channel; convert it to 8 bits"
REFUSED = {
    "grey of 16 bits": (deep_png(0, 1), DEEP),
    "RGB of 16 bits": (deep_png(2, 3), DEEP),
    "grey with alpha of 16 bits": (deep_png(4, 2), DEEP),
    "RGBA of 16 bits": (deep_png(6, 4), DEEP),
    "PPM of 16 bits": (netpbm(b"P6 16 16 65535\n", 3, ">u2"), DEEP),
    "PPM of 10 bits": (netpbm(b"P6 16 16 1023\n", 3, ">u2"), DEEP),
    "PGM of 16 bits": (netpbm(b"P5 16 16 65535\n", 1, ">u2"), DEEP),
    "RGBA with a clear pixel": (
        clear("RGBA"),
        "has transparent pixels; flatten it onto a background",
    ),
    "grey with a clear pixel": (clear("LA"), "has transparent pixels"),
    "palette with a clear colour": (palette(0), "has transparent pixels"),
    "CMYK": (encoded(Image.new("CMYK", (16, 16)), "JPEG"), "has the colour mode CMYK; convert it"),
    "animated PNG": (frames("PNG"), "has 3 frames; save one of them"),
    "animated WebP": (frames("WEBP"), "has 3 frames; save one of them"),
    "GIF": (encoded(Image.fromarray(PIXELS), "GIF"), "cannot be decoded (it is not an image)"),
    "float TIFF": (encoded(Image.new("F", (16, 16)), "TIFF"), "cannot be decoded (it is not"),
    "TIFF": (encoded(Image.fromarray(PIXELS), "TIFF"), "cannot be decoded (it is not an image)"),
    "PNG cut short": (encoded(Image.fromarray(PIXELS))[:-100], "cannot be decoded ("),
    "JPEG cut short": (encoded(Image.fromarray(PIXELS), "JPEG")[:-100], "cannot be decoded ("),
    "WebP cut short": (encoded(Image.fromarray(PIXELS), "WEBP")[:-100], "cannot be decoded ("),
    "BMP cut short": (encoded(Image.fromarray(PIXELS), "BMP")[:-100], "cannot be decoded ("),
    "PPM cut short": (encoded(Image.fromarray(PIXELS), "PPM")[:-100], "cannot be decoded ("),
    "nothing": (b"", "cannot be decoded ("),
}


@pytest.mark.parametrize(("data", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_no_plain_picture_is_refused_in_one_line(data: bytes, said: str) -> None:
    with pytest.raises(DataError) as refusal:
        decode(data, "a.png")
    assert str(refusal.value).startswith(f"a.png {said}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_pictures_of_eight_bits_or_fewer_become_rgb(mode: str) -> None:
    image = Image.fromarray(PIXELS).convert(mode)
    np.testing.assert_array_equal(
        decode(encoded(image), "a.png"), np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    )


def test_a_transparent_colour_that_no_pixel_has_is_taken() -> None:
    image = Image.new("P", (16, 16))
    image.putpalette(list(range(6)))
    data = encoded(image, transparency=1)
    assert decode(data, "a.png")[:, 0, 0].tolist() == [0, 1, 2]


def test_netpbm_of_fewer_bits_is_scaled_to_eight() -> None:
    white = decode(b"P6 16 16 15\n" + bytes([15]) * 768, "a.ppm")
    assert white.min() == 255


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_viewers_show_it(kind: str, orientation: int) -> None:
    image = Image.fromarray(np.repeat(np.arange(0, 256, 16, dtype=np.uint8), 16).reshape(16, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    seen = decode(encoded(image.convert("RGB"), kind, exif=exif, **options), "a")[0].astype(int)
    brighter_down, brighter_right = seen[-1, 8] - seen[0, 8], seen[8, -1] - seen[8, 0]
    sign = {1: (1, 0), 2: (1, 0), 3: (-1, 0), 4: (-1, 0)} | {
        5: (0, 1), 6: (0, -1), 7: (0, -1), 8: (0, 1),
    }  # fmt: skip
    found = [0 if abs(it) < 30 else np.sign(it) for it in (brighter_down, brighter_right)]
    assert tuple(found) == sign[orientation]
