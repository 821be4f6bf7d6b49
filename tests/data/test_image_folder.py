import hashlib
import io
import os
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_archives import as_tar
from PIL import Image

from fggp.data import DataError, load, prepare

Files = dict[str, bytes]


def picture(
    number: int, size: tuple[int, int] = (16, 16), kind: str = "PNG", **options: Any
) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def tree() -> Files:
    names = [
        f"some/lead/{part}/{name}/{i}.png"
        for part in ("train", "test")
        for name in ("cat", "dog")
        for i in range(3 if part == "train" else 2)
    ]
    return {name: picture(number) for number, name in enumerate(names)}


def as_folder(files: Files, base: Path) -> Path:
    for name, data in files.items():
        path = base / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return base / "images"


def as_zip(files: Files, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


PACKERS: dict[str, Callable[[Files, Path], Path]] = {
    "folder": as_folder,
    "tar": lambda files, base: as_tar(files, base / "images.tar", "w"),
    "tar.gz": lambda files, base: as_tar(files, base / "images.tar.gz", "w:gz"),
    "tar.xz": lambda files, base: as_tar(files, base / "images.tar.xz", "w:xz"),
    "zip": lambda files, base: as_zip(files, base / "images.zip"),
}


def refusal(source: Path, kind: str = "folder", **options: Any) -> str:
    """Return the one line that says why; nothing may be left in the output folder."""
    out = source.parent / "out" / "data.npz"
    with pytest.raises(DataError) as caught:
        prepare(kind, out, source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert not out.parent.exists() or list(out.parent.iterdir()) == []
    return message


@pytest.mark.parametrize("packer", PACKERS)
def test_folder_and_archives_give_the_same_data_in_class_and_name_order(
    tmp_path: Path, packer: str
) -> None:
    files = tree()
    shuffled = dict(sorted(files.items(), key=lambda item: hashlib.md5(item[1]).digest()))
    litter = {
        "README.md": b"about",
        "some/lead/train/cat/.DS_Store": b"",
        "some/lead/train/cat/Thumbs.db": b"",
        "__MACOSX/some/lead/train/cat/._0.png": b"x",
    }
    source = PACKERS[packer](shuffled | litter, tmp_path)
    done: list[int] = []
    loaded = load(prepare("folder", tmp_path / "out" / "d.npz", source, progress=done.append))
    expected = [np.asarray(Image.open(io.BytesIO(files[name]))) for name in files]
    images = np.stack(expected).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(loaded.train_images, images[:6])
    np.testing.assert_array_equal(loaded.test_images, images[6:])
    assert loaded.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert loaded.test_labels.tolist() == [0, 0, 1, 1]
    assert loaded.classes == ("cat", "dog")
    values = images[:6] / 255
    np.testing.assert_allclose(loaded.mean, values.mean((0, 2, 3)), atol=5.1e-5)
    np.testing.assert_allclose(loaded.std, values.std((0, 2, 3)), atol=5.1e-5)
    assert all(round(value, 4) == value for value in (*loaded.mean, *loaded.std))
    assert done == [10]


def test_the_source_is_recorded_relative_to_the_data_folder(tmp_path: Path) -> None:
    archives = []
    for machine in ("one", "two"):
        (tmp_path / machine).mkdir()
        source = as_zip(tree(), tmp_path / machine / "images.zip")
        out = prepare("folder", tmp_path / machine / "d.npz", source)
        assert load(out).source == {"kind": "folder", "path": "images.zip"}
        archives.append(out.read_bytes())
    assert archives[0] == archives[1]


def test_grey_and_jpeg_images_become_rgb(tmp_path: Path) -> None:
    files = tree()
    grey = io.BytesIO()
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(grey, "PNG")
    files["some/lead/train/cat/0.png"] = grey.getvalue()
    files["some/lead/train/cat/1.png"] = picture(1, kind="JPEG")
    loaded = load(prepare("folder", tmp_path / "d.npz", as_zip(files, tmp_path / "i.zip")))
    for channel in range(3):
        assert loaded.train_images[0, channel].ravel().tolist() == list(range(256))
    decoded = np.asarray(Image.open(io.BytesIO(files["some/lead/train/cat/1.png"])))
    np.testing.assert_array_equal(loaded.train_images[1], decoded.transpose(2, 0, 1))


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_class_without_images_is_refused_by_name(tmp_path: Path, part: str) -> None:
    folder = tmp_path / "images"
    for place in ("train/a", "train/b", "test/a", "test/b"):
        (folder / place).mkdir(parents=True)
        Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)).save(
            folder / place / "1.png"
        )
    prepare("folder", tmp_path / "d.npz", folder)
    (folder / part / "c").mkdir()
    (folder / part / ".hidden").mkdir()
    with pytest.raises(DataError, match=rf"{part}/c has no images; put its images there"):
        prepare("folder", tmp_path / "e.npz", folder)


def test_the_same_source_is_prepared_once_and_another_one_replaces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = as_zip(tree(), tmp_path / "first.zip")
    out = prepare("folder", tmp_path / "d.npz", first)
    first.unlink()  # not even looked at again
    monkeypatch.chdir(tmp_path)
    assert prepare("folder", Path("d.npz"), Path("first.zip")) == Path("d.npz")
    prepare("folder", out, as_tar(tree(), tmp_path / "second.tar", "w"))
    assert load(out).source["path"] == "second.tar"
    prepare("digits", out)
    assert load(out).source == {"kind": "digits"}


TRAIN = "some/lead/train/cat/0.png"
JPEG = picture(0, kind="JPEG")
BAD_FILES: dict[str, tuple[Files, str]] = {
    "text named .png": ({TRAIN: b"hello"}, rf"{TRAIN} cannot be decoded .*replace or remove it"),
    "truncated JPEG": (
        {"some/lead/train/cat/9.jpg": JPEG[:-200]},
        r"train/cat/9\.jpg cannot be decoded \(.*[Tt]runcated.*\); replace or remove it",
    ),
    "truncated PNG": ({TRAIN: picture(0)[:400]}, rf"{TRAIN} cannot be decoded .*replace or remove"),
    "another size": (
        {"some/lead/train/cat/9.png": picture(0, (20, 20))},
        r"train/cat/9\.png is 20x20 pixels but 16x16, the size of \S+.*\.png, .*resize",
    ),
    "not square": ({TRAIN: picture(0, (16, 20))}, rf"{TRAIN} is 16x20 pixels but .*square.*resize"),
    "too small": ({TRAIN: picture(0, (8, 8))}, rf"{TRAIN} is 8x8 pixels but .*16 to 64.*resize"),
    "too large": ({TRAIN: picture(0, (65, 65))}, rf"{TRAIN} is 65x65 pixels but .*16 to 64"),
    "not an image": (
        {"some/lead/test/cat/notes.txt": b"hi"},
        r"test/cat/notes\.txt is not an image .*convert or remove it",
    ),
    "in no class": (
        {"some/lead/train/9.png": picture(0)},
        r"lead/train/9\.png is not in a class folder; use train/<class>/<image>",
    ),
    "twice": (
        {"other/train/cat/0.png": picture(0)},
        r"train/cat/0\.png has the same path as .*train/cat/0\.png; remove one",
    ),
    "class without test images": (
        {"some/lead/train/emu/0.png": picture(0)},
        r"class 'emu' is in train but not in test; add test/emu or remove train/emu",
    ),
    "class without train images": (
        {"some/lead/test/emu/0.png": picture(0)},
        r"class 'emu' is in test but not in train; add train/emu or remove test/emu",
    ),
    "huge file": (
        {TRAIN: picture(0) + bytes(2**20)},
        rf"{TRAIN} is larger than 1 MiB; save it again",
    ),
}


@pytest.mark.parametrize("packer", ["folder", "tar.xz", "zip"])
@pytest.mark.parametrize("bad", BAD_FILES)
def test_a_bad_file_is_named_with_the_fix(tmp_path: Path, bad: str, packer: str) -> None:
    changes, message = BAD_FILES[bad]
    source = PACKERS[packer](tree() | changes, tmp_path)
    found = refusal(source)
    assert re.search(message, found), found
    assert str(source) in found


def test_all_that_is_wrong_with_a_folder_is_in_one_report(tmp_path: Path) -> None:
    one = {TRAIN: b"hello", "some/lead/test/cat/notes.txt": b"hi"}
    one |= {"some/lead/train/9.png": picture(0), "some/lead/train/emu/0.png": picture(1)}
    said = refusal(as_folder(tree() | one, tmp_path)).split(" | ")
    assert len(said) == 4
    parts = ("0.png cannot be decoded", "notes.txt is not", "not in a class folder", "class 'emu'")
    for part in parts:
        assert len([it for it in said if part in it]) == 1, part


def test_ten_problems_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    bad = {f"some/lead/train/cat/bad{number}.png": b"x" for number in range(13)}
    said = refusal(as_folder(tree() | bad, tmp_path)).split(" | ")
    assert len(said) == 11
    assert said[-1] == "and 3 more"


def test_a_class_with_a_bad_image_alone_is_not_called_empty(tmp_path: Path) -> None:
    bad = {f"some/lead/{part}/emu/0.png": b"x" for part in ("train", "test")}
    said = refusal(as_folder(tree() | bad, tmp_path))
    assert said.count("cannot be decoded") == 2
    assert "emu'" not in said
    assert "has no images" not in said


def test_sixteen_bit_images_are_refused_instead_of_clipped(tmp_path: Path) -> None:
    deep = io.BytesIO()
    Image.fromarray(np.full((16, 16), 40000, np.uint16)).save(deep, "PNG")
    source = as_zip(tree() | {TRAIN: deep.getvalue()}, tmp_path / "i.zip")
    assert re.search(rf"{TRAIN} has 16 or more bits .*convert it to 8 bits", refusal(source))


@pytest.mark.parametrize("packer", ["tar", "tar.gz", "tar.xz", "zip"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.95])
def test_a_truncated_archive_is_named_with_the_fix(
    tmp_path: Path, packer: str, share: float
) -> None:
    source = PACKERS[packer](tree(), tmp_path)
    data = source.read_bytes()
    end = len(data) if packer != "tar" else data.rindex(b"IEND") + 8
    source.write_bytes(data[: int(end * share)])
    found = refusal(source)
    assert found.startswith(str(source)), found
    assert found.endswith("copy or download it again"), found


def test_a_tar_cut_exactly_between_two_members_is_noticed(tmp_path: Path) -> None:
    source = as_tar(tree(), tmp_path / "images.tar", "w")
    with tarfile.open(source) as archive:
        last = archive.getmembers()[-1].offset
    source.write_bytes(source.read_bytes()[:last])
    assert refusal(source).endswith("(its end is missing); copy or download it again")


def test_a_tar_with_a_damaged_header_is_not_taken_for_a_shorter_one(tmp_path: Path) -> None:
    source = as_tar(tree(), tmp_path / "images.tar", "w")
    with tarfile.open(source) as archive:
        last = archive.getmembers()[-1].offset
    data = bytearray(source.read_bytes())
    data[last] ^= 1
    source.write_bytes(data)
    assert refusal(source).endswith("copy or download it again")


def test_links_in_archives_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "images.tar"
    as_tar(tree(), source, "w")
    with tarfile.open(source, "a") as archive:
        link = tarfile.TarInfo("some/lead/train/cat/9.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert re.search(r"train/cat/9\.png is a link or a special file; put", refusal(source))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("inside", ["some/lead/train/cat/9.png", "notes.txt", ""])
def test_a_pipe_is_refused_and_not_waited_for(inside: str, tmp_path: Path) -> None:
    source = as_folder(tree(), tmp_path) if inside else tmp_path / "images"
    pipe = source / inside
    os.mkfifo(pipe)
    assert refusal(source).startswith(f"{pipe} is ")


def test_preparing_an_archive_writes_nothing_but_the_data_file_and_its_listing(
    tmp_path: Path,
) -> None:
    files = tree() | {"../../escape.txt": b"x", "/etc/escape.txt": b"x"}
    source = as_tar(files, tmp_path / "images.tar", "w")
    prepare("folder", tmp_path / "d.npz", source)
    names = sorted(path.name for path in tmp_path.rglob("*"))
    assert names == [".d.npz.source.json", "d.npz", "images.tar"]


def test_sources_that_are_no_data_are_named_with_the_fix(tmp_path: Path) -> None:
    assert re.search(r"gone does not exist; put .* there", refusal(tmp_path / "gone"))
    text = tmp_path / "images.rar"
    text.write_text("x")
    assert re.search(r"images\.rar is neither a folder nor one of .*repack", refusal(text))
    empty = as_zip({"a/b.png": picture(0)}, tmp_path / "empty.zip")
    assert re.search(r"empty\.zip has no images in a folder train; use train/<cl", refusal(empty))
    train = {name: data for name, data in tree().items() if "/train/" in name}
    half = as_zip(train, tmp_path / "half.zip")
    assert re.search(r"half\.zip has no images in a folder test; use train/<class>", refusal(half))
    cats = {name: data for name, data in tree().items() if "/cat/" in name}
    one = as_zip(cats, tmp_path / "one.zip")
    assert re.search(r"one\.zip has one class, 'cat'; give it at least two", refusal(one))
    flat = io.BytesIO()
    Image.new("RGB", (16, 16)).save(flat, "PNG")
    black = as_zip(dict.fromkeys(tree(), flat.getvalue()), tmp_path / "black.zip")
    assert re.search(r"black\.zip: a channel .* is constant; use other images", refusal(black))
