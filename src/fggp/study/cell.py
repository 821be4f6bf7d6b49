"""A cell: one training, fully described; two cells are equal when their canonical forms are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import floor
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from fggp.foundation.exact import Ratio, Share
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
if TYPE_CHECKING:
    BackboneName = str
else:  # the same errors as of any other fixed choice
    BackboneName = Annotated[Literal[names()], BeforeValidator(check_file)]
Initialization = Literal["fan-in", "fan-out"]
LayerName = Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_NAME)]


class Record(BaseModel):
    """A frozen record that refuses unknown keys.

    Attributes:
        earlier: what files that lack a setting were written with, where that is not its default.
        later: settings that came after the first results. At their defaults they are not written,
            so that a cell that does without them has the text that it had before. So a file
            without one is of its default: that never changes, and none of them is in ``earlier``.

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
    `fggp.training.initialization`.
    """

    later: ClassVar[frozenset[str]] = frozenset({"initialization"})
    name: BackboneName
    width: Width
    initialization: Initialization | None = None


class Images(Record):
    """Which images are used: the data set, and how many are held out for validation (may be 0).

    ``train`` limits the training images (None: all the rest); ``sha256`` is that of the data file,
    known when training starts.
    """

    name: Name
    validation: Index
    train: Count | None = None
    sha256: str | None = None


class Training(Record):
    """The training protocol; the defaults are from the GraNet comparison (Liu et al. 2021)."""

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

    The window ends after ``end_epoch`` epochs or, where that is None, after the share ``end_share``
    of all steps. ``dense`` names layers that are never pruned (see `fggp.pruning.dense_layers`).
    Their weights count as kept and stay in the base of the target.
    """

    later: ClassVar[frozenset[str]] = frozenset({"end_share", "dense"})
    update_every: Count = 1000
    begin_epoch: Index = 0
    end_epoch: Count | None = 80
    end_share: Annotated[Share, Field(gt=0)] | None = None
    dense: tuple[LayerName, ...] = ()

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
        """Return the one JSON text of this method."""
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
        """Its name, which says where its results lie: ``vgg19/s98/i50/fggp/seed1``."""
        return str(self.name)

    def plain(self) -> dict[str, Any]:
        """Return the cell as plain JSON data, without the checksum while it is unknown."""
        unknown = {"data": {"sha256"}} if self.data.sha256 is None else None
        return self.model_dump(mode="json", exclude=unknown)

    def with_data(self, sha256: str | None) -> Self:
        """Return the cell tied to a data file, or, with None, to none."""
        return self.model_copy(update={"data": self.data.model_copy(update={"sha256": sha256})})

    def canonical(self) -> str:
        """Return the one JSON text of this cell."""
        return canonical(self.plain())


def canonical(value: Any) -> str:
    """Return JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
