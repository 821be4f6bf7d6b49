"""Pruning at once, without training."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor, nn

from fggp.foundation.exact import kept_count, meant_as_share, named_ratio
from fggp.pruning.arguments import check_network
from fggp.pruning.plain_numbers import plain_number
from fggp.pruning.prunable import check_present, prunable
from fggp.pruning.topk import keep_largest
from fggp.pruning.vectors import flat
from fggp.pruning.warning import warn


@torch.no_grad()
def sparsify(
    model: nn.Module,
    sparsity: Fraction | float | str,
    *,
    scope: Literal["global", "layer"] = "global",
    params: Sequence[str] | None = None,
) -> dict[str, Tensor]:
    """Zero the weights with the smallest magnitude, in place.

    Args:
        model: the network. Weights of convolutions, linear, recurrent and attention layers and
            embeddings are prunable, and so are other parameters that are matrices, frozen ones
            included. Parameters of normalization, scales, tokens and positions are not.
        sparsity: share of the prunable weights to zero, with an exact count.
        scope: whether to choose over all layers, or to zero the same share of each.
        params: names of the parameters to prune; None for all prunable ones.

    Returns:
        The masks by parameter name, bool, True where a weight is kept.

    Raises:
        ValueError: for a sparsity outside 0 to 1, an unknown scope or an unknown parameter, and for
            a weight that cannot be pruned correctly (of a lazy or parametrized layer, under
            `torch.nn.utils.prune`, complex, quantized or cut into pieces).
        TypeError: for an argument of the wrong type.

    """
    check_network(model, "fggp.sparsify(model, sparsity)")
    share = named_ratio("sparsity", plain_number(sparsity))
    if not 0 <= share < 1:
        raise ValueError(
            f"sparsity {sparsity} is out of range: 0 <= sparsity < 1 must hold"
            f"{meant_as_share(share)}"
        )
    parameters = prunable(model, params, frozen=True)
    check_present(parameters)
    if scope not in {"global", "layer"}:
        raise ValueError(f"scope {scope!r} is neither 'global' nor 'layer'")
    scores, sizes = flat(parameters.values()).abs(), [p.numel() for p in parameters.values()]
    groups = [scores] if scope == "global" else scores.split_with_sizes(sizes)
    kept = torch.cat(
        [
            keep_largest(
                group, kept_count(len(group), share), torch.ones_like(group, dtype=torch.bool)
            )
            for group in groups
        ]
    )
    masks = {}
    cut = kept.split_with_sizes(sizes)
    for (name, parameter), mask in zip(parameters.items(), cut, strict=True):
        masks[name] = mask.view(parameter.shape).to(parameter.device)
        parameter.masked_fill_(~masks[name], 0)  # a product with an infinite weight is NaN
    emptied = [name for name, mask in masks.items() if not mask.any()]
    if emptied:
        warn(
            f"no weight is left in {', '.join(emptied)}; scope='layer' keeps a share of each "
            "layer, and params= names the layers to prune"
        )
    return masks
