"""The parts of pruning methods, and the pruner that applies a method in any loop.

The parts of a method are imported from here; none of them needs torch to be imported.
"""

from fggp.pruning.annealing import ONE, ZERO, Annealed, Rate, RateSchedule, rate_schedule
from fggp.pruning.combined_scores import SCORES, Combination
from fggp.pruning.deep_rewiring import Rewire, fix_signs
from fggp.pruning.distributions import erk, uniform
from fggp.pruning.elastic_mutation import SHARES, Memory, PruneGrow, Surplus
from fggp.pruning.filters.counts import Budget, FilterCounts, Multiple, Scope
from fggp.pruning.filters.initial import Filters
from fggp.pruning.filters.recipes import filters_after_training
from fggp.pruning.filters.rules import Mean, PruneFilters, Slim, Stages
from fggp.pruning.filters.scores import (
    FilterScore,
    activation,
    geometric_median,
    l1,
    l2,
    random_channels,
    rank,
    taylor,
)
from fggp.pruning.initial_masks import (
    ERK,
    Grasp,
    InitialGroups,
    Random,
    Snip,
    Synflow,
    everything,
)
from fggp.pruning.mask_update import (
    Blend,
    Score,
    Selection,
    Update,
    Weights,
    forward_magnitude,
    gradient,
    magnitude,
    magnitude_at,
    random_score,
    read_by,
    reads,
)
from fggp.pruning.recipe import Recipe, Rounds, Soft
from fggp.pruning.rules import Choose, DropGrow, PruneTo, Rule, Sequence, Shrink, clear
from fggp.pruning.schedules import (
    Constant,
    Cosine,
    Cubic,
    Geometric,
    Linear,
    Staged,
    at_the_end,
    held,
)
from fggp.pruning.selections import (
    Floored,
    InGroups,
    Largest,
    PerLayer,
    Pool,
    TwoStage,
    of_active,
    of_kept,
    of_quota,
)
from fggp.pruning.timing import Method, Timing
from fggp.pruning.topk import keep_largest

__all__ = [
    "ERK",
    "ONE",
    "SCORES",
    "SHARES",
    "ZERO",
    "Annealed",
    "Blend",
    "Budget",
    "Choose",
    "Combination",
    "Constant",
    "Cosine",
    "Cubic",
    "DropGrow",
    "FilterCounts",
    "FilterScore",
    "Filters",
    "Floored",
    "Geometric",
    "Grasp",
    "InGroups",
    "InitialGroups",
    "Largest",
    "Linear",
    "Mean",
    "Memory",
    "Method",
    "Multiple",
    "PerLayer",
    "Pool",
    "PruneFilters",
    "PruneGrow",
    "PruneTo",
    "Random",
    "Rate",
    "RateSchedule",
    "Recipe",
    "Rewire",
    "Rounds",
    "Rule",
    "Scope",
    "Score",
    "Selection",
    "Sequence",
    "Shrink",
    "Slim",
    "Snip",
    "Soft",
    "Staged",
    "Stages",
    "Surplus",
    "Synflow",
    "Timing",
    "TwoStage",
    "Update",
    "Weights",
    "activation",
    "at_the_end",
    "clear",
    "erk",
    "everything",
    "filters_after_training",
    "fix_signs",
    "forward_magnitude",
    "geometric_median",
    "gradient",
    "held",
    "keep_largest",
    "l1",
    "l2",
    "magnitude",
    "magnitude_at",
    "of_active",
    "of_kept",
    "of_quota",
    "random_channels",
    "random_score",
    "rank",
    "rate_schedule",
    "read_by",
    "reads",
    "taylor",
    "uniform",
]
