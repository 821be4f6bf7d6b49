"""YAML for studies: duplicate keys, and values that YAML 1.1 and 1.2 read differently, are errors.

PyYAML follows YAML 1.1, in which 010 is 8, 1:30 is 90 and 2024-01-01 is a date. Later versions of
YAML read the first two as 10 and as text.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from fggp.foundation.validation import ConfigError

MERGE, VALUE, DATE = (f"tag:yaml.org,2002:{kind}" for kind in ("merge", "value", "timestamp"))
OCTAL = re.compile(r"[-+]?0[0-7_]+")


class UniqueKeys(yaml.SafeLoader):
    """A loader like `yaml.SafeLoader`, with merge keys (``<<: *anchor``).

    YAML silently takes the last of two equal keys; here they are refused, as are numbers that
    versions of YAML read differently. Dates stay text.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._seen: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse a duplicate key; afterwards merged keys may occur next to own ones."""
        if id(node) not in self._seen:
            self._seen.add(id(node))
            keys = [self._key(key) for key, _ in node.value]
            twice = [key for key in keys if keys.count(key) > 1]
            if twice == ["<<"] * len(twice) and twice:
                raise ConfigError("<<: duplicate key; merge several with one, as in `<<: [*a, *b]`")
            if twice:
                raise ConfigError(f"{twice[0]}: duplicate key; keep one of them")
        super().flatten_mapping(node)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Refuse an integer that YAML 1.1 and 1.2 read differently."""
        number: int = super().construct_yaml_int(node)
        if OCTAL.fullmatch(node.value) and number:
            plain = node.value.replace("_", "").lstrip("+-0")
            raise ConfigError(
                f"{_line(node)}{node.value} is {number} in YAML 1.1 and {plain} in YAML 1.2; "
                f"write one of them, or quote it if it is a string"
            )
        _refuse_sixties(node, number)
        return number

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """Refuse a number that YAML 1.1 and 1.2 read differently."""
        number: float = super().construct_yaml_float(node)
        _refuse_sixties(node, number)
        return number

    def _key(self, node: yaml.Node) -> Any:
        if node.tag in (MERGE, VALUE):
            return node.value
        return self.construct_object(node, deep=True)


def _refuse_sixties(node: yaml.ScalarNode, number: float) -> None:
    if ":" in node.value:
        raise ConfigError(
            f"{_line(node)}{node.value} is {number:g} in YAML 1.1, which counts in sixties; "
            f"write that number, or quote {node.value} if it is a string"
        )


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}, column {node.start_mark.column + 1}: "


UniqueKeys.add_constructor("tag:yaml.org,2002:int", UniqueKeys.construct_yaml_int)
UniqueKeys.add_constructor("tag:yaml.org,2002:float", UniqueKeys.construct_yaml_float)
UniqueKeys.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != DATE]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
