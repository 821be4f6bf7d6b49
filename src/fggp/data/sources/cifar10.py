"""CIFAR-10 (Krizhevsky 2009), by torchvision."""

from fggp.data.dataset import Dataset
from fggp.data.registry import Archive, Request, source
from fggp.data.sizes import Size
from fggp.data.torchvision_sets import read_torchvision

ARCHIVE = Archive(
    name="cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
)
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2023, 0.1994, 0.2010)


@source(size=Size(50_000, 10_000, 32), archives=(ARCHIVE,))
def cifar10(request: Request) -> Dataset:
    """Return CIFAR-10, normalized as is usual in papers on pruning."""
    return read_torchvision(request, "CIFAR10", [ARCHIVE], normalization=(MEAN, STD))
