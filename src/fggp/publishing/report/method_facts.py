"""Facts about every method, from the registry alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from fractions import Fraction
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from fggp.foundation.exact import percent
from fggp.methods import Definition
from fggp.pruning.filters.initial import Filters
from fggp.pruning.filters.scores import taylor
from fggp.pruning.initial_masks import Grasp, InitialGroups, Snip, Synflow, everything
from fggp.pruning.mask_update import Blend, gradient
from fggp.pruning.recipe import Recipe
from fggp.pruning.rules import grows
from fggp.pruning.timing import epochs_of
from fggp.pruning.zeroth_order import ZerothOrder

SPARSITIES = (Fraction(9, 10), Fraction(19, 20), Fraction(49, 50))
EPOCHS = 160
"""Epochs of the standard protocol, the unit in which trainings are counted."""

SHARES = {Fraction(1, 2): "half", Fraction(1, 4): "a quarter", Fraction(3, 4): "three quarters"}
Described = dict[str, Any]


def described(definition: Definition, studies: Mapping[str, Mapping[str, Any]]) -> Described:
    """Return the facts about a method for a page, in Markdown.

    ``studies`` are the ``methods`` of each study by its name, in which variants are searched.
    """
    told, recipe = definition.docstring, definition.recipe()
    return {
        "name": definition.name,
        "kind": definition.kind,
        "summary": marked(told.summary),
        "text": [marked(paragraph) for paragraph in told.text],
        "formula": told.formula,
        "paper": linked(definition.paper),
        "settings": list(settings(definition)),
        "variants": list(variants(definition, studies)),
        "start": start(definition, recipe),
        "ranks": definition.ranks,
        "soft": definition.masking == "soft",
        "exact": definition.exact,
        "updates": updates(recipe),
        "trainings": trainings(recipe),
        "dense": recipe.fine_tune is not None,
        "gradients": gradients(recipe),
    }


def settings(definition: Definition) -> Iterator[dict[str, str]]:
    """Yield the settings of a method: name, valid values, default and meaning."""
    defaults = definition.defaults
    for name, field in definition.settings.model_fields.items():
        yield {
            "name": name,
            "values": possible(field),
            "default": "none" if defaults[name] is None else written(defaults[name]),
            "meaning": marked(definition.docstring.arguments.get(name, "")),
        }


def possible(field: FieldInfo) -> str:
    """Return the values that a setting may take, in words."""
    kind = field.annotation
    if kind is bool:
        return "`true`, `false`"
    if get_origin(kind) is Literal:
        return ", ".join(f"`{it}`" for it in get_args(kind))
    found: dict[str, Any] = {}
    for bound in field.metadata:
        found |= {key: getattr(bound, key) for key in ("ge", "gt", "le") if hasattr(bound, key)}
    low = (
        f"from {found['ge']}" if "ge" in found else f"above {found['gt']}" if "gt" in found else ""
    )
    high = f"to {found['le']}" if "le" in found else ""
    return " ".join(filter(None, [_noun(kind), low, high]))


def _noun(kind: Any) -> str:
    if "Annealed" in str(kind):
        return "a number, or a schedule of one"
    if "tuple" in str(kind):
        return "two numbers from 0 to 1"
    return "a whole number" if kind is int else "a number"


def variants(
    definition: Definition, studies: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield the labels under which studies use non-default settings of a method."""
    found: dict[tuple[str, str], list[str]] = {}
    for study, methods in studies.items():
        for label, given in methods.items():
            rest = {key: value for key, value in given.items() if key != "method"}
            if rest and given.get("method", label) == definition.name:
                text = ", ".join(f"{key}: {written(value)}" for key, value in rest.items())
                found.setdefault((label, text), []).append(study)
    for (label, text), names in found.items():
        yield {
            "label": label,
            "settings": text,
            "studies": [it for it in names if _first(it, names)],
        }


def _first(study: str, names: list[str]) -> bool:
    """Whether a study is not the copy of another one for folders of images."""
    stem = study.removesuffix("-folder")
    return stem == study or stem not in names


def written(value: Any) -> str:
    """Return a setting as in a configuration."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(it)}" for key, it in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    return str(value)


def start(definition: Definition, recipe: Recipe) -> str:
    """Return the masks that a method starts from, in words."""
    if definition.starts == "both":
        return "two: dense, or an ERK mask with the initial sparsity"
    kinds = {
        "the shape of the trained dense network, pruned": recipe.scratch,
        "dense": definition.starts == "none" or recipe.dense_start,
        "a narrower network, dense": recipe.narrow,
        "the trained dense network, pruned": recipe.fine_tune is not None,
        "the N largest initial weights of every M": isinstance(recipe.initial, InitialGroups),
        "the mask that is chosen before the first step": _scored(recipe),
        "a random mask of the target sparsity": True,
    }
    return f"one: {next(words for words, holds in kinds.items() if holds)}"


def updates(recipe: Recipe) -> str:
    """Return when masks are updated, in words."""
    if recipe.rounds is not None:
        return "between two trainings"
    if recipe.rule is None:
        return "once, before the first step" if _scored(recipe) else "never"
    often = "at every mask update of the study"
    if recipe.period:
        often = "after every step" if recipe.period == 1 else f"every {recipe.period} steps"
    elif recipe.every > 1:
        often = f"at one in {recipe.every} mask updates of the study"
    if recipe.until is None:
        return f"{often}, to the end of the pruning window"
    if recipe.until == 1:
        return f"{often}, to the end of training"
    return f"{often}, for {_share(recipe.until)} of the training"


def trainings(recipe: Recipe) -> str:
    """Return the number of trainings of standard length that a network takes."""
    if recipe.scratch or recipe.fine_tune == 1:
        return "1, after the dense one"
    if recipe.fine_tune is not None:
        return f"{_share(recipe.fine_tune)} of one, after the dense one"
    counts = [f"{len(epochs_of(recipe, EPOCHS, it)) / EPOCHS:g}" for it in SPARSITIES]
    if len(set(counts)) == 1:
        return counts[0]
    pairs = zip(counts, SPARSITIES, strict=True)
    return ", ".join(f"{it} at {percent(sparsity)} %" for it, sparsity in pairs)


def gradients(recipe: Recipe) -> str:
    """Return the gradients that a method needs in addition to training, in words."""
    before: dict[type, str] = {
        Snip: "before training, of all weights, on data",
        Grasp: "before training, of all weights and with Hessian products, on data",
        Synflow: "before training, of all weights, without data",
    }
    if isinstance(recipe.initial, Filters) and recipe.initial.score is taylor:
        return "before training, of scales and shifts, on data"
    if type(recipe.initial) in before:
        return before[type(recipe.initial)]
    if recipe.soft is not None:
        when = "" if recipe.until else " of the pruning window"
        return f"of all weights, in every step{when}"
    if not any(it is gradient or (isinstance(it, Blend) and it.weight) for it in _parts(recipe)):
        return "none"
    return f"of {'all' if grows(recipe.rule) else 'the active'} weights, at mask updates"


def marked(text: str) -> str:
    """Return a sentence of a docstring as Markdown, also valid in a table cell."""
    return linked(text.replace("``", "`")).replace("|", "\\|")


def linked(text: str) -> str:
    """Return a text with its arXiv numbers as links."""
    return re.sub(r"arXiv (\d{4}\.\d{5})", r"[arXiv \1](https://arxiv.org/abs/\1)", text)


def _scored(recipe: Recipe) -> bool:
    """Whether the initial mask is chosen by a score."""
    scored = (Grasp, Snip, Synflow, Filters, ZerothOrder)
    return recipe.initial is everything or isinstance(recipe.initial, scored)


def _share(value: Fraction) -> str:
    return SHARES.get(value, f"{float(value):g}")


def _parts(value: object) -> Iterator[object]:
    """Yield a value and all its parts."""
    yield value
    inner = vars(value).values() if is_dataclass(value) else ()
    for part in value if isinstance(value, tuple) else inner:
        yield from _parts(part)
