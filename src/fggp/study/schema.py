"""The JSON Schema of studies, for editors: each key with its meaning, its default and examples.

Meanings are taken from the docstrings of the records in `fggp.study.config_records` and
`fggp.study.cell`, and of the function of each method. The loader checks more than a schema can,
such as values that do not fit the images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from fggp.foundation.docstrings import docstring
from fggp.foundation.exact import plain, ratio
from fggp.methods import METHODS, Definition
from fggp.models.registry import NAME, names
from fggp.study.cell import Pruning, Training
from fggp.study.config_records import BackboneBlock, Data, Study

Json = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
RECORDS: tuple[type[BaseModel], ...] = (Study, Data, BackboneBlock, Training, Pruning)
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
NUMBER = r"^[-+]?[0-9.]+([eE][-+]?[0-9]+)?(/[0-9]+)?$"
"""A number as text: a fraction, or a form that YAML does not read as a number (5e-4)."""
BASE = {
    "type": "string",
    "description": "Another study in this folder to start from. Keys of `training` and `pruning` "
    "are merged one by one; every other key replaces that of the base as a whole.",
    "examples": ["mini.yaml"],
}


def study_schema() -> Json:
    """Return the JSON Schema of a study file, with the methods that are registered."""
    schema = Study.model_json_schema()
    definitions = schema["$defs"]
    for record in RECORDS:
        _describe(schema if record is Study else definitions[record.__name__], record)
    schema["properties"] = {"base": BASE, **schema["properties"]}
    schema["properties"]["backbones"] |= _networks()
    methods = schema["properties"]["methods"]
    (pattern,) = methods.pop("patternProperties")  # else these would match known labels too
    methods |= {"propertyNames": {"pattern": pattern}, **_labels()}
    definitions |= {f"settings-of-{name}": _settings(METHODS[name]) for name in METHODS}
    definitions["method"] = {"allOf": [_chosen(name) for name in METHODS]}
    needed = schema.pop("required")
    schema["allOf"] = [
        {"if": {"not": {"required": ["base"]}}, "then": {"required": needed}},
        # A base can have plugins, and these can add methods of other names.
        {
            "if": {"not": {"anyOf": [{"required": ["base"]}, {"required": ["plugins"]}]}},
            "then": {"properties": {"methods": _built_in()}},
        },
    ]
    _write_out_numbers(schema)
    return {"$schema": DIALECT, **schema, "title": "A study of fggp"}


def key_rows(schema: Json) -> Iterator[tuple[str, str, str]]:
    """Yield key, default in YAML (or nothing) and meaning of all keys except those of methods."""
    blocks = {"data": "Data", "backbones": "BackboneBlock"}
    blocks |= {"training": "Training", "pruning": "Pruning"}
    for key, about in schema["properties"].items():
        block = blocks.get(key)
        yield key, "" if block else _default(about), about["description"]
        if block:
            inside = f"{key}.NAME" if key == "backbones" else key
            for name, its in schema["$defs"][block]["properties"].items():
                yield f"{inside}.{name}", _default(its), its["description"]


def _describe(schema: Json, model: type[BaseModel]) -> None:
    """Add meanings and examples to the keys of a record."""
    parts = docstring(model)
    schema["description"] = " ".join([parts.summary, *parts.text])
    for name, about in schema["properties"].items():
        about.pop("title", None)
        about["description"] = _sentence(parts.arguments[name])
        if "examples" not in about and about.get("default") is not None:
            about["examples"] = [about["default"]]


def _networks() -> Json:
    """Return the schema below ``backbones``: networks of the package, and others by source."""
    block = {"$ref": "#/$defs/BackboneBlock"}
    return {
        "propertyNames": {"pattern": f"^{NAME.pattern}$"},
        "properties": dict.fromkeys(names(), block),
        "additionalProperties": {"allOf": [block, {"required": ["source"]}]},
    }


def _labels() -> Json:
    """Return the schema below ``methods``: settings of a method, checked where it is known."""
    properties = {
        name: {
            "description": definition.summary,
            "type": ["object", "null"],
            "if": {"type": "object", "not": {"required": ["method"]}},
            "then": {"$ref": f"#/$defs/settings-of-{name}"},
            "else": {"$ref": "#/$defs/method"},
        }
        for name, definition in METHODS.items()
    }
    other = {"type": ["object", "null"], "$ref": "#/$defs/method"}
    return {"properties": properties, "additionalProperties": other}


def _chosen(name: str) -> Json:
    """Return the check of settings that name a method."""
    return {
        "if": {
            "type": "object",
            "required": ["method"],
            "properties": {"method": {"const": name}},
        },
        "then": {"$ref": f"#/$defs/settings-of-{name}"},
    }


def _built_in() -> Json:
    """Return the schema below ``methods`` if all methods are known: other labels name one."""
    method = {"enum": sorted(METHODS), "description": "The method that these settings belong to."}
    other = {"type": "object", "required": ["method"], "properties": {"method": method}}
    return {"properties": dict.fromkeys(METHODS, True), "additionalProperties": other}


def _settings(definition: Definition) -> Json:
    """Return the settings of a method."""
    schema = definition.settings.model_json_schema()
    schema["description"] = definition.summary
    for name, about in schema.setdefault("properties", {}).items():
        about.pop("title", None)
        about["description"] = _sentence(definition.docstring.arguments[name])
        about["examples"] = [about["default"]]
    schema["properties"]["method"] = {"type": "string", "description": "The method."}
    return schema


def _sentence(text: str) -> str:
    """Return a meaning with a capital letter if it begins with a word and not with a symbol."""
    return text[0].upper() + text[1:] if text[:2].isascii() and text[:2].isalpha() else text


def _write_out_numbers(node: Any) -> None:
    """Express exact numbers in JSON Schema: their bounds, and the pattern of a fraction."""
    if isinstance(node, list):
        for each in node:
            _write_out_numbers(each)
    elif isinstance(node, dict):
        parts = node.get("anyOf", ())
        if {"type": "string", "format": "fraction"} in parts:
            bounds = {BOUNDS[key]: node.pop(key) for key in [*BOUNDS] if key in node}
            if "exclusiveMinimum" in bounds:
                bounds.pop("minimum", None)
            if "exclusiveMaximum" in bounds:
                bounds.pop("maximum", None)
            node["anyOf"] = [{"type": "number", **bounds}, {"type": "string", "pattern": NUMBER}]
            if isinstance(node.get("default"), str):
                node["default"] = plain(ratio(node["default"]))
                node["examples"] = [node["default"]]
        for each in node.values():
            _write_out_numbers(each)


def _default(about: Json) -> str:
    """Return a default as written in YAML; empty where a key has none."""
    value = about.get("default")
    if value in (None, "", []):
        return ""
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
