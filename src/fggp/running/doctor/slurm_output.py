"""Parse the output of Slurm's commands; tolerant of additional output in other versions."""

from __future__ import annotations

import re
from typing import NamedTuple

from fggp.foundation.errors import Failure
from fggp.running.slurm_time import seconds_of


class Partition(NamedTuple):
    """A partition: its name, whether it is the default, its GPUs per node, its limit in minutes.

    ``minutes`` is None if it has no limit, and ``gpus`` 0 if its nodes have none. ``types`` are
    those of its GPUs, "" for a GPU without a type in Slurm.
    """

    name: str
    default: bool
    gpus: int
    minutes: float | None
    up: bool
    types: frozenset[str] = frozenset()


def settings(text: str) -> dict[str, str]:
    """Read ``scontrol show config``: one «Key = value» on each line."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def fields(text: str) -> list[dict[str, str]]:
    """Read ``scontrol show … --oneliner``: «Key=value» words, one record on each line."""
    lines = [line for line in text.splitlines() if "=" in line]
    return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]


def partitions(text: str) -> list[Partition]:
    """Read ``sinfo --noheader --format=%P|%a|%l|%G``; a partition has a line per kind of node."""
    found: dict[str, Partition] = {}
    for line in text.splitlines():
        words = [word.strip() for word in line.split("|")]
        if len(words) != 4:
            continue
        name, up, limit, gres = words
        before = found.get(name.rstrip("*"))
        kinds = _gpus(gres)
        gpus = max(sum(count for _, count in kinds), before.gpus if before else 0)
        types = {kind for kind, count in kinds if count} | (before.types if before else set())
        found[name.rstrip("*")] = Partition(
            name.rstrip("*"), name.endswith("*"), gpus, minutes(limit), up == "up", frozenset(types)
        )
    return list(found.values())


def minutes(text: str) -> float | None:
    """Read a time limit in minutes; None if there is none."""
    try:
        limit = seconds_of(text.strip())
    except Failure:
        return None
    return None if limit is None else limit / 60


def seconds(text: str) -> int | None:
    """Read «300 sec»; None for another text."""
    matched = re.match(r"(\d+)", text)
    return int(matched.group(1)) if matched else None


def _gpus(gres: str) -> list[tuple[str, int]]:
    """Return type and number of GPUs in «gpu:4», «gpu:a100:4(S:0-1),shard:8» or «(null)»."""
    kinds = re.findall(r"(?:^|,)(?:gres/)?gpu(?::([^,:(]+))?:(\d+)", gres)
    return [(kind.lower(), int(count)) for kind, count in kinds]
