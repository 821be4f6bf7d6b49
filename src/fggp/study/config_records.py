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
    """The data set of a study; ``path`` (folder or archive) is relative to the data folder."""

    earlier: ClassVar[Mapping[str, Any]] = Images.earlier
    kind: DataKind
    name: Name
    path: str | None = None
    validation: Index
    train: Count | None = None


class BackboneBlock(Record):
    """Settings of one backbone; ``lr`` replaces that of the training block.

    ``source`` is where a network from outside the package comes from; in a study that was read it
    has the path of its file.
    """

    earlier: ClassVar[Mapping[str, Any]] = Backbone.earlier
    later: ClassVar[frozenset[str]] = frozenset({"source", "stem"})
    width: Width = Field(default=1, validate_default=True)
    initialization: Initialization | None = None
    source: NetworkSource | None = None
    stem: Stem | None = None
    lr: Positive | None = None

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

    ``plugins`` are files of methods from outside the package, beside the study. ``reference`` is
    the label that every rival is compared with, where it is not that of ``config/stats.yaml``.
    """

    later: ClassVar[frozenset[str]] = frozenset({"plugins", "reference"})
    description: str = ""
    data: Data
    backbones: Backbones
    sparsities: tuple[Share, ...] = Field(min_length=1)
    initial_sparsities: tuple[Share, ...] = Field(min_length=1)
    seeds: tuple[Index, ...] = Field(min_length=1)
    methods: dict[Name, Settings] = Field(min_length=1)
    plugins: tuple[PluginFile, ...] = ()
    reference: Name | None = None
    training: Training = Training()
    pruning: Pruning = Pruning()
    allow_mixed_device: Flag = False

    @property
    def gpus(self) -> int:
        """GPUs of one training; none where the images are too small to need one."""
        return int(SOURCES[self.data.kind].gpu)
