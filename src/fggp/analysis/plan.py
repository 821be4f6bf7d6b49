"""The declared plan of the analysis, and the other declarations: read, checked, never guessed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, field_validator

from fggp.foundation.errors import ResultError
from fggp.foundation.quantities import percent
from fggp.foundation.validation import ConfigError, explain
from fggp.study.cell import Count, Index, Name, Record
from fggp.study.yaml_loader import UniqueKeys

STATS = Path("config/stats.yaml")
BUILT_IN = "the one inside the package"

Step = Literal[
    "omnibus", "rivals", "critical-difference", "per-setting", "pairing", "sensitivity", "leave-out"
]  # fmt: skip
Chance = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class DefaultReading(Record):
    """What decides which reading of the abstract the method of that name is."""

    study: Name
    test: Literal["grid"]
    family: Literal["variants"]
    change: Literal["better"]
    confirm: Name


class Plan(Record):
    """What is compared with what, and how; see the comments in ``config/stats.yaml``."""

    reference: Name
    primary: Literal["last"]
    alpha: Chance
    rope: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    family: Literal["rivals"]
    spread: Literal["tested"]
    interval_seeds: Annotated[int, Field(strict=True, ge=3)]
    order: tuple[Step, ...]
    fewest_seeds: Annotated[int, Field(strict=True, ge=3)]
    resamples: Count
    seed: Index
    power: Chance
    default_reading: DefaultReading

    @field_validator("order")
    @classmethod
    def _every_step_once(cls, order: tuple[Step, ...]) -> tuple[Step, ...]:
        steps = get_args(Step)
        if sorted(order) != sorted(steps):
            raise ValueError(f"must hold each of {', '.join(steps)} once")
        return order

    @property
    def confidence(self) -> str:
        """The level of the intervals in words: 95 %."""
        return percent(1 - self.alpha)


def read_plan() -> tuple[Plan, str]:
    """Return the plan and where it stands: `STATS` over the one inside the package.

    Raises ResultError with one line where the file cannot be used.
    """
    raw = plain(built_in(STATS.name))
    if not STATS.exists():
        return Plan(**raw), BUILT_IN
    return _checked(STATS, raw | _mapping(STATS)), str(STATS)


@cache
def default_plan() -> Plan:
    """Return the plan inside the package."""
    return Plan(**plain(built_in(STATS.name)))


def built_in(name: str) -> Path:
    """Return the path of a declaration inside the package."""
    return Path(__file__).with_name(name)


def plain(path: Path) -> Any:
    """Read a YAML file, equal keys refused; raises ResultError with one line."""
    try:
        return yaml.load(path.read_text(), Loader=UniqueKeys)
    except (yaml.YAMLError, ConfigError, ValueError, OSError) as error:
        raise ResultError(f"{path}: {' '.join(str(error).split())}") from None


def _mapping(path: Path) -> dict[str, Any]:
    raw = plain(path)
    if not (raw is None or isinstance(raw, dict)) or not all(
        isinstance(key, str) for key in raw or ()
    ):
        raise ResultError(f"{path}: a plan is a mapping of keys, such as `alpha: 0.05`")
    return raw or {}


def _checked(path: Path, raw: dict[str, Any]) -> Plan:
    try:
        return Plan(**raw)
    except ValidationError as error:
        raise ResultError(f"{path}: {explain(error, Plan)}") from None
