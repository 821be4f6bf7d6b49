"""CIFAR-100 (Krizhevsky 2009), by torchvision."""

from fggp.data.dataset import Dataset
from fggp.data.registry import Archive, Request, source
from fggp.data.sizes import Size
from fggp.data.torchvision_sets import read_torchvision

ARCHIVE = Archive(
    name="cifar-100-python.tar.gz",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
)


@source(size=Size(50_000, 10_000, 32, classes=100), archives=(ARCHIVE,))
def cifar100(request: Request) -> Dataset:
    """Return CIFAR-100 with its hundred fine classes."""
    return read_torchvision(request, "CIFAR100", [ARCHIVE])
