"""A study: one YAML file, checked before anything is built, and its list of cells."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationError

from fggp.data import SOURCES
from fggp.data.sizes import Size
from fggp.foundation.errors import Failure
from fggp.foundation.exact import Share, kept_count, percent, plain
from fggp.foundation.validation import ConfigError, explain, nearest, of_file
from fggp.methods import METHODS
from fggp.methods.plugins import load_plugins
from fggp.study.cell import (
    Backbone,
    BackboneName,
    Cell,
    Count,
    Flag,
    Images,
    Index,
    Initialization,
    MethodSettings,
    Name,
    Positive,
    Pruning,
    Record,
    Training,
    Width,
)
from fggp.study.config_limits import check_fit
from fggp.study.dependencies import DENSE, from_trained
from fggp.study.yaml_files import read_study

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


def load(path: Path) -> Study:
    """Read and check a study; raises ConfigError with one line that says what to change."""
    raw = read_study(path)
    with of_file(path):
        try:
            study = Study(**raw)
        except ValidationError as error:
            raise ConfigError(explain(error, Study)) from None
        study = _with_plugins(study, path.parent)
        _check_values(study)
        methods = {label: _method(label, block) for label, block in study.methods.items()}
        study = study.model_copy(update={"methods": methods})
        _check_origins(study)
        _check_reference(study)
        check_size(study, SOURCES[study.data.kind].size)
    return study


def _with_plugins(study: Study, folder: Path) -> Study:
    """Import the methods that a study names; their files are then named from the working folder."""
    if not study.plugins:
        return study
    files = [os.path.relpath(folder / it) for it in study.plugins]
    try:
        load_plugins(files)
    except Failure as error:
        raise ConfigError(f"plugins: {error}") from error
    return study.model_copy(update={"plugins": tuple(Path(it).as_posix() for it in files)})


def _check_reference(study: Study) -> None:
    if study.reference is not None and study.reference not in study.methods:
        known = list(study.methods)
        raise ConfigError(
            f"reference: {study.reference!r} is no label of this study"
            f"{nearest(study.reference, known)}"
        )


def check_size(study: Study, size: Size) -> None:
    """Check a study against its images, where their number is known; raises ConfigError."""
    if size.known:
        name, block = next(iter(study.backbones.items()))
        check_fit(_cells_of(study, study.seeds[0], name, block), size)


def _check_origins(study: Study) -> None:
    blocks = {label: MethodSettings(**block) for label, block in study.methods.items()}
    waiting = [label for label, block in blocks.items() if from_trained(block)]
    if waiting and DENSE not in study.methods:
        raise ConfigError(
            f"methods.{waiting[0]} starts from the trained dense network; add `dense: {{}}`"
        )


def cells(study: Study) -> list[Cell]:
    """Return the cells in training order: seed by seed, in each seed the dense cells first."""
    return [
        cell
        for seed, (name, block) in product(study.seeds, study.backbones.items())
        for cell in _cells_of(study, seed, name, block)
    ]


def _cells_of(study: Study, seed: int, name: BackboneName, block: BackboneBlock) -> Iterator[Cell]:
    training = study.training.model_copy(update={"lr": block.lr} if block.lr else {})
    ordered = sorted(
        study.methods.items(), key=lambda item: METHODS[item[1]["name"]].starts != "none"
    )
    for label, method in ordered:
        for sparsity, start in _settings(study, method["name"]):
            yield Cell(
                backbone=Backbone(
                    name=name, width=block.width, initialization=block.initialization
                ),
                data=Images(**study.data.model_dump(include={"name", "validation", "train"})),
                label=label,
                method=MethodSettings(**method),
                sparsity=sparsity,
                initial_sparsity=start,
                seed=seed,
                training=training,
                pruning=study.pruning,
            )


def _settings(study: Study, method: str) -> list[tuple[Any, Any]]:
    definition = METHODS[method]
    if definition.starts == "none":
        return [(0, 0)]
    starts = study.initial_sparsities if definition.starts == "both" else (None,)
    return list(product(study.sparsities, starts))


def _method(label: str, block: dict[str, Any]) -> dict[str, Any]:
    settings = dict(block)
    name = settings.pop("method", label)
    if not isinstance(name, str) or name not in METHODS:
        key = f"methods.{label}" + (".method" if "method" in block else "")
        raise ConfigError(f"{key}: {name!r} is not a method{nearest(str(name), list(METHODS))}")
    for reference in {name, label} & METHODS.keys():
        if METHODS[reference].starts == "none" and label != name:
            raise ConfigError(
                f"methods.{label}: {reference!r} is the label of that reference alone"
            )
    model = METHODS[name].settings
    try:
        checked = model(**settings)
        METHODS[name].recipe(**settings)
    except ValidationError as error:
        raise ConfigError(f"methods.{label}.{explain(error, model)}") from None
    except ValueError as error:
        raise ConfigError(f"methods.{label}.{error}") from None
    return {"name": name, "settings": checked.model_dump(mode="json")}


def _check_values(study: Study) -> None:
    for check in (_check_grid, _check_window, _check_data, _check_dense):
        check(study)
    if study.training.nesterov and not study.training.momentum:
        raise ConfigError("training.momentum: 0 leaves nothing for nesterov; set that to false")


def _check_grid(study: Study) -> None:
    for key in ("sparsities", "initial_sparsities", "seeds"):
        values = getattr(study, key)
        if len(set(values)) < len(values):
            raise ConfigError(f"{key}: {_listed(values)} holds a value twice; keep one of them")
        if key != "seeds" and any("/" in percent(value) for value in values):
            raise ConfigError(f"{key}: {_listed(values)} must be decimals, as they name folders")
    if max(study.sparsities) >= 1:
        raise ConfigError("sparsities: 1 leaves no weight; the nearest valid is below 1, as 0.99")
    lowest, start = min(study.sparsities), max(study.initial_sparsities)
    if start >= lowest:
        raise ConfigError(
            f"initial_sparsities: {plain(start)} is not below the lowest target; "
            f"the nearest valid is below {plain(lowest)}"
        )


def _check_window(study: Study) -> None:
    epochs, pruning = study.training.epochs, study.pruning
    if (pruning.end_epoch is None) == (pruning.end_share is None):
        found = "none is" if pruning.end_epoch is None else "both are"
        raise ConfigError(
            f"pruning.end_epoch, pruning.end_share: {found} set; set one, and the other to null"
        )
    if pruning.end_epoch is None:
        return  # whether begin_epoch lies before it is checked against the images
    if pruning.end_epoch > epochs:
        raise ConfigError(
            f"pruning.end_epoch: {pruning.end_epoch} is after the training; "
            f"the nearest valid is training.epochs, {epochs}"
        )
    if pruning.begin_epoch >= pruning.end_epoch:
        raise ConfigError(
            f"pruning.begin_epoch: {pruning.begin_epoch} is not before the end of the window; "
            f"the nearest valid is {pruning.end_epoch - 1}"
        )


def _check_data(study: Study) -> None:
    needed = SOURCES[study.data.kind].path
    if needed and not (study.data.path or "").strip():
        raise ConfigError("data.path: is missing; name the folder or archive inside data/")
    if study.data.path is not None and not study.data.path.strip().isprintable():
        raise ConfigError(f"data.path: {study.data.path!r} is no name of a folder or archive")
    if not needed and study.data.path is not None:
        raise ConfigError(f"data.path: {study.data.kind} has a fixed source; remove the key")


def _check_dense(study: Study) -> None:
    """Check the names of layers in every backbone; needs PyTorch where there is one but `first`."""
    if not set(study.pruning.dense) - {"first"}:
        return
    import torch

    from fggp.models import build
    from fggp.pruning.dense_layers import DenseLayers, named_layers

    for name, block in study.backbones.items():
        with torch.device("meta"):
            model = build(name, width=block.width)
        try:
            layers = DenseLayers(model, None, named_layers(model, study.pruning.dense))
        except ValueError as error:
            raise ConfigError(f"pruning.dense: in {name}, {error}") from None
        sparsity = max(study.sparsities)
        if layers.weights > (kept := kept_count(layers.total, sparsity)):
            raise ConfigError(
                f"pruning.dense: these layers of {name} hold {layers.weights} weights, and a "
                f"sparsity of {plain(sparsity)} keeps {kept}; leave a layer out"
            )


def _listed(values: tuple[Any, ...]) -> str:
    return "[" + ", ".join(str(plain(value)) for value in values) + "]"
