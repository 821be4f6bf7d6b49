"""Turn a validation error into one line: the key, the value, and the nearest valid value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from fractions import Fraction
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fggp.foundation.errors import Failure
from fggp.foundation.exact import meant_as_share

BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
SIMILAR = 0.6
"""Names less similar than this, on the scale of `difflib`, are not treated as typing errors."""
LISTED = 8
"""The number of valid values up to which all are listed if none is close."""
MOST = 10
"""The number of complaints listed."""
LONGEST = 100
"""The number of characters of a value shown in a complaint."""
RANKS = {"extra_forbidden": 0, "invalid_key": 0, "missing": 2}


class Complaint(NamedTuple):
    """A problem of a configuration, on one line; problems of a lower rank come first."""

    text: str
    rank: int = 1


class ConfigError(Failure):
    """A study that cannot be used; the message is one line with the fixes.

    Attributes:
        complaints: all problems, of which the message has the first `MOST`.

    """

    def __init__(self, *complaints: Complaint | str) -> None:
        self.complaints = [Complaint(it) if isinstance(it, str) else it for it in complaints]
        super().__init__(_joined(self.complaints))


@contextmanager
def of_file(path: Path) -> Iterator[None]:
    """Prefix complaints with the file that they are about."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def nearest(value: str, valid: Iterable[str], see: str = "") -> str:
    """Return the end of a complaint about a name that is not one of ``valid``.

    Args:
        value: the name.
        valid: the valid names.
        see: where they are listed; used if there are too many to list and none is close.

    Returns:
        «; did you mean 'x'?» for the closest name, whatever its case, if the similarity of
        `difflib` is above `SIMILAR`; else «; use 'x', 'y' or 'z'» if there are at most `LISTED`;
        else «; see …», or an empty string.

    """
    names = list(dict.fromkeys(valid))
    likeness, closest = _closest(value, names)
    if likeness > SIMILAR:
        return f"; did you mean {closest!r}?"
    if 0 < len(names) <= LISTED:
        return f"; use {_or([repr(name) for name in names])}"
    return f"; see {see}" if see else ""


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the complaints of ``error`` about a ``model`` as one line; see `problems`."""
    return _joined(problems(error, model))


def problems(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Complaint]:
    """Return the complaints of ``error`` about a ``model``; each begins with ``prefix``.

    Misspelt keys rank first, because they cause missing keys, which rank last.
    """
    errors = error.errors()
    found = [
        (f"{prefix}{_one_line(it, model)}", it["type"])
        for it in errors
        if it["type"] != "too_short" or not _entries_are_wrong(it, errors)
    ]
    # A value may have several lines.
    return [Complaint(" ".join(it.splitlines()), RANKS.get(kind, 1)) for it, kind in found]


def _entries_are_wrong(short: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Whether a list seems too short only because its entries were refused."""
    depth = len(short["loc"])
    return any(it["loc"][:depth] == short["loc"] and len(it["loc"]) > depth for it in errors)


def _joined(complaints: Sequence[Complaint]) -> str:
    ordered = [it.text for it in sorted(complaints, key=attrgetter("rank"))]
    more = [f"and {len(ordered) - MOST} more"] if len(ordered) > MOST else []
    return " | ".join(ordered[:MOST] + more)


def _closest(value: str, names: Iterable[str]) -> tuple[float, str]:
    """Return the similarity, from 0 to 1, and the name most similar to a value; ties: the first."""
    wanted = value.casefold()
    likeness = ((SequenceMatcher(None, wanted, it.casefold()).ratio(), it) for it in names)
    return max(likeness, key=itemgetter(0), default=(0.0, ""))


def _or(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _one_line(error: ErrorDetails, model: type[BaseModel]) -> str:
    path = [str(part) for part in error["loc"] if part != "[key]"]
    key, value, context = " ".join(".".join(path).split()), error["input"], error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden" | "invalid_key":
            said = f"no such key{_suggestion(path, model)}"
        case "missing":
            said = "is missing"
        case "literal_error":
            options = re.findall(r"'([^']*)'", context["expected"])
            said = f"{_shown(value)} is not valid{nearest(str(value), options)}"
        case "value_error":
            said = str(context["error"])
        case "string_pattern_mismatch":
            said = f"{_shown(value)} {_pattern(str(value), context['pattern'])}"
        case "string_type" if isinstance(value, bool):
            said = (
                f"{value} should be a string; YAML reads on, off, yes and no as booleans: quote it"
            )
        case _:
            said = f"{_shown(value)} {_other(error)}"
            said += "" if context.keys() & BOUNDS.keys() else _example(model, path)
    return f"{key}: {said}" if key else said


def _shown(value: Any) -> str:
    """Return the Python repr of a value, truncated if it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _other(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    for bound, words in BOUNDS.items():
        if bound in context:
            limit = context[bound]
            whole = int(limit) if limit == limit // 1 else limit
            return f"must be {words} {whole}{_better(bound, limit, error['input'])}"
    for kind, limit in (("too_short", "min_length"), ("too_long", "max_length")):
        if error["type"] == kind:
            number = context[limit]
            most = "at least" if kind == "too_short" else "at most"
            return f"must have {most} {number} {'entry' if number == 1 else 'entries'}"
    if error["type"] == "tuple_type":
        example = "" if error["input"] is None else f", such as [{error['input']}]"
        return f"should be a list{example}"
    message = error["msg"].replace("Input should be", "should be")
    return f"{message[0].lower()}{message[1:]}"


def _better(bound: str, limit: Any, value: Any) -> str:
    """Return the end of a complaint about a bound: a share given in percent, or the limit."""
    if (
        limit == 1
        and bound in {"le", "lt"}
        and isinstance(value, int | float)
        and 10 <= value < 100
    ):
        return meant_as_share(Fraction(str(value)))
    return ", the nearest valid value" if bound in {"ge", "le"} else ""


def _pattern(value: str, pattern: str) -> str:
    words = "is used as a file name: only a–z, 0–9 and single '.' or '-' between them are allowed"
    better = re.sub(r"[^a-z0-9.]+", "-", value.lower()).strip(".-")
    return f"{words}; did you mean {better!r}?" if re.search(pattern, better) else words


def _suggestion(path: list[str], model: type[BaseModel]) -> str:
    """Suggest the nearest key here or, at the top, one level down in a block."""
    key, fields = path[-1], _fields(model, path[:-1])
    if len(path) == 1:
        blocks = [name for name in fields if _is_model(model.model_fields[name].annotation)]
        below = {inner: f"{name}.{inner}" for name in blocks for inner in _fields(model, [name])}
        here, (close, inner) = _closest(key, fields)[0], _closest(key, below)
        if close > max(here, SIMILAR):
            return f"; did you mean {below[inner]!r}?"
    return nearest(key, fields)


def _fields(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Return the keys that are valid at ``path``."""
    return list(_model_at(model, path).model_fields)


def _example(model: type[BaseModel], path: Sequence[str]) -> str:
    """Return «, such as x» for the default of a key, or an empty string if it has none."""
    field = _model_at(model, path[:-1]).model_fields.get(path[-1]) if path else None
    default = None if field is None else field.default
    shown = isinstance(default, bool | int | float | str) and default != ""
    return f", such as {default}" if shown else ""


def _model_at(model: type[BaseModel], path: Sequence[str]) -> type[BaseModel]:
    here: Any = model
    for part in path:
        field = here.model_fields.get(part)
        if field is None:
            continue  # a key of a mapping, whose value type is already used
        models = (a for a in (field.annotation, *get_args(field.annotation)) if _is_model(a))
        here = next(models, here)
    return here  # type: ignore[no-any-return]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
