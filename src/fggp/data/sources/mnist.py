"""MNIST and the sets with its files: Fashion-MNIST and KMNIST, by torchvision."""

from fggp.data.dataset import Dataset
from fggp.data.registry import Archive, Request, source
from fggp.data.sizes import Size
from fggp.data.torchvision_sets import read_torchvision

FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
SIZE = Size(60_000, 10_000, 28)


def _archives(name: str, address: str, *md5: str) -> tuple[Archive, ...]:
    """Return the four files of a set, in the folder where torchvision keeps them."""
    return tuple(
        Archive(f"{name}/raw/{file}-ubyte.gz", checksum, f"{address}/{file}-ubyte.gz")
        for file, checksum in zip(FILES, md5, strict=True)
    )


MNIST = _archives(
    "MNIST",
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    *("f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432"),
    *("9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c"),
)
FASHION = _archives(
    "FashionMNIST",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    *("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe"),
    *("bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310"),
)
KMNIST = _archives(
    "KMNIST",
    "http://codh.rois.ac.jp/kmnist/dataset/kmnist",
    *("bdb82020997e1d708af4cf47b453dcf7", "e144d726b3acfaa3e44228e80efcd344"),
    *("5c965bf0a639b31b8f53240b1b52f4d7", "7320c461ea6c1c855c0b718fb2a4b134"),
)


@source(size=SIZE, archives=MNIST)
def mnist(request: Request) -> Dataset:
    """Return MNIST (LeCun et al. 1998), with its channel repeated three times."""
    return read_torchvision(request, "MNIST", MNIST)


@source(size=SIZE, archives=FASHION)
def fashionmnist(request: Request) -> Dataset:
    """Return Fashion-MNIST (Xiao et al. 2017), with its channel repeated three times."""
    return read_torchvision(request, "FashionMNIST", FASHION)


@source(size=SIZE, archives=KMNIST)
def kmnist(request: Request) -> Dataset:
    """Return Kuzushiji-MNIST (Clanuwat et al. 2018), with its channel repeated three times."""
    return read_torchvision(request, "KMNIST", KMNIST)
