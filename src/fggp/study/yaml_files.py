"""The text of a study, and of its bases, as plain data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from fggp.foundation.validation import ConfigError, nearest
from fggp.study.cell import LONGEST_NAME
from fggp.study.yaml_loader import UniqueKeys

MERGED = ("training", "pruning")
NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")
"""The pattern of study names, which occur in paths, commands and Snakemake patterns."""


FIXES = {
    r"'\t'": "indent with spaces",
    "another document": "keep one of them per file",
    "could not determine a constructor": "remove the tag",
    "undefined alias": "name an anchor (&NAME) defined above it",
}
"""The fix for each complaint of PyYAML, by words in the complaint."""


def check_name(name: str) -> None:
    """Check the name of a study, the stem of its file; raises ConfigError."""
    if NAME.fullmatch(name) and len(name) <= LONGEST_NAME:
        return
    better = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip(".-")[:LONGEST_NAME].strip(".-")
    hint = f"; rename the file, to {better!r} for example" if better else "; rename the file"
    raise ConfigError(
        f"{name!r} names the results folder of the study: only A–Z, a–z, 0–9 and _ are allowed, "
        f"with . and - between them, and at most {LONGEST_NAME} characters{hint}"
    )


def read_study(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the keys of a study, with those of its ``base`` for keys that it does not set.

    Keys of `MERGED` are merged one by one; every other key replaces that of the base as a whole.
    ``above`` are the studies that name this one as their base. Raises ConfigError.
    """
    raw = _mapping(path)
    base = raw.pop("base", None)
    if base is None:
        return raw
    above = (*above, path.resolve())
    if not isinstance(base, str) or "\0" in base or (path.parent / base).resolve() in above:
        raise ConfigError(f"{path}: base: {base!r} is not the name of another study next to it")
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
        raise ConfigError(f"{path}: no such study{_near(path)}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is not UTF-8; save the file in that encoding"
        ) from None
    except RecursionError:
        raise ConfigError(f"{path}: too many nested brackets; see config/README.md") from None
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
            raise ConfigError(f"{path}: {key!r}: keys must be strings")
    return raw


def _near(path: Path) -> str:
    """Return the end of a complaint about a missing file."""
    known = [str(study) for study in studies(path.parent)]
    return nearest(str(path), known, str(path.parent))


def _place(error: yaml.MarkedYAMLError) -> str:
    mark, problem = error.problem_mark, " ".join(str(error.problem).split())
    line = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    fix = next((fix for words, fix in FIXES.items() if words in problem), "fix the YAML there")
    return f"{line}{problem}; {fix}"


def _looks_like_a_study(path: Path) -> bool:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError):
        return False
    return any(line.startswith(("base:", "backbones:")) for line in lines)
