"""Images that changed since they were prepared are noticed, and others are not read again."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fggp.data import DataError, changes, listing, load, prepare
from fggp.data.listing import listing_path


def write(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path.with_suffix(".bmp"))  # of the same size, whatever it shows


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of images that has been prepared."""
    folder = tmp_path / "pets"
    for number in range(12):
        part, label = ("train", "test")[number % 2], ("cat", "dog")[number % 4 > 1]
        write(folder / part / label / f"{number}.bmp", number)
    prepare("folder", tmp_path / "pets.npz", folder)
    return folder


def exchanged(folder: Path) -> None:
    train = folder / "train"
    (train / "cat").rename(train / "x")
    (train / "dog").rename(train / "cat")
    (train / "x").rename(train / "dog")


def edited(folder: Path) -> None:
    write(folder / "train/cat/0.bmp", 77)


def copied_with_its_times(folder: Path) -> None:
    path, other = folder / "train/cat/0.bmp", folder.parent / "other.bmp"
    write(other, 78)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    os.utime(other, ns=times)
    assert other.stat().st_size == path.stat().st_size
    shutil.copy2(other, path)
    assert path.stat().st_mtime_ns == times[1]


def renamed_with_its_times(folder: Path) -> None:
    one, two = folder / "train/cat/0.bmp", folder / "train/cat/4.bmp"
    for path in (one, two):
        os.utime(path, ns=(10**18, 10**18))
    prepare("folder", folder.parent / "pets.npz", folder)
    one.rename(folder.parent / "x.bmp")
    two.rename(one)
    (folder.parent / "x.bmp").rename(two)


CHANGED: dict[str, tuple[Callable[[Path], None], str]] = {
    "classes exchanged": (exchanged, "6 added (train/cat/10.bmp, "),
    "edited": (edited, "1 changed (train/cat/0.bmp)"),
    "copied with its times": (copied_with_its_times, "1 changed (train/cat/0.bmp)"),
    "exchanged with equal times": (
        renamed_with_its_times,
        "2 changed (train/cat/0.bmp, train/cat/4.bmp)",
    ),
    "added": (lambda it: write(it / "train/dog/99.bmp", 99), "1 added (train/dog/99.bmp)"),
    "removed": (lambda it: (it / "train/cat/0.bmp").unlink(), "1 removed (train/cat/0.bmp)"),
}


@pytest.mark.parametrize(("change", "words"), CHANGED.values(), ids=list(CHANGED))
def test_a_change_is_named_and_prepared_again(
    source: Path, change: Callable[[Path], None], words: str
) -> None:
    out = source.parent / "pets.npz"
    before = out.read_bytes()
    assert changes(source, out) is None
    change(source)
    found = changes(source, out)
    assert found is not None
    assert words in str(found)
    prepare("folder", out, source)
    assert changes(source, out) is None
    fresh = prepare("folder", source.parent / "fresh.npz", source)
    assert out.read_bytes() == fresh.read_bytes() != before


def test_a_newer_archive_under_the_old_name_is_noticed(source: Path) -> None:
    archive = source.parent / "images.zip"
    shutil.make_archive(str(archive.with_suffix("")), "zip", source)
    out = prepare("folder", source.parent / "d.npz", archive)
    assert changes(archive, out) is None
    edited(source)
    times = archive.stat().st_atime_ns, archive.stat().st_mtime_ns
    shutil.make_archive(str(archive.with_suffix("")), "zip", source)
    os.utime(archive, ns=times)
    assert str(changes(archive, out)) == "1 changed (images.zip)"
    before = load(out).train_images
    assert (load(prepare("folder", out, archive)).train_images != before).any()


def touched(folder: Path) -> None:
    for path in folder.rglob("*.bmp"):
        os.utime(path)


def moved_as_a_whole(folder: Path) -> None:
    shutil.copytree(folder, folder.parent / "copy")
    shutil.rmtree(folder)
    (folder.parent / "copy").rename(folder)


def littered(folder: Path) -> None:
    (folder / "train/.DS_Store").write_bytes(b"x")
    (folder / "train/cat/Thumbs.db").write_bytes(b"x")


def emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()  # where something was mounted


def unlisted(folder: Path) -> None:
    listing_path(folder.parent / "pets.npz").unlink()
    edited(folder)


def of_another_file(folder: Path) -> None:
    other = folder.parent / "other"
    shutil.copytree(folder, other)
    edited(other)
    shutil.copy(prepare("folder", folder.parent / "o.npz", other), folder.parent / "pets.npz")


def damaged(folder: Path) -> None:
    listing_path(folder.parent / "pets.npz").write_text('{"format": 3')
    edited(folder)


SAME = (touched, moved_as_a_whole, littered, shutil.rmtree, emptied)


@pytest.mark.parametrize("change", [*SAME, unlisted, of_another_file, damaged])
def test_a_prepared_file_is_kept_where_nothing_says_that_it_is_old(
    source: Path, change: Callable[[Path], None]
) -> None:
    out = source.parent / "pets.npz"
    change(source)
    before = out.stat()
    assert changes(source, out) is None
    assert changes(source, out) is None
    if change in SAME:
        prepare("folder", out, source)
        assert out.stat().st_ino == before.st_ino


def test_unchanged_images_are_not_read(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touched(source)
    assert changes(source, source.parent / "pets.npz") is None

    def read(path: str) -> str:
        raise AssertionError(f"{path} is read")

    monkeypatch.setattr("fggp.data.listing._digest", read)
    assert changes(source, source.parent / "pets.npz") is None


def test_the_prepared_file_does_not_depend_on_the_listing(source: Path) -> None:
    copy = source.parent / "elsewhere" / "pets"
    shutil.copytree(source, copy)
    touched(copy)
    out = prepare("folder", copy.parent / "pets.npz", copy)
    assert out.read_bytes() == (source.parent / "pets.npz").read_bytes()


def test_a_folder_that_cannot_be_listed_is_an_error_and_not_a_removal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, **options: object) -> None:
        options["onerror"](PermissionError(13, "Permission denied", f"{path}/cat"))

    monkeypatch.setattr(os, "walk", refuse)
    with pytest.raises(DataError, match=r"cat cannot be read \(Permission denied\); change its"):
        list(listing._files(tmp_path))


def test_a_link_to_nothing_is_not_a_matter_of_permissions(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"a.png cannot be read .*; restore or remove it"):
        listing._stamp(str(tmp_path / "a.png"))
