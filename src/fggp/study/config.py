"""A study: one YAML file, checked before anything is built, and its list of cells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fggp.data import SOURCES
from fggp.data.sizes import Size
from fggp.foundation.errors import Failure
from fggp.foundation.validation import Complaint, ConfigError, nearest, of_file, problems
from fggp.methods import METHODS
from fggp.methods.plugins import load_plugins
from fggp.methods.registry import LIST
from fggp.models.open_networks import locate
from fggp.study.cell import Cell, Images, MethodSettings
from fggp.study.config_limits import check_fit
from fggp.study.config_networks import misfits, unsound_networks
from fggp.study.config_records import BackboneBlock, Data, Study
from fggp.study.config_values import unsound, unsound_layers, unsound_starts
from fggp.study.yaml_files import check_name, read_study

__all__ = ["BackboneBlock", "Data", "Study", "cells", "check_size", "load"]


def load(path: Path) -> Study:
    """Read and check a study; raises ConfigError with one line that names the change to make."""
    with of_file(path):
        check_name(path.stem)
    raw = read_study(path)
    with of_file(path):
        study, complaints = None, []
        try:
            study = Study(**raw)
        except ValidationError as error:
            complaints = problems(error, Study)
        plugins = _plugins(raw.get("plugins"), path.parent)
        methods, refused = _methods(raw.get("methods"), [it.text for it in complaints])
        if study is None or refused:
            raise ConfigError(*complaints, *refused)
        found = {"backbones": _located(study, path.parent), "plugins": plugins}
        study = study.model_copy(update=found)
        size = SOURCES[study.data.kind].size
        wrong = [*unsound_networks(study, methods, size)]
        # Layers of networks are looked up only if the networks can be made.
        wrong += [*([] if wrong else unsound(study, size)), *unsound_starts(study, methods)]
        if wrong:
            raise ConfigError(*wrong)
        study = study.model_copy(update={"methods": methods})
        check_size(study, size)
    return study


def _located(study: Study, folder: Path) -> dict[str, BackboneBlock]:
    """Return the networks of a study with the paths of their module files relative to here."""
    found, wrong = {}, []
    for name, block in study.backbones.items():
        try:
            source = None if block.source is None else locate(block.source, folder)
        except Failure as error:
            wrong.append(f"backbones.{name}.source: {error}")
        else:
            found[name] = block.model_copy(update={"source": source})
    if wrong:
        raise ConfigError(*wrong)
    return found


def _plugins(raw: Any, folder: Path) -> tuple[str, ...]:
    """Import the files of methods that a study names; returns their paths relative to here."""
    if not isinstance(raw, list) or not all(isinstance(it, str) for it in raw):
        return ()  # absent, or invalid as a whole
    files = [os.path.relpath(folder / it) for it in raw]
    try:
        load_plugins(files)
    except Failure as error:
        raise ConfigError(f"plugins: {error}") from error
    return tuple(Path(it).as_posix() for it in files)


def _methods(raw: Any, known: list[str]) -> tuple[dict[str, Any], list[Complaint]]:
    """Return the checked methods, and the problems of those not in ``known``."""
    methods: dict[str, Any] = {}
    refused: list[Complaint] = []
    for label, block in raw.items() if isinstance(raw, dict) else ():
        said = any(it.startswith((f"methods.{label}:", f"methods.{label}.")) for it in known)
        if isinstance(label, str) and isinstance(block, dict | None) and not said:
            try:
                methods[label] = _method(label, block or {})
            except ConfigError as error:
                refused += error.complaints
    return methods, refused


def check_size(study: Study, size: Size) -> None:
    """Check a study against its images if their number is known; raises ConfigError."""
    if size.known:
        wrong = [*misfits(study, size)]
        declared = SOURCES[study.data.kind].size
        if (size.side, size.classes) != (declared.side, declared.classes):  # else checked before
            wrong += unsound_layers(study, size)
        if wrong:
            raise ConfigError(*wrong)
        for name, block in study.backbones.items():
            check_fit(_cells_of(study, study.seeds[0], name, block), size)


def cells(study: Study) -> list[Cell]:
    """Return the cells in training order: by seed, then by backbone, with dense cells first."""
    return [
        cell
        for seed, (name, block) in product(study.seeds, study.backbones.items())
        for cell in _cells_of(study, seed, name, block)
    ]


def _cells_of(study: Study, seed: int, name: str, block: BackboneBlock) -> Iterator[Cell]:
    training = study.training.model_copy(update={"lr": block.lr} if block.lr else {})
    ordered = sorted(
        study.methods.items(), key=lambda item: METHODS[item[1]["name"]].starts != "none"
    )
    for label, method in ordered:
        for sparsity, start in _settings(study, method["name"]):
            yield Cell(
                backbone=block.backbone(name),
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
        raise ConfigError(f"{key}: {name!r} is not a method{nearest(str(name), METHODS, LIST)}")
    for reference in {name, label} & METHODS.keys():
        if METHODS[reference].starts == "none" and label != name:
            raise ConfigError(
                f"methods.{label}: only the label {reference!r} may name that reference"
            )
    model = METHODS[name].settings
    try:
        checked = model(**settings)
        METHODS[name].recipe(**settings)
    except ValidationError as error:
        raise ConfigError(*problems(error, model, f"methods.{label}.")) from None
    except ValueError as error:
        raise ConfigError(f"methods.{label}.{error}") from None
    return {"name": name, "settings": checked.model_dump(mode="json")}
