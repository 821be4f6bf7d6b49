"""The records of a study as its file has them."""

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

# «fggp:» with nothing behind it is what people write for a method without settings.
Settings = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)]


if TYPE_CHECKING:
    DataKind = str
else:  # the same errors as of any other fixed choice
    DataKind = Literal[tuple(SOURCES)]


PluginFile = Annotated[str, Field(strict=True, pattern=r"^[^\x00]+\.py$")]


class Data(Record):
    """The data set of a study.

    Attributes:
        kind: which images. `cifar10`, `cifar100`, `svhn`, `mnist`, `fashionmnist` and `kmnist` come
            from torchvision (without a network the error names the files to put into `data/`),
            `digits` from scikit-learn, `tinyimagenet` is `tiny-imagenet-200` as it was packed, and
            `folder` reads images of your own.
        name: the prepared file is `data/<name>.npz`. Images that change are prepared again.
        path: for `folder` and `tinyimagenet`: the folder or archive inside `data/`. For `folder` it
            holds `train|test/<class>/<image>`.
        validation: number of images held out of the training set. They are stratified by class and
            the same for every seed; 0 for none.
        train: limit on the number of training images, stratified by class. By default all that are
            not held out are used.

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
        initialization: `fan-in` or `fan-out` draws the convolutions by Kaiming's rule. By default
            the network's own is used: fan-out in VGG-19, PyTorch's in ResNet-50.
        source: where a network that is not in the package comes from: `torchvision` or `timm`
            (`torchvision:wide_resnet50_2` where the name of the network differs), or
            `module:function` for a function in a Python file beside the study.
        stem: `small` gives a ResNet of torchvision or timm a first convolution of 3×3 with stride 1
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
        """Return the network as cells have it, under the name that the study gives it."""
        return Backbone(
            name=name,
            width=self.width,
            initialization=self.initialization,
            source=None if self.source is None else recorded(self.source),
            stem=self.stem,
        )


def _known(blocks: dict[str, BackboneBlock]) -> dict[str, BackboneBlock]:
    """Return the networks of a study; raises ValidationError for names that none can have."""
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
    return None


Backbones = Annotated[
    dict[BackboneName, BackboneBlock], Field(min_length=1), AfterValidator(_known)
]


class Study(Record):
    """A grid of backbone × sparsity × initial sparsity × seed × label, and how it is trained.

    Attributes:
        description: one line for people.
        data: the images.
        backbones: the networks that are pruned, each with its settings: `vgg19`, `resnet50`,
            `resnet20`, `resnet32`, `resnet56` and `wrn222` (WRN-22-2) of the package, and with a
            `source` any other under a name of letters a to z and digits.
        sparsities: targets, as shares of the prunable weights: all weights of convolutions and
            linear layers. Methods that prune whole filters keep at most that many; with their
            setting `budget: work` a target is a share of the multiplications of an image.
        initial_sparsities: starts, for methods that have two: 0 is dense, 0.5 a random ERK
            (Erdős–Rényi kernel) mask that keeps half of the weights.
        seeds: one training each. Equal seeds share initial weights, initial mask, image order and
            augmentation across methods.
        methods: label → settings. `method` names the method where the label does not.
            `fggp methods` lists all.
        plugins: files of methods of your own, `.py`, relative to the study. They register methods
            as those of `src/fggp/methods/` do.
        reference: the label that every rival is compared with. By default it is `reference` of
            `stats.yaml`, `fggp`.
        training: how every cell is trained.
        pruning: when masks are updated, and which layers are pruned.
        allow_mixed_device: whether CPU and CUDA results may share tables, which are then marked.

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
        """GPUs of one training; none where the images are too small to need one."""
        return int(SOURCES[self.data.kind].gpu)
