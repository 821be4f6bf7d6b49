"""The records of a study file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from fggp.data import SOURCES
from fggp.foundation.exact import Share
from fggp.foundation.validation import nearest
from fggp.models.open_networks import recorded
from fggp.models.registry import NAME, names
from fggp.study.cell import (
    Backbone,
    BackboneName,
    Count,
    Flag,
    Images,
    Index,
    Initialization,
    Name,
    NetworkSource,
    Positive,
    Pruning,
    Record,
    Stem,
    Training,
    Width,
)
from fggp.study.cell_name import Level

# «fggp:» with nothing after it is the usual way to write a method without settings.
Settings = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)]


if TYPE_CHECKING:
    DataKind = str
else:  # the same errors as of any other fixed choice
    DataKind = Literal[tuple(SOURCES)]


PluginFile = Annotated[str, Field(strict=True, pattern=r"^[^\x00]+\.py$")]


class Data(Record):
    """The data set of a study.

    Attributes:
        kind: source of the images. `cifar10`, `cifar100`, `svhn`, `mnist`, `fashionmnist` and
            `kmnist` come from torchvision (if offline, the error names the files to put into
            `data/`) and `digits` from scikit-learn. `tinyimagenet` is `tiny-imagenet-200` as
            distributed, and `folder` reads your own images.
        name: name of the prepared file, `data/<name>.npz`. Images that change are prepared again.
        path: the folder or archive inside `data/`, for `folder` and `tinyimagenet`. For `folder` it
            contains `train|test/<class>/<image>`.
        validation: number of images held out of the training set, 0 for none. They are stratified
            by class and the same for every seed.
        train: limit on the number of training images, stratified by class. By default, all images
            that are not held out are used.

    """

    earlier: ClassVar[Mapping[str, Any]] = Images.earlier
    kind: DataKind = Field(examples=["digits", "cifar10"])
    name: Name = Field(examples=["digits", "cifar10"])
    path: str | None = Field(default=None, examples=["cifar10-jpeg.tar.gz"])
    validation: Index = Field(examples=[0, 5000])
    train: Count | None = Field(default=None, examples=[15000])


class BackboneBlock(Record):
    """Settings of one backbone.

    Attributes:
        width: factor on the numbers of channels; `1/8` trains an eighth of them.
        initialization: initialization of the convolutions by Kaiming's rule, `fan-in` or `fan-out`.
            By default, the network's own is used: fan-out in VGG-19, PyTorch's in ResNet-50.
        source: origin of a network that is not in the package: `torchvision` or `timm`
            (`torchvision:wide_resnet50_2` if the network has another name there), or
            `module:function` for a function in a Python file next to the study.
        stem: `small` gives a ResNet of torchvision or timm a first 3×3 convolution with stride 1
            and no max-pooling, as is usual for images of 32×32 pixels.
        lr: learning rate of this backbone, instead of `training.lr`.

    """

    earlier: ClassVar[Mapping[str, Any]] = Backbone.earlier
    later: ClassVar[frozenset[str]] = frozenset({"source", "stem"})
    width: Width = Field(default=1, validate_default=True, examples=[1, "1/8"])
    initialization: Initialization | None = Field(default=None, examples=["fan-in"])
    source: NetworkSource | None = Field(default=None, examples=["torchvision", "mynet:build"])
    stem: Stem | None = Field(default=None, examples=["small"])
    lr: Positive | None = Field(default=None, examples=[0.05])

    def backbone(self, name: str) -> Backbone:
        """Return the network for cells, under its name in the study."""
        return Backbone(
            name=name,
            width=self.width,
            initialization=self.initialization,
            source=None if self.source is None else recorded(self.source),
            stem=self.stem,
        )


def _known(blocks: dict[str, BackboneBlock]) -> dict[str, BackboneBlock]:
    """Return the networks of a study; raises ValidationError for invalid names."""
    wrong: list[Any] = [
        {"type": "value_error", "loc": (name, "[key]"), "input": name, "ctx": {"error": said}}
        for name, block in blocks.items()
        if (said := _name_problem(name, block))
    ]
    if wrong:
        raise ValidationError.from_exception_data("backbones", wrong)
    return blocks


def _name_problem(name: str, block: BackboneBlock) -> ValueError | None:
    if block.source is None and name not in names():
        return ValueError(
            f"{name!r} is not valid{nearest(name, names())} (another network needs its `source`)"
        )
    if not NAME.fullmatch(name):
        return ValueError(f"{name!r} is used in file names: only a to z and 0 to 9 are allowed")
    if Level.parse(name).kind != "backbone":
        return ValueError(
            f"{name!r} names a {Level.parse(name).kind} in tables, {Level.parse(name).words}; "
            f"use another name, such as net{name}"
        )
    return None


Backbones = Annotated[
    dict[BackboneName, BackboneBlock], Field(min_length=1), AfterValidator(_known)
]


class Study(Record):
    """A grid of backbone × sparsity × initial sparsity × seed × label, and its protocol.

    Attributes:
        description: one line that describes the study.
        data: the images.
        backbones: the networks to prune, each with its settings. The package has `vgg19`,
            `resnet50`, `resnet20`, `resnet32`, `resnet56` and `wrn222` (WRN-22-2). Any other
            network needs a `source`, and a name of letters a to z and digits.
        sparsities: target sparsities, as shares of the prunable weights: all weights of
            convolutions and linear layers. Methods that prune whole filters keep at most that
            number of weights; with their setting `budget: work`, a target is a share of the
            multiplications of an image.
        initial_sparsities: initial sparsities, for methods that have two starts: 0 is dense, 0.5 is
            a random ERK (Erdős–Rényi kernel) mask that keeps half of the weights.
        seeds: random seeds, one training each. With equal seeds, all methods share initial weights,
            initial mask, image order and augmentation.
        methods: mapping from labels to method settings. The key `method` names the method if the
            label does not. `fggp methods` lists all methods.
        plugins: `.py` files with your own methods, relative to the study. They register methods
            like the files in `src/fggp/methods/`.
        reference: the label that every rival is compared with. The default is `reference` in
            `stats.yaml`, `fggp`.
        training: the training protocol of every cell.
        pruning: the timing of mask updates, and the layers that stay dense.
        allow_mixed_device: whether CPU and CUDA results may be mixed in tables, which are then
            marked.

    """

    later: ClassVar[frozenset[str]] = frozenset({"plugins", "reference"})
    description: str = Field(default="", examples=["VGG-19 at 1/8 width, a quarter of CIFAR-10"])
    data: Data = Field(examples=[{"kind": "digits", "name": "digits", "validation": 147}])
    backbones: Backbones = Field(examples=[{"vgg19": {"width": "1/8", "lr": 0.05}}])
    sparsities: tuple[Share, ...] = Field(min_length=1, examples=[[0.9, 0.95, 0.98]])
    initial_sparsities: tuple[Share, ...] = Field(min_length=1, examples=[[0, 0.5]])
    seeds: tuple[Index, ...] = Field(min_length=1, examples=[[1, 2, 3]])
    methods: dict[Name, Settings] = Field(
        min_length=1,
        examples=[{"dense": {}, "fggp": {}, "fggp-quarter": {"method": "fggp", "rho": "1/4"}}],
    )
    plugins: tuple[PluginFile, ...] = Field(default=(), examples=[["methods.py"]])
    reference: Name | None = Field(default=None, examples=["gmp"])
    training: Training = Training()
    pruning: Pruning = Pruning()
    allow_mixed_device: Flag = False

    @property
    def gpus(self) -> int:
        """The number of GPUs of one training: 0 where the images are too small to need one."""
        return int(SOURCES[self.data.kind].gpu)
