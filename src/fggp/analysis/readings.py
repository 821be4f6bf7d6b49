"""Which labels of a study are readings of the abstract, and the claims under each of them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from statistics import fmean
from typing import Any, NamedTuple

import pandas as pd
from pandas import DataFrame

from fggp.analysis.claims import claims, read_claims
from fggp.analysis.frames import DENSE
from fggp.analysis.material import Material
from fggp.analysis.plan import Plan
from fggp.methods.fggp import AMOUNTS, alone
from fggp.rates import Annealed, course
from fggp.ratio import ratio

METHOD = "fggp"
FIRST, SECOND = "gradient-first", "magnitude-first"


class Arm(NamedTuple):
    """A label that is fggp, with its settings as in ``cells.json``."""

    label: str
    settings: dict[str, Any]

    @property
    def amount(self) -> Any:
        """How much the second criterion decides: a number, or a schedule of one."""
        return self.settings[AMOUNTS[self.settings["pool"]]]

    @property
    def annealed(self) -> bool:
        """Whether that amount changes in a training."""
        return isinstance(self.amount, dict)

    def is_at(self, amount: float | Fraction) -> bool:
        """Whether it has that amount, to three decimals, throughout."""
        return not self.annealed and abs(float(ratio(self.amount)) - amount) < 0.001

    @property
    def is_reading(self) -> bool:
        """Whether it is what the abstract says: gradient first, both criteria, a fixed rate."""
        both = alone(self.settings) is None
        return self.settings["order"] == FIRST and both and not self.annealed

    def others(self, *keys: str) -> dict[str, Any]:
        """Return the settings without some."""
        return {key: value for key, value in self.settings.items() if key not in keys}

    def apart(self, default: Arm) -> str:
        """Return in words what is set otherwise than in ``default``."""
        return apart(self.settings, default.settings) or "the default"


def apart(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Return in words what the settings of a method are otherwise than by default, if anything."""
    return ", ".join(
        f"{key.replace('_', ' ')} {_words(value)}"
        for key, value in settings.items()
        if value != defaults[key]
    )


def arms(configuration: Mapping[str, Any]) -> list[Arm]:
    """Return the labels of fggp of a study in its order, with results or without."""
    methods = configuration.get("methods", {})
    return [
        Arm(label, method["settings"])
        for label, method in methods.items()
        if method["name"] == METHOD
    ]


def means(material: Material) -> dict[str, float]:
    """Return the mean amount of each annealed label of fggp that has results."""
    found = {
        arm.label: mean_amount(material, arm.label, arm.amount)
        for arm in arms(material.configuration)
        if arm.annealed
    }
    return {label: mean for label, mean in found.items() if mean is not None}


def mean_amount(material: Material, label: str, annealed: Mapping[str, Any]) -> float | None:
    """Return the mean of a schedule over the updates of its trainings, None without any."""
    updates = material.joined(material.updates, material.shown)
    own = updates[updates["label"] == label]
    if own.empty:
        return None
    if annealed["over"] == "window":
        progress = own["update"] / own["update"].max()
    else:
        progress = own["step"] / (own["steps_per_epoch"] * own["epochs"])
    schedule = course("rate", Annealed(**annealed), most=None).schedule
    return fmean(float(schedule(Fraction(value))) for value in progress)


def rivals(arm: Arm, configuration: Mapping[str, Any], mean: Mapping[str, float]) -> dict[str, str]:
    """Return what the claims compare a reading with: its own label by the one in the claims.

    The other order changes that setting and no other. Annealing too, where its amount is that of
    the reading on average over its updates (``mean`` of its label), or else at its start: another
    level would be compared with it. Where one criterion decides alone pools are alike, and
    magnitude alone is GMP of the same scope, where no weight returns.
    """
    known = arms(configuration)
    amounts = tuple(AMOUNTS.values())
    twins = [it for it in known if it.annealed and it.others(*amounts) == arm.others(*amounts)]
    found = {
        "fggp-magnitude-first": [
            it.label
            for it in known
            if it.settings["order"] == SECOND and it.others("order") == arm.others("order")
        ],
        "fggp-annealed": [
            *(it.label for it in twins if it.label in mean and arm.is_at(mean[it.label])),
            *(it.label for it in twins if arm.is_at(ratio(it.amount["start"]))),
        ],
        "fggp-r0": [
            it.label
            for it in known
            if alone(it.settings) == "gradient"
            and it.others("pool", *amounts) == arm.others("pool", *amounts)
        ],
        "gmp": [
            label
            for label, method in configuration.get("methods", {}).items()
            if method["name"] == "gmp"
            and method["settings"]["scope"] == arm.settings["scope"]
            and arm.settings["grow"] == "none"
            and not arm.settings["floor"]
        ],
    }
    return {name: labels[0] for name, labels in found.items() if labels}


def claims_under(
    runs: DataFrame,
    arm: Arm,
    configuration: Mapping[str, Any],
    mean: Mapping[str, float],
    plan: Plan,
) -> DataFrame:
    """Decide every claim as if a reading were the method; returns what `claims` returns.

    Claims about ranks and about the dense network meet the methods that are not fggp; claims about
    a criterion, the order or annealing meet the rivals of that reading (`rivals`).
    """
    own = {label for label in runs["label"] if label in {it.label for it in arms(configuration)}}
    among_methods = _as_named(runs, {arm.label: plan.reference} | _same(set(runs["label"]) - own))
    named = {label: name for name, label in rivals(arm, configuration, mean).items()}
    with_rivals = _as_named(runs, named | {arm.label: plan.reference, DENSE: DENSE})
    declared = read_claims()[0].claims
    compared = {name for name, claim in declared.items() if "rival" in claim.where}
    decided = [
        claims(among_methods, plan, declared.keys() - compared),
        claims(with_rivals, plan, compared),
    ]
    return pd.concat(decided, ignore_index=True)


def _as_named(runs: DataFrame, names: Mapping[str, str]) -> DataFrame:
    """Return the runs of some labels, each under the name it has there."""
    chosen = runs[runs["label"].isin(list(names))]
    return chosen.assign(label=chosen["label"].map(names).astype("str"))


def _same(labels: set[str]) -> dict[str, str]:
    return {label: label for label in labels}


def _words(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return f"{value['schedule']} {value['start']} to {value['end']} over the {value['over']}"
