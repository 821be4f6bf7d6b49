"""The labels of a study that are `fggp`, and the differences in their settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import fmean
from typing import Any, NamedTuple

from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figure_style import Look
from fggp.analysis.study_tables import Material
from fggp.foundation.exact import ratio
from fggp.methods.fggp import AMOUNTS, alone
from fggp.pruning.annealing import Annealed, rate_schedule

METHOD = "fggp"
FIRST = "gradient-first"
ORDERS = (FIRST, "magnitude-first")


def is_candidate(settings: Mapping[str, Any]) -> bool:
    """Whether settings of fggp put the gradient first, use both criteria and have a fixed rate."""
    fixed = not isinstance(settings[AMOUNTS[settings["pool"]]], dict)
    return settings["order"] == FIRST and alone(settings) is None and fixed


def apart(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Return in words the settings of a method that differ from the default, if any."""
    return ", ".join(
        f"{key.replace('_', ' ')} {_words(value)}"
        for key, value in settings.items()
        if value != defaults[key]
    )


def mean_amount(material: Material, label: str, annealed: Mapping[str, Any]) -> float | None:
    """Return the mean of a schedule over the updates of its trainings; None without updates."""
    updates = material.joined(material.updates, material.shown)
    own = updates[updates["label"] == label]
    if own.empty:
        return None
    if annealed["over"] == "window":
        progress = own["update"] / own["update"].max()
    else:
        progress = own["step"] / (own["steps_per_epoch"] * own["epochs"])
    schedule = rate_schedule("rate", Annealed(**annealed), most=None).schedule
    return fmean(float(schedule(Fraction(value))) for value in progress)


def _words(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return f"{value['schedule']} {value['start']} to {value['end']} over the {value['over']}"


SHARES = {
    "active": "share of the active weights that the second criterion chooses from",
    "kept": "share of the kept weights that the second criterion decides",
}


"""The base of a rate, by pool; candidates per pruned weight (quota) are not a share."""


class Variant(NamedTuple):
    """A label of fggp: its order, its rate as in ``cells.json``, and all other settings as text.

    The rate is the setting that sets the size of its pool.
    """

    label: str
    order: str
    setting: Any
    rest: str

    @property
    def rate(self) -> float | None:
        """The constant rate; None if it is annealed."""
        return None if isinstance(self.setting, dict) else float(ratio(self.setting))

    @property
    def pool(self) -> str:
        """The base of its rate."""
        return str(json.loads(self.rest)["pool"])

    @property
    def words(self) -> str:
        """The rate in words, such as ``cosine 0.5 to 0.005 over training``."""
        if self.rate is not None:
            return f"constant {self.rate:.4g}"
        first, last = (f"{float(ratio(self.setting[end])):.4g}" for end in ("start", "end"))
        return f"{self.setting['schedule']} {first} to {last} over {self.setting['over']}"


def variants(material: Material) -> list[Variant]:
    """Return the labels of fggp in the order of the study, with or without results."""
    found = []
    for label, method in material.configuration.get("methods", {}).items():
        settings = dict(method["settings"])
        if method["name"] == METHOD and settings.get("pool") in SHARES:
            rate, order = settings.pop(AMOUNTS[settings["pool"]]), settings.pop("order")
            found.append(Variant(label, order, rate, json.dumps(settings, sort_keys=True)))
    return found


def magnitude_alone(material: Material, rest: str) -> list[str]:
    """Return the labels of GMP that fggp with these other settings equals if magnitude decides.

    That is at rate 1 with the gradient first, and at rate 0 with the magnitude first.
    """
    settings = json.loads(rest)
    if settings.get("floor"):
        return []
    alike = ("scope", "weights")
    return [
        label
        for label, method in material.configuration["methods"].items()
        if method["name"] == "gmp"
        and all(method["settings"].get(key) == settings.get(key) for key in alike)
    ]


def look_of(material: Material, found: Sequence[Variant], order: str) -> Look:
    """Return the look of an order of the criteria: that of its first label of a constant rate."""
    own = [v.label for v in found if v.order == order and v.rate is not None]
    first = METHOD if METHOD in own else next(iter(own), DENSE)
    return material.looks[first]._replace(line="-")
