"""The contract of every kind of data, tested for all that are registered."""

import re
from pathlib import Path

import numpy as np
import pytest
from fabricate import grid
from made_up_archives import tiny_imagenet
from PIL import Image
from torchvision import datasets

from fggp.data import SOURCES, DataError, Dataset, load, prepare, split
from fggp.data.registry import Source, size_of
from fggp.data.sizes import Size
from fggp.foundation.validation import ConfigError
from fggp.study.config import cells
from fggp.study.config import load as read_study

EVERY = pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.kind)
DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"


def images_in(folder: Path) -> Path:
    """A folder of images, two classes, for kinds that need one."""
    for part in ("train", "test"):
        for name in ("left", "right"):
            (folder / part / name).mkdir(parents=True)
            for number in range(3):
                pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number}.png")
    return folder


def tiny_imagenet_in(folder: Path) -> Path:
    """Tiny-ImageNet with few images."""
    for name, data in tiny_imagenet().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


LAYOUTS = {"tinyimagenet": tiny_imagenet_in}
"""Kinds with a path that are laid out in another way."""


def made(source: Source, folder: Path) -> Path:
    """The prepared file of a kind; skips one that has to be downloaded."""
    if source.archives:
        pytest.skip("needs a download")
    images = LAYOUTS.get(source.kind, images_in)(folder / "images") if source.path else None
    return prepare(source.kind, folder / "prepared.npz", images, root=folder)


@EVERY
def test_a_kind_says_how_many_images_of_what_size_to_expect(source: Source) -> None:
    assert re.fullmatch(r"[a-z0-9]+", source.kind)
    assert min(source.size.train, source.size.test) >= 1
    assert 16 <= source.size.side <= 64
    assert source.size.known or source.path, "only a folder may hold any number"
    assert size_of(source.kind, Path("absent.npz")) == source.size
    assert source.read.__doc__


@EVERY
def test_what_is_prepared_is_what_was_declared_and_splits(source: Source, tmp_path: Path) -> None:
    path = made(source, tmp_path)
    dataset = load(path)
    assert isinstance(dataset, Dataset)
    side = dataset.train_images.shape[-1]
    size = Size(len(dataset.train_labels), len(dataset.test_labels), side)
    assert size_of(source.kind, path) == size
    few = source.kind in LAYOUTS  # made up here
    assert few or not source.size.known or size == source.size
    assert dataset.source["kind"] == source.kind
    assert len(dataset.classes) >= 2
    assert len(dataset.mean) == len(dataset.std) == 3
    training, held_out = split(dataset.train_labels, 2)
    assert len(training) + len(held_out) == size.train


@EVERY
def test_preparing_twice_gives_the_same_bytes(source: Source, tmp_path: Path) -> None:
    first = made(source, tmp_path)
    again = prepare(
        source.kind,
        tmp_path / "again.npz",
        tmp_path / "images" if source.path else None,
        root=tmp_path,
    )
    assert first.read_bytes() == again.read_bytes()


@EVERY
def test_a_path_is_asked_for_exactly_where_it_is_needed(source: Source, tmp_path: Path) -> None:
    wrong = None if source.path else tmp_path / "images"
    with pytest.raises(DataError, match="needs a path" if source.path else "leave it out"):
        prepare(source.kind, tmp_path / "d.npz", wrong)
    path = "" if source.path else "path: images, "
    data = f"{{kind: {source.kind}, {path}name: images, validation: 147}}"
    study = tmp_path / "study.yaml"
    study.write_text(re.sub(r"(?m)^data: .*$", f"data: {data}", DEMO.read_text()))
    with pytest.raises(ConfigError, match=r"data\.path: "):
        read_study(study)


@EVERY
def test_a_study_of_it_has_cells_and_asks_for_a_gpu_or_not(source: Source) -> None:
    path = {"path": "images"} if source.path else {}
    data = {"kind": source.kind, "name": "images", "validation": 100}
    study = grid(data=data | path)
    assert cells(study)
    assert study.gpus == int(source.gpu)


@EVERY
def test_an_archive_has_a_name_a_checksum_and_an_address(source: Source) -> None:
    if not source.archives:
        pytest.skip("nothing is downloaded")
    for archive in source.archives:
        assert not Path(archive.name).is_absolute()
        assert re.fullmatch("[0-9a-f]{32}", archive.md5)
        assert archive.url.startswith(("https://", "http://"))


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_the_archive_of_cifar_is_the_one_that_torchvision_downloads(name: str) -> None:
    (archive,) = SOURCES[name.lower()].archives
    its = getattr(datasets, name)
    assert (archive.name, archive.md5, archive.url) == (its.filename, its.tgz_md5, its.url)


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_the_files_of_mnist_and_the_like_are_those_that_torchvision_downloads(name: str) -> None:
    its = getattr(datasets, name)
    found = SOURCES[name.lower()].archives
    assert [(Path(it.name).name, it.md5) for it in found] == its.resources
    assert all(Path(it.name).parent == Path(name, "raw") for it in found)
    assert all(it.url.removesuffix(Path(it.name).name) in its.mirrors for it in found)


def test_the_files_of_svhn_are_those_that_torchvision_downloads() -> None:
    wanted = [datasets.SVHN.split_list[part] for part in ("train", "test")]
    assert [[it.url, it.name, it.md5] for it in SOURCES["svhn"].archives] == wanted
