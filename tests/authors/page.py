"""The page of differences, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from arms import ARMS, RANKS, Arm
from differences import Differences, Plan, RankDifferences
from their_code import COMMIT, REPOSITORY
from trainings import BATCH, LEARNING_RATE, MOMENTUM, SMOOTHING, WEIGHT_DECAY

from fggp.publishing.report.method_facts import written


@dataclass(frozen=True)
class Run:
    """One compared training.

    Attributes:
        data: the images.
        start: the initial sparsity.
        sparsity: the target.
        arm: the compared arm.
        found: the sums over its updates.

    """

    data: str
    start: Fraction
    sparsity: Fraction
    arm: Arm
    found: Differences | RankDifferences


def page(runs: Sequence[Run], plan: Plan, seed: int, changed: Sequence[str]) -> str:
    """Return the whole page."""
    data = list(dict.fromkeys(run.data for run in runs))
    images = " IMAGES=ARCHIVE" if len(data) > 1 else ""
    of = f"{', '.join(changed)} differ from those of commit" if changed else "commit"
    return "\n".join(
        [
            "# Our masks compared with those of the authors' code",
            "",
            "<!-- Written by `make compare-authors`; change tests/authors/page.py. -->",
            "",
            f"Written by `make compare-authors AUTHORS=PATH{images}`. PATH is a checkout of "
            f"<{REPOSITORY}> ({of} {COMMIT[:7]}). Its mask functions are imported unmodified; they "
            "are not part of this project.",
            "",
            _conclusion(runs),
            "",
            *_conditions(data, plan, seed),
            "",
            "## Given their counts",
            "",
            *_given,
            "",
            *_table(_HEAD, (_row(*it) for it in _sums(runs, ARMS))),
            "",
            *_columns,
            "",
            "## Under our own counts, and with the weights after the step",
            "",
            *_own,
            "",
            *_table(_OWN, (_own_row(*it) for it in _sums(runs, ARMS))),
            "",
            "## Ranks",
            "",
            *_ranks,
            "",
            *_table(_RANKS, (_rank_row(*it) for it in _sums(runs, RANKS))),
            "",
            "## Training by training",
            "",
            *_table(["images", "start", "sparsity", *_HEAD[:1], *_HEAD[3:]], _all(runs)),
            "",
        ]
    )


def _conclusion(runs: Sequence[Run]) -> str:
    found = [run.found for run in runs if isinstance(run.found, Differences)]
    active, beyond = (sum(getattr(it, name) for it in found) for name in ("active", "beyond"))
    return (
        f"The two rules were compared at {active:,} active positions; {beyond:,} differ for a "
        "reason other than a tie (equal scores, including zeros)."
    )


def _conditions(data: Sequence[str], plan: Plan, seed: int) -> list[str]:
    return [
        f"- Images: {' and '.join(data)}.",
        "- Network: VGG-19 at 1/8 width; its first convolution stays dense, as in their script.",
        f"- Training: batches of {BATCH}, SGD with learning rate {LEARNING_RATE}, Nesterov "
        f"momentum {MOMENTUM}, weight decay {WEIGHT_DECAY}, label smoothing {SMOOTHING}; "
        f"seed {seed}.",
        f"- {plan.updates} updates, one every {plan.every} steps, in the first 80 % of "
        f"{plan.steps} steps. A training ends with its last update, as no mask changes after it.",
        "- From dense and from 50 % (an ERK mask with exact count), to 90 % and 98 %.",
        f"- PyTorch {torch.__version__.partition('+')[0]} on a CPU, one thread.",
    ]


_given = [
    "Each training is pruned by their code. At each update our rule gets the same tensors, the",
    "same mask, their number of weights to prune and their number of weights to put back.",
]
_HEAD = ["arm", "in their script", "our settings", "active", "pruned", "differ"]
_HEAD += ["zero score", "ties", "beyond", "theirs too few"]
_columns = [
    "- active: the active weights, summed over all updates of all trainings.",
    "- pruned: of these, the weights that are due to be pruned.",
    "- differ: positions at which the two masks differ. The next three columns say why.",
    "- zero score: the score that decides last is exactly zero there, as it is for other weights;",
    "  ours prunes those with a lower index first.",
    "- ties: the masks agree there once `torch.topk` breaks ties by index, as ours does.",
    "- beyond: neither is the case.",
    "- theirs too few: weights that their code prunes although they are not due. It puts back the",
    "  weights with the largest scores of all active weights; those that it did not remove have a",
    "  score of zero. If too few removed weights have another score, it picks weights that it",
    "  never removed. Ours keeps the count.",
]
_own = [
    "Under our own counts, ours again starts from their mask and their tensors, but with its own",
    "counts: it keeps K of all weights, including the dense first convolution, and its pool is",
    "that of its settings. Their counts include biases and are rounded down. The masks then differ",
    "by the difference of the counts, and by the zero scores and ties above.",
    "",
    "With stepped weights, ours again has their counts, but reads the weights after the step of",
    "the optimizer. Theirs reads those of the forward pass. The last column is the share of the",
    "pruned weights that then differ.",
]
_OWN = ["arm", "pruned", "differ under our counts", "per active"]
_OWN += ["other weights pruned with stepped weights", "per pruned"]
_ranks = [
    "Their code does not rank: it adds or multiplies the indices that sort the two scores. So ours",
    "is compared with a slow reference in numpy; it trains with its own masks and counts. The last",
    "column is the number of positions at which their code differs from ours, given both scores",
    "and our count. Their script passes the magnitude twice, and a share of the active weights",
    "instead of a count.",
]
_RANKS = ["arm", "in their script", "active", "pruned", "ours differs from numpy"]
_RANKS += ["theirs differs from ours"]


def _sums(runs: Iterable[Run], arms: Sequence[Arm]) -> list[tuple[Arm, Any]]:
    """Return the sums over the trainings of each arm that has any."""
    sums: dict[str, Any] = {}
    for run in runs:
        sums.setdefault(run.arm.label, type(run.found)()).add(run.found)
    return [(arm, sums[arm.label]) for arm in arms if arm.label in sums]


def _row(arm: Arm, found: Differences) -> list[str]:
    settings = ", ".join(f"{key}: {written(it)}" for key, it in arm.settings.items())
    words = arm.words.replace("|", "\\|")
    return [f"`{arm.label}`", words, f"`{arm.method}: {{{settings}}}`", *_numbers(found)]


def _numbers(found: Differences) -> list[str]:
    numbers = (found.active, found.pruned, found.differ, found.zero, found.ties, found.beyond)
    return [f"{it:,}" for it in (*numbers, found.fewer)]


def _own_row(arm: Arm, found: Differences) -> list[str]:
    own, stepped = found.own / found.active, found.stepped / found.pruned
    return [
        *(f"`{arm.label}`", f"{found.pruned:,}"),
        *(f"{found.own:,}", f"{own:.3%}".replace("%", " %")),
        *(f"{found.stepped:,}", f"{stepped:.2%}".replace("%", " %")),
    ]


def _rank_row(arm: Arm, found: RankDifferences) -> list[str]:
    numbers = (found.active, found.pruned, found.differ, found.theirs)
    return [f"`{arm.label}`", arm.words.replace("|", "\\|"), *(f"{it:,}" for it in numbers)]


def _all(runs: Sequence[Run]) -> Iterable[list[str]]:
    for run in runs:
        if isinstance(run.found, Differences):
            start = f"{float(run.start):.0%}".replace("%", " %") if run.start else "dense"
            sparsity = f"{float(run.sparsity):.0%}".replace("%", " %")
            yield [run.data, start, sparsity, f"`{run.arm.label}`", *_numbers(run.found)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = (f"| {' | '.join(line)} |" for line in (head, *rows))
    return [next(lines), f"|{'---|' * len(head)}", *lines]
