"""Read and check the declared plan of the analysis and the other declarations."""

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
from fggp.study.study_folder import CELLS, read_configuration
from fggp.study.yaml_loader import UniqueKeys

STATS = Path("config/stats.yaml")
BUILT_IN = "the one inside the package"

Step = Literal[
    "omnibus", "rivals", "critical-difference", "per-setting", "pairing", "sensitivity", "leave-out"
]  # fmt: skip
Chance = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class DefaultReading(Record):
    """The rule that chooses the default reading of the abstract."""

    study: Name
    test: Literal["grid"]
    family: Literal["variants"]
    change: Literal["better"]
    confirm: Name


class Plan(Record):
    """The comparisons and their statistics; see the comments in ``config/stats.yaml``."""

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
            raise ValueError(f"must contain each of {', '.join(steps)} once")
        return order

    @property
    def confidence(self) -> str:
        """The level of the intervals in words: 95 %."""
        return percent(1 - self.alpha)


def read_plan(study_folder: Path | None = None) -> tuple[Plan, str]:
    """Return the plan and its origin: `STATS` overrides the one inside the package.

    The reference is that of the study, if ``cells.json`` in its folder names one.

    Raises ResultError with one line if a file cannot be used.
    """
    raw, origin = plain(built_in(STATS.name)), BUILT_IN
    if STATS.exists():
        raw, origin = raw | _mapping(STATS), str(STATS)
    plan = _checked(STATS, raw)
    if study_folder is None or not (study_folder / CELLS).exists():
        return plan, origin
    own = read_configuration(study_folder).get("reference")
    if own is None:
        return plan, origin
    return plan.model_copy(update={"reference": own}), f"{origin}, with the reference of the study"


@cache
def default_plan() -> Plan:
    """Return the plan inside the package."""
    return Plan(**plain(built_in(STATS.name)))


def built_in(name: str) -> Path:
    """Return the path of a declaration inside the package."""
    return Path(__file__).with_name(name)


def plain(path: Path) -> Any:
    """Read a YAML file without duplicate keys; raises ResultError with one line."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeys)
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
