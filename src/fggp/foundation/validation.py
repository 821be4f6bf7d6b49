"""Turns a validation error into one line: the key, the value, and the nearest valid one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fggp.foundation.errors import Failure

BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


class ConfigError(Failure):
    """A study that cannot be used; the message is one line with the fix."""


@contextmanager
def of_file(path: Path) -> Iterator[None]:
    """Let complaints begin with the file that they are about."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def nearest(value: str, valid: Sequence[str]) -> str:
    """Return «; did you mean 'x'?» for the closest of ``valid``, or nothing where there is none."""
    close = get_close_matches(value, valid, n=1, cutoff=0)
    return f"; did you mean {close[0]!r}?" if close else ""


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first complaint of ``error`` about a ``model`` as one line."""
    errors = error.errors()
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return " ".join(_one_line(errors[0], model).splitlines()) + more  # a value may have more lines


def _one_line(error: ErrorDetails, model: type[BaseModel]) -> str:
    path = [str(part) for part in error["loc"] if part != "[key]"]
    key, value, context = " ".join(".".join(path).split()), error["input"], error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            said = f"unknown key{_suggestion(path, model)}"
        case "missing":
            said = "is missing"
        case "literal_error":
            options = re.findall(r"'([^']*)'", context["expected"])
            said = f"{value!r} is not valid{nearest(str(value), options)}"
        case "value_error":
            said = str(context["error"])
        case "string_pattern_mismatch":
            said = f"{value!r} {_pattern(str(value), context['pattern'])}"
        case _:
            said = f"{value!r} {_other(error)}"
            said += "" if context.keys() & BOUNDS.keys() else _example(model, path)
    return f"{key}: {said}"


def _other(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    for bound, words in BOUNDS.items():
        if bound in context:
            return f"must be {words} {context[bound]}, the nearest valid value"
    if error["type"] == "tuple_type":
        example = "" if error["input"] is None else f", such as [{error['input']}]"
        return f"should be a list{example}"
    message = error["msg"].replace("Input should be", "should be")
    return f"{message[0].lower()}{message[1:]}"


def _pattern(value: str, pattern: str) -> str:
    words = "names files, so it is made of a to z, 0 to 9, and single . and - between them"
    better = re.sub(r"[^a-z0-9.]+", "-", value.lower()).strip(".-")
    return f"{words}; did you mean {better!r}?" if re.search(pattern, better) else words


def _suggestion(path: list[str], model: type[BaseModel]) -> str:
    """Suggest the same key where it belongs, one level down, or else the nearest one here."""
    fields = _fields(model, path[:-1])
    homes = [f"{name}.{path[-1]}" for name in fields if path[-1] in _fields(model, [name])]
    at_home = homes and len(path) == 1
    return f"; did you mean {homes[0]!r}?" if at_home else nearest(path[-1], fields)


def _fields(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Return the keys that are valid at ``path``."""
    return list(_model_at(model, path).model_fields)


def _example(model: type[BaseModel], path: Sequence[str]) -> str:
    """Return « such as x» for the default of a key, or nothing where it has none."""
    field = _model_at(model, path[:-1]).model_fields.get(path[-1]) if path else None
    default = None if field is None else field.default
    return f", such as {default}" if isinstance(default, bool | int | float | str) else ""


def _model_at(model: type[BaseModel], path: Sequence[str]) -> type[BaseModel]:
    here: Any = model
    for part in path:
        field = here.model_fields.get(part)
        if field is None:
            continue  # a key of a mapping, whose value type was taken already
        models = (a for a in (field.annotation, *get_args(field.annotation)) if _is_model(a))
        here = next(models, here)
    return here  # type: ignore[no-any-return]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
