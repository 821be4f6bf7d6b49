import gzip
import hashlib
import pickle
import socket
import struct
import sys
from pathlib import Path
from subprocess import run

import made_up_archives
import numpy as np
import pytest
from made_up_archives import as_tar
from torchvision.datasets import CIFAR10, FashionMNIST

from fggp.data import DataError, load, prepare

Files = dict[str, bytes]


def test_kinds_and_paths_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "d.npz"
    with pytest.raises(DataError, match="'imagenet'; use one of cifar10, cifar100, digits"):
        prepare("imagenet", out)
    with pytest.raises(DataError, match=r"x\.zip is not used by data of kind digits; leave it out"):
        prepare("digits", out, tmp_path / "x.zip")
    with pytest.raises(DataError, match="kind folder needs a path; name a folder or archive"):
        prepare("folder", out)
    assert not list(tmp_path.iterdir())


def test_digits_are_the_shipped_ones_enlarged_and_split_the_same_way_forever(
    tmp_path: Path,
) -> None:
    loaded = load(prepare("digits", tmp_path / "d.npz"))
    assert loaded.train_images.shape == (1197, 3, 16, 16)
    assert loaded.test_images.shape == (600, 3, 16, 16)
    assert loaded.train_labels[:10].tolist() == [0, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert loaded.test_labels[:10].tolist() == [1, 2, 4, 2, 8, 8, 4, 7, 7, 3]
    assert np.bincount(loaded.test_labels).tolist() == [59, 61, 59, 61, 61, 61, 60, 60, 58, 60]
    first = [0, 0, 5, 13, 9, 1, 0, 0]  # top row of the first digit, from 0 to 16
    row = [int(value * 255 / 16 + 0.5) for value in first for _ in range(2)]
    for channel in range(3):
        assert loaded.train_images[0, channel, :2].tolist() == [row, row]
    assert (loaded.mean, loaded.std) == ((0.3061,) * 3, (0.3761,) * 3)
    assert loaded.classes == tuple("0123456789")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise socket.gaierror("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr(socket.socket, "connect", unreachable)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("damaged", [False, True])
def test_cifar10_offline_says_which_file_to_put_where(tmp_path: Path, damaged: bool) -> None:
    archive = tmp_path / "data" / "cifar-10-python.tar.gz"
    if damaged:
        archive.parent.mkdir()
        as_tar({"cifar-10-batches-py/data_batch_1": b"x" * 9999}, archive, "w:gz")
        archive.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(DataError) as caught:
        prepare("cifar10", tmp_path / "out" / "d.npz", root=archive.parent)
    state = "is damaged" if damaged else "is absent"
    md5 = "c58f30108f718f92721af3b95e74349a"
    assert str(caught.value).startswith(f"{archive} {state} and could not be downloaded")
    assert str(caught.value).endswith(f"; put cifar-10-python.tar.gz with the MD5 {md5} there")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert socket.getdefaulttimeout() is None


@pytest.mark.usefixtures("offline")
def test_an_intact_cifar10_archive_is_used_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 3072), dtype=np.uint8)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    files = {
        name: pickle.dumps({"data": pixels[2 * i : 2 * i + 2], "labels": [i, 9 - i]}, protocol=2)
        # The real archive was pickled by an old numpy, at which a new one grumbles.
        .replace(b"\x89\x88\x87", b"K\x00K\x01\x87")
        for i, name in enumerate(names)
    }
    files["batches.meta"] = pickle.dumps({"label_names": [f"class {i}" for i in range(10)]})
    packed = {f"cifar-10-batches-py/{name}": data for name, data in files.items()}
    archive = as_tar(packed, tmp_path / "cifar-10-python.tar.gz", "w:gz")
    sums = {name: hashlib.md5(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name in names[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": sums["batches.meta"]})
    loaded = load(prepare("cifar10", tmp_path / "d.npz"))
    np.testing.assert_array_equal(loaded.train_images, pixels[:10].reshape(10, 3, 32, 32))
    np.testing.assert_array_equal(loaded.test_images, pixels[10:].reshape(2, 3, 32, 32))
    assert loaded.train_labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert loaded.classes[3] == "class 3"
    assert loaded.mean == (0.4914, 0.4822, 0.4465)
    assert loaded.std == (0.2023, 0.1994, 0.2010)


@pytest.mark.usefixtures("offline")
def test_an_intact_cifar100_archive_is_used_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3072), dtype=np.uint8)
    parts = {"train": pixels[:3], "test": pixels[3:]}
    labels = {"train": [99, 1, 0], "test": [2, 99]}
    made_up_archives.cifar100(tmp_path, monkeypatch, parts, labels)
    loaded = load(prepare("cifar100", tmp_path / "d.npz"))
    np.testing.assert_array_equal(loaded.train_images, pixels[:3].reshape(3, 3, 32, 32))
    np.testing.assert_array_equal(loaded.test_images, pixels[3:].reshape(2, 3, 32, 32))
    assert (loaded.train_labels.tolist(), loaded.test_labels.tolist()) == ([99, 1, 0], [2, 99])
    assert loaded.classes == tuple(f"class {i}" for i in range(100))


@pytest.mark.usefixtures("offline")
def test_fashion_mnist_offline_names_all_its_files_and_their_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        prepare("fashionmnist", tmp_path / "d.npz")
    text = str(caught.value)
    assert text.startswith(f"{tmp_path}/FashionMNIST/raw/train-images-idx3-ubyte.gz is absent")
    assert text.count(" with the MD5 ") == 4
    assert "\n" not in text


@pytest.mark.usefixtures("offline")
def test_grey_images_of_fashion_mnist_get_three_equal_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "FashionMNIST/raw"
    raw.mkdir(parents=True)
    pixels = np.random.default_rng(1).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    resources = []
    for part, kind, data in [
        *(("train", "images", pixels[:4]), ("train", "labels", np.arange(4, dtype=np.uint8))),
        *(("t10k", "images", pixels[4:]), ("t10k", "labels", np.arange(2, dtype=np.uint8))),
    ]:
        name = f"{part}-{kind}-idx{data.ndim}-ubyte.gz"
        head = struct.pack(">HBB", 0, 8, data.ndim) + struct.pack(f">{data.ndim}I", *data.shape)
        (raw / name).write_bytes(gzip.compress(head + data.tobytes()))
        resources.append((name, hashlib.md5((raw / name).read_bytes()).hexdigest()))
    monkeypatch.setattr(FashionMNIST, "resources", resources)
    loaded = load(prepare("fashionmnist", tmp_path / "d.npz"))
    for channel in range(3):
        np.testing.assert_array_equal(loaded.train_images[:, channel], pixels[:4])
    assert loaded.test_labels.tolist() == [0, 1]
    assert loaded.classes[0] == "T-shirt/top"


def test_importing_the_data_room_imports_no_heavy_library() -> None:
    code = (
        "import sys, fggp.data; "
        "print([name for name in ('torch', 'torchvision', 'sklearn', 'PIL') "
        "if name in sys.modules])"
    )
    assert run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"
