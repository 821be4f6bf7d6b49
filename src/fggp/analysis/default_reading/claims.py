"""The verdicts of each claim under every variant of fggp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pandas import DataFrame

from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.fggp_variants import Arm, arms, rivals
from fggp.analysis.plan import Plan
from fggp.analysis.tables.claims import claims, read_claims


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
    declared = read_claims()[0].claims
    compared = {name: claim for name, claim in declared.items() if claim.rivals}
    own_rivals = rivals(arm, configuration, mean)
    named = {arm.label: plan.reference, DENSE: DENSE}
    for claim in compared.values():
        if claim.changes is None:  # a rival of every reading
            named |= _same(set(claim.rivals))
        elif claim.changes in own_rivals:
            named[own_rivals[claim.changes]] = claim.rivals[0]
    with_rivals = _as_named(runs, named)
    decided = [
        claims(among_methods, plan, declared.keys() - compared.keys()),
        claims(with_rivals, plan, compared),
    ]
    return pd.concat(decided, ignore_index=True)


def _as_named(runs: DataFrame, names: Mapping[str, str]) -> DataFrame:
    """Return the runs of some labels, each under the name it has there."""
    chosen = runs[runs["label"].isin(list(names))]
    return chosen.assign(label=chosen["label"].map(names).astype("str"))


def _same(labels: set[str]) -> dict[str, str]:
    return {label: label for label in labels}
