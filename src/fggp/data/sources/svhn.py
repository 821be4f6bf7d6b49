"""Street View House Numbers (Netzer et al. 2011), by torchvision."""

from fggp.data.dataset import Dataset
from fggp.data.registry import Archive, Request, source
from fggp.data.sizes import Size
from fggp.data.torchvision_sets import read_torchvision

ADDRESS = "http://ufldl.stanford.edu/housenumbers"
MD5 = {"train": "e26dedcc434d2e4c54c9b2d4a06d8373", "test": "eb5a983be6a315427106f1b164d9cef3"}
ARCHIVES = tuple(
    Archive(f"{part}_32x32.mat", md5, f"{ADDRESS}/{part}_32x32.mat") for part, md5 in MD5.items()
)


@source(size=Size(73_257, 26_032, 32), archives=ARCHIVES)
def svhn(request: Request) -> Dataset:
    """Return the cropped digits, without the extra training images; reading them needs scipy."""
    train, test = {"split": "train"}, {"split": "test"}
    return read_torchvision(request, "SVHN", ARCHIVES, train=train, test=test)
