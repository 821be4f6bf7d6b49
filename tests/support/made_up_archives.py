"""Archives of data sets with a few random images, as their publishers pack them."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torchvision.datasets import CIFAR100


def as_tar(files: Mapping[str, bytes], path: Path, mode: str) -> Path:
    """Pack files into a tar."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def cifar100(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    pixels: Mapping[str, NDArray[np.uint8]],
    labels: Mapping[str, Sequence[int]],
) -> Path:
    """Write the archive of CIFAR-100 with images (N, 3072) of "train" and "test".

    Its checksums take the place of those that torchvision knows.
    """
    files = {
        name: pickle.dumps({"data": data, "fine_labels": list(labels[name])}, protocol=2)
        for name, data in pixels.items()
    }
    files["meta"] = pickle.dumps({"fine_label_names": [f"class {i}" for i in range(100)]})
    packed = {f"cifar-100-python/{name}": data for name, data in files.items()}
    archive = as_tar(packed, folder / "cifar-100-python.tar.gz", "w:gz")
    sums = {name: hashlib.md5(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(CIFAR100, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", CIFAR100.meta | {"md5": sums["meta"]})
    return archive


def tiny_imagenet(
    classes: Sequence[str] = ("n01443537", "n01629819", "n01641577"),
) -> dict[str, bytes]:
    """Return the files of ``tiny-imagenet-200`` with few images: four to train on, two to test."""
    top, files, rows = "tiny-imagenet-200", {}, []
    for number, name in enumerate(classes):
        for image in range(4):
            path = f"{top}/train/{name}/images/{name}_{image}.JPEG"
            files[path] = picture(100 * number + image)
        files[f"{top}/train/{name}/{name}_boxes.txt"] = f"{name}_0.JPEG\t0\t62\t63\t63\n".encode()
    for image in range(2 * len(classes)):
        files[f"{top}/val/images/val_{image}.JPEG"] = picture(1000 + image)
        rows.append(f"val_{image}.JPEG\t{classes[-1 - image // 2]}\t0\t32\t44\t62\n")
        files[f"{top}/test/images/test_{image}.JPEG"] = picture(2000 + image)
    files[f"{top}/val/val_annotations.txt"] = "".join(rows).encode()
    files[f"{top}/wnids.txt"] = "\n".join(classes).encode()
    files[f"{top}/words.txt"] = b"n00001740\tentity\n"
    return files


def picture(number: int, side: int = 64) -> bytes:
    """Return an encoded image of random pixels."""
    pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()
