"""The text of a study, and of those that it builds on, as plain data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fggp.foundation.validation import ConfigError, nearest

MERGED = ("training", "pruning")


def read_study(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the keys of a study, with those of its ``base`` where it does not say them itself.

    Keys of `MERGED` are merged one by one; every other key replaces that of the base as a whole.
    ``above`` are the studies that name this one as their base. Raises ConfigError.
    """
    raw = _mapping(path)
    base = raw.pop("base", None)
    if base is None:
        return raw
    above = (*above, path.resolve())
    if not isinstance(base, str) or "\0" in base or (path.parent / base).resolve() in above:
        raise ConfigError(f"{path}: base: {base!r} is not the name of another study beside it")
    try:
        below = read_study(path.parent / base, above)
    except ConfigError as error:
        raise ConfigError(f"{path}: base: {error}") from None
    return {**below, **raw, **_merged(path, below, raw)}


def studies(folder: Path) -> list[Path]:
    """Return the files of a folder that look like studies."""
    return sorted(path for path in folder.glob("*.yaml") if _looks_like_a_study(path))


def _merged(path: Path, below: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    merged = {}
    for key in MERGED:
        if isinstance(raw.get(key), dict) and key in below:
            if not isinstance(below[key], dict):
                raise ConfigError(f"{path}: base: its {key} is {below[key]!r} and not a mapping")
            merged[key] = {**below[key], **raw[key]}
    return merged


def _mapping(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=UniqueKeys)
    except FileNotFoundError:
        known = [str(study) for study in studies(path.parent)]
        raise ConfigError(f"{path}: no such study{nearest(str(path), known)}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is not UTF-8; save the file in that encoding"
        ) from None
    except RecursionError:
        raise ConfigError(
            f"{path}: brackets stand too deep in each other; see config/README.md"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a YAML file") from None
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{path}: {_place(error)}") from None
    except (yaml.YAMLError, ConfigError, ValueError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: a study is a mapping of keys; see config/README.md")
    for key in raw:
        if not isinstance(key, str):
            raise ConfigError(f"{path}: {key!r}: a key is a text")
    return raw


def _place(error: yaml.MarkedYAMLError) -> str:
    mark, problem = error.problem_mark, " ".join(str(error.problem).split())
    line = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    fix = "indent with spaces" if r"'\t'" in problem else "fix the YAML there"
    return f"{line}{problem}; {fix}"


def _looks_like_a_study(path: Path) -> bool:
    try:
        lines = path.read_text().splitlines()
    except (OSError, ValueError):
        return False
    return any(line.startswith(("base:", "backbones:")) for line in lines)


class UniqueKeys(yaml.SafeLoader):
    """YAML takes the last of two equal keys without a word; a study must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands twice."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise ConfigError(f"{twice[0]}: stands twice; keep one of them")
        return super().construct_mapping(node, deep)
