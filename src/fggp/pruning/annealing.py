"""Rates in a configuration: a number, or a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, ValidationError

from fggp.foundation.exact import Ratio, plain, ratio
from fggp.foundation.validation import explain
from fggp.pruning.mask_update import Update
from fggp.pruning.schedules import Constant, Cosine, Linear, Schedule

ZERO, ONE = Fraction(0), Fraction(1)


class Annealed(BaseModel):
    """A rate that changes: ``{schedule: cosine, start: 1/2, end: 0.005, over: training}``.

    ``over`` defines when ``end`` is reached: at the end of the pruning window or of the training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: Literal["cosine", "linear"]
    start: Ratio
    end: Ratio
    over: Literal["window", "training"] = "training"


def _read(value: Any) -> Fraction | Annealed:
    if not isinstance(value, dict):
        return value if isinstance(value, Annealed) else ratio(value)
    try:
        return Annealed.model_validate(value)
    except ValidationError as error:
        raise ValueError(explain(error, Annealed)) from None


def _write(value: Fraction | Annealed) -> Any:
    return plain(value) if isinstance(value, Fraction) else value.model_dump(mode="json")


Rate = Annotated[Fraction | Annealed, PlainValidator(_read), PlainSerializer(_write)]


@dataclass(frozen=True)
class RateSchedule:
    """A rate during a training: a schedule over one of the two kinds of progress."""

    schedule: Schedule
    over: Literal["window", "training"] = "training"

    def __call__(self, update: Update) -> Fraction:
        """Return the rate at an update."""
        return self.schedule(update.window if self.over == "window" else update.training)


def rate_schedule(
    name: str, rate: Fraction | Annealed, least: Fraction = ZERO, most: Fraction | None = ONE
) -> RateSchedule:
    """Return a configured rate as one that can be evaluated at an update.

    Raises ValueError, naming the setting, if it leaves the range from ``least`` to ``most``.
    """
    ends = (rate,) if isinstance(rate, Fraction) else (rate.start, rate.end)
    for end in ends:
        if end < least or (most is not None and end > most):
            bound = least if end < least else most
            raise ValueError(f"{name}: {plain(end)} is out of range; the nearest valid is {bound}")
    if isinstance(rate, Fraction):
        return RateSchedule(Constant(rate))
    form = Cosine if rate.schedule == "cosine" else Linear
    return RateSchedule(form(rate.start, rate.end), rate.over)
