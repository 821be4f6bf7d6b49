"""Tiny-ImageNet is read as it was packed, without a step by hand."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_up_archives import as_tar, picture, tiny_imagenet
from PIL import Image

from fggp.data import DataError, load, prepare

Files = dict[str, bytes]
TOP = "tiny-imagenet-200"


def as_folder(files: Files, base: Path) -> Path:
    for name, data in files.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return base / TOP


def as_zip(files: Files, base: Path) -> Path:
    with zipfile.ZipFile(base / f"{TOP}.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return base / f"{TOP}.zip"


PACKERS: dict[str, Callable[[Files, Path], Path]] = {
    "folder": as_folder,
    "zip": as_zip,
    "tar.gz": lambda files, base: as_tar(files, base / f"{TOP}.tar.gz", "w:gz"),
}


def refusal(files: Files, base: Path, kind: str = "tinyimagenet") -> str:
    with pytest.raises(DataError) as caught:
        prepare(kind, base / "out/d.npz", as_folder(files, base))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("packer", PACKERS)
def test_it_is_read_as_it_was_packed(tmp_path: Path, packer: str) -> None:
    files, notes = tiny_imagenet(), []
    source = PACKERS[packer](files, tmp_path)
    out = prepare("tinyimagenet", tmp_path / "d.npz", source, note=notes.append)
    loaded = load(out)
    assert loaded.classes == ("n01443537", "n01629819", "n01641577")
    assert loaded.train_images.shape == (12, 3, 64, 64)
    assert loaded.test_images.shape == (6, 3, 64, 64)
    assert loaded.train_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert loaded.test_labels.tolist() == [0, 0, 1, 1, 2, 2]
    last = np.asarray(Image.open(io.BytesIO(files[f"{TOP}/val/images/val_0.JPEG"])))
    assert np.array_equal(loaded.test_images[4], last.transpose(2, 0, 1))
    first = np.asarray(
        Image.open(io.BytesIO(files[f"{TOP}/train/n01629819/images/n01629819_0.JPEG"]))
    )
    assert np.array_equal(loaded.train_images[4], first.transpose(2, 0, 1))
    assert notes == [f"{source}: the 6 images of test/ have no labels and are left out"]


def test_everything_that_is_wrong_is_in_one_report(tmp_path: Path) -> None:
    files = tiny_imagenet()
    del files[f"{TOP}/val/images/val_5.JPEG"]
    files[f"{TOP}/val/images/val_9.JPEG"] = picture(9)
    files[f"{TOP}/val/images/val_1.JPEG"] = b"no image"
    files[f"{TOP}/train/n01443537/images/notes.txt"] = b"hi"
    files[f"{TOP}/train/n01443537/images/n01443537_2.JPEG"] = picture(2, side=32)
    said = refusal(files, tmp_path)
    assert said.count(" | ") == 4
    for part in (
        r"n01443537_2\.JPEG is 32x32 pixels but 64x64, the size of \S+, is expected; resize",
        r"images/notes\.txt is not an image \(.*\); convert or remove it",
        r"val_1\.JPEG cannot be decoded \(it is not an image\); replace or remove it",
        r"val_9\.JPEG is not in val/val_annotations\.txt; remove it",
        r"val/images/val_5\.JPEG is missing; copy or unpack it again",
    ):
        assert re.search(part, said), part


def test_annotations_that_are_absent_or_damaged_are_named(tmp_path: Path) -> None:
    files = tiny_imagenet()
    files[f"{TOP}/val/val_annotations.txt"] = b"val_0.JPEG n01443537"
    said = refusal(files, tmp_path / "one")
    assert said.endswith("val_annotations.txt is not a table of names and classes; "
                         "copy or unpack it again")  # fmt: skip
    del files[f"{TOP}/val/val_annotations.txt"]
    said = refusal(files, tmp_path / "two")
    assert said.endswith(f"{TOP} has no val/val_annotations.txt; use {TOP} as it was packed")


def test_as_a_folder_of_classes_it_is_refused_with_the_right_kind(tmp_path: Path) -> None:
    said = refusal(tiny_imagenet(), tmp_path, kind="folder")
    hint = "val/val_annotations.txt is of Tiny-ImageNet; use data.kind: tinyimagenet | "
    assert said.partition(hint)[0] == f"{tmp_path / TOP}/"
    assert re.search(r" \| and \d+ more$", said)
