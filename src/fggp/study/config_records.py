"""The records of a study file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from fggp.data import SOURCES
from fggp.foundation.exact import Share
from fggp.study.cell import (
    Backbone,
    BackboneName,
    Count,
    Flag,
    Images,
    Index,
    Initialization,
    Name,
    Positive,
    Pruning,
    Record,
    Training,
    Width,
)

# «fggp:» with nothing after it is the usual way to write a method without settings.
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
    """Settings of one backbone; ``lr`` replaces that of the training block."""

    earlier: ClassVar[Mapping[str, Any]] = Backbone.earlier
    width: Width = Field(default=1, validate_default=True)
    initialization: Initialization | None = None
    lr: Positive | None = None


class Study(Record):
    """A grid of backbone × sparsity × initial sparsity × seed × label, and how it is trained.

    ``plugins`` are files of methods from outside the package, beside the study. ``reference`` is
    the label that every rival is compared with, where it is not that of ``config/stats.yaml``.
    """

    later: ClassVar[frozenset[str]] = frozenset({"plugins", "reference"})
    description: str = ""
    data: Data
    backbones: dict[BackboneName, BackboneBlock] = Field(min_length=1)
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
