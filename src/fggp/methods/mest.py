"""Memory-economic sparse training."""

from fractions import Fraction

from fggp.foundation.exact import NonNegative, Share
from fggp.methods.registry import register
from fggp.pruning import (
    SHARES,
    Blend,
    Memory,
    PruneGrow,
    RateSchedule,
    Recipe,
    Staged,
    Surplus,
    held,
    random_score,
)


@register(paper="Yuan et al. 2021, arXiv 2110.14032", starts="one")
def mest(
    memory: Memory = "bound",
    shares: tuple[Share, Share] | None = None,
    switches: tuple[Share, Share] = (Fraction(9, 16), Fraction(3, 4)),
    gradient_weight: NonNegative = Fraction(0),
) -> Recipe:
    """Prune each layer by magnitude below its count, and regrow it at random, less with each stage.

    Formula:
        in each layer: keep the k_l − ⌈ρ·k_l⌉ largest |w| + λ·|g|, grow ⌈ρ·k_l⌉ at random
        ρ = shares[0], shares[1], 0 in the three stages; soft-bound: Σk_l = K/(1 − ρ)

    Differs from the official code on purpose: the shares hold for every sparsity (the official
    scripts for 95 % have twice the surplus); layers start from an ERK mask instead of equal
    sparsities; updates occur at the study's steps instead of every five epochs; counts are exact
    with ties, and a layer exchanges no more weights than it has free positions; the momentum of
    grown weights starts at zero.

    Args:
        memory: "bound" has the target number of weights throughout; "soft-bound" has it between
            pruning and growing, so more weights in training and the target number at the end.
        shares: share of the weights after an update that is grown in the first and in the second
            stage; in the third stage none is. None: those of the official scripts for 90 %.
        switches: starts of the second and the third stage, as shares of the training ("bound")
            or of the pruning window, at whose end the count is final ("soft-bound").
        gradient_weight: λ in the pruning score |w| + λ·|g|.

    """
    stages = Staged((*(shares or SHARES[memory]), Fraction(0)), switches)
    share = RateSchedule(stages, "training" if memory == "bound" else "window")
    rule = PruneGrow(Blend(gradient_weight), random_score, share)
    sparsity = held if memory == "bound" else Surplus(stages)
    return Recipe(sparsity=sparsity, rule=rule, until=Fraction(1))
