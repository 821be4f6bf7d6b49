"""A cell: one training, fully described; two cells are equal when their canonical forms are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import floor
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from fggp.foundation.exact import Ratio, Share
from fggp.models.open_networks import check_source
from fggp.models.registry import check_file, names
from fggp.study.cell_name import CellName, sparsity_level, start_level

LARGEST = 2**31 - 1
MOST_THREADS = 512
"""More than the cores of any machine; a library asked for thousands of threads hangs or crashes."""
WIDEST = 16
LONGEST_NAME = 100
"""Characters of a name that becomes part of file names, which most systems limit to 255 bytes."""

Positive = Annotated[Ratio, Field(gt=0)]
Width = Annotated[Ratio, Field(gt=0, le=WIDEST)]
Count = Annotated[int, Field(strict=True, ge=1, le=LARGEST)]
Index = Annotated[int, Field(strict=True, ge=0, le=LARGEST)]
Threads = Annotated[int, Field(strict=True, ge=1, le=MOST_THREADS)]
Flag = Annotated[bool, Field(strict=True)]
Name = Annotated[
    str, Field(strict=True, pattern=r"^[a-z0-9]+(?:[.-][a-z0-9]+)*$", max_length=LONGEST_NAME)
]
BackboneName = Annotated[str, Field(strict=True), BeforeValidator(check_file)]
NetworkSource = Annotated[str, Field(strict=True), AfterValidator(check_source)]
Stem = Literal["small"]
Initialization = Literal["fan-in", "fan-out"]
LayerName = Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_NAME)]


class Record(BaseModel):
    """A frozen record that refuses unknown keys.

    Attributes:
        earlier: values with which files that lack a setting were written, if not the defaults.
        later: settings added after the first results. Their defaults are not written, so that the
            text of a cell without such a setting is unchanged. A file without one therefore has its
            default, which never changes, and none of them is in ``earlier``.

    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    earlier: ClassVar[Mapping[str, Any]] = {}
    later: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = write(self)
        unused = {
            it for it in self.later if getattr(self, it) == type(self).model_fields[it].default
        }
        return {name: value for name, value in fields.items() if name not in unused}


class Backbone(Record):
    """A network, the factor on its channel numbers, and how its convolutions are initialized.

    ``initialization`` is None for the network's own: fan-out in VGG-19, PyTorch's in ResNet-50. See
    `fggp.training.initialization`. ``source`` is the origin of a network from outside the package,
    and ``stem`` its first layers if they are replaced; see `fggp.models.open_networks`.
    """

    later: ClassVar[frozenset[str]] = frozenset({"initialization", "source", "stem"})
    name: BackboneName
    width: Width
    initialization: Initialization | None = None
    source: NetworkSource | None = None
    stem: Stem | None = None

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.source is None and self.name not in names():
            expected = " or ".join(map(repr, names()))
            wrong: Any = {"type": "literal_error", "loc": ("name",), "input": self.name}
            wrong["ctx"] = {"expected": expected}
            raise ValidationError.from_exception_data("Backbone", [wrong])
        return self

    @property
    def full_name(self) -> str:
        """The name, and for a network from outside the package its source."""
        return self.name if self.source is None else f"{self.name} of {self.source}"


class Images(Record):
    """The images used: the data set, and the number held out for validation (may be 0).

    ``train`` limits the training images (None: all the rest); ``sha256`` is that of the data file,
    known when training starts.
    """

    name: Name
    validation: Index
    train: Count | None = None
    sha256: str | None = None


class Training(Record):
    """The training protocol; the defaults are from the GraNet comparison (Liu et al. 2021).

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step. The last, smaller batch of an epoch is kept.
        lr: initial learning rate.
        lr_milestones: shares of the epochs after which the learning rate falls.
        lr_decay: factor on the learning rate at each milestone.
        momentum: momentum of SGD.
        nesterov: whether the momentum is Nesterov's.
        weight_decay: weight decay, on all parameters.
        label_smoothing: label smoothing of the cross-entropy.
        pad: padding for the random crop, in pixels; 0 for no crop.
        pad_mode: `reflect` mirrors the image, `zero` pads with black.
        flip: whether images are randomly flipped horizontally.
        precision: `fp32`, `tf32` or `bf16` (autocast).
        layout: memory layout of tensors. `channels_last` is faster on CPUs; `by_stage`, with
            whole planes in the last stages of VGG-19, is faster still.
        threads: CPU threads of one training.

    """

    later: ClassVar[frozenset[str]] = frozenset({"label_smoothing", "pad_mode"})
    epochs: Count = 160
    batch_size: Count = 128
    lr: Positive = Field(default=0.1, validate_default=True)
    lr_milestones: tuple[Share, ...] = Field(default=(0.5, 0.75), validate_default=True)
    lr_decay: Share = Field(default=0.1, validate_default=True)
    momentum: Share = Field(default=0.9, validate_default=True)
    nesterov: Flag = True
    weight_decay: Share = Field(default=0.0005, validate_default=True)
    label_smoothing: Annotated[Share, Field(lt=1)] = Field(default=0, validate_default=True)
    pad: Index = 4
    pad_mode: Literal["reflect", "zero"] = "reflect"
    flip: Flag = True
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    layout: Literal["contiguous", "channels_last", "by_stage"] = "contiguous"
    threads: Threads = 1


class Pruning(Record):
    """The timing of mask updates (step interval, first and last epoch), and the dense layers.

    Attributes:
        update_every: steps between two mask updates.
        begin_epoch: epoch after which the pruning window begins. In the window, the sparsity rises
            from its initial value to the target.
        end_epoch: epoch after which the pruning window ends; the last update meets the target
            exactly.
        end_share: end of the pruning window as a share of all steps, instead of `end_epoch`.
        dense: layers that are never pruned: `first`, or names of layers that exist in every
            backbone of the study. Their weights count as kept and are part of the total that a
            target refers to, so that a target means the same number of weights with and without
            dense layers.

    """

    later: ClassVar[frozenset[str]] = frozenset({"end_share", "dense"})
    update_every: Count = 1000
    begin_epoch: Index = 0
    end_epoch: Count | None = 80
    end_share: Annotated[Share, Field(gt=0)] | None = Field(default=None, examples=[0.8])
    dense: tuple[LayerName, ...] = Field(default=(), examples=[["first"]])

    @model_validator(mode="before")
    @classmethod
    def _end_is_set_once(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("end_share") is not None:
            return {"end_epoch": None} | values
        return values

    def end(self, steps: int, steps_per_epoch: int) -> int:
        """Return the last step of the window in a training of ``steps`` steps."""
        if self.end_epoch is not None:
            return self.end_epoch * steps_per_epoch
        assert self.end_share is not None  # the configuration was checked
        return floor(self.end_share * steps)


class MethodSettings(Record):
    """A method and all its settings, defaults written out."""

    name: str
    settings: dict[str, Any]

    def canonical(self) -> str:
        """Return the canonical JSON text of this method."""
        return canonical(self.model_dump(mode="json"))


class Cell(Record):
    """Setting × label × seed, with everything that can change the outcome on one device.

    ``initial_sparsity`` is None where the method has a single start.
    """

    backbone: Backbone
    data: Images
    label: Name
    method: MethodSettings
    sparsity: Share
    initial_sparsity: Share | None
    seed: Index
    training: Training
    pruning: Pruning

    @property
    def name(self) -> CellName:
        """The parts of its name."""
        sparsity, start = sparsity_level(self.sparsity), start_level(self.initial_sparsity)
        return CellName(self.backbone.name, sparsity.value, start.value, self.label, str(self.seed))

    @property
    def id(self) -> str:
        """Its name, which is also the path of its results: ``vgg19/s98/i50/fggp/seed1``."""
        return str(self.name)

    def plain(self) -> dict[str, Any]:
        """Return the cell as plain JSON data, without the checksum while it is unknown."""
        unknown = {"data": {"sha256"}} if self.data.sha256 is None else None
        return self.model_dump(mode="json", exclude=unknown)

    def with_data(self, sha256: str | None) -> Self:
        """Return the cell with the checksum of a data file, or without one for None."""
        return self.model_copy(update={"data": self.data.model_copy(update={"sha256": sha256})})

    def canonical(self) -> str:
        """Return the canonical JSON text of this cell."""
        return canonical(self.plain())


def canonical(value: Any) -> str:
    """Return JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
