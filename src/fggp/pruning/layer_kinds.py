"""The kinds of parameters: weights of layers, scales, tokens, positions."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import nn

LAYERS = (
    nn.Linear,
    nn.Bilinear,
    nn.modules.conv._ConvNd,
    nn.Embedding,
    nn.EmbeddingBag,
    nn.MultiheadAttention,
    nn.RNNBase,
    nn.RNNCellBase,
)
"""Modules of torch whose weights are prunable, whatever their shape."""

NORMALISATIONS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.PReLU,
)
"""Modules of torch whose parameters scale or shift one number each."""

SCALES = frozenset(
    {"alpha", "beta", "bias", "gain", "gamma", "imag", "layernorm", "ln", "log", "mu", "norm"}
    | {"real", "scale", "sigma", "temperature"}
)
TOKENS = frozenset({"decay", "latent", "latents", "prefix", "prompt", "prompts", "token", "tokens"})
POSITIONS = frozenset(
    {"pe", "pos", "position", "positional", "positions"} | {"rel", "relative", "rpb", "wpe"}
)
GENERIC = frozenset({"data", "param", "parameter", "table", "value", "w", "weight"})
"""Generic names of parameters, for which the name of the module is read as well."""


def left_out_as(name: str, shape: tuple[int, ...] | None, module: nn.Module) -> str | None:
    """Return what a parameter is, where it is not a weight to prune by default; None where it is.

    Weights of the layers of torch are prunable, and whatever else is a matrix: at least two
    dimensions longer than 1, and not the first of length 1 where there are more. Parameters of
    normalisation, and those whose name or module says that they are scales, tokens or positions,
    are not.

    Args:
        name: the whole name of the parameter in the model.
        shape: of the parameter, of two or more dimensions; None where it is not known.
        module: has the parameter.

    """
    kind, own = _kind(module), _words(name.rpartition(".")[2])
    said, lengths = _said(name, kind), shape or (2, 2)
    normalises = issubclass(kind, NORMALISATIONS) or _last_word(kind).endswith(("norm", "scale"))
    layer = issubclass(kind, LAYERS) and "weight" in own
    scale_like = sum(length > 1 for length in lengths) < 2 or (lengths[0] == 1 < len(lengths) - 1)
    reasons = {
        "scale or shift of a normalisation": normalises,
        "table of positions by its name": bool(said & POSITIONS),
        "scale or bias by its name": bool(said & SCALES) and not layer,
        "token by its name": bool(said & TOKENS) and not layer,
        "scale or token by its shape": scale_like and not layer,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _kind(module: nn.Module) -> type[nn.Module]:
    """Return the type of a module, for a scripted or traced one the type in torch that it was."""
    if isinstance(module, torch.jit.ScriptModule):
        known = getattr(nn, str(module.original_name), None)
        if isinstance(known, type) and issubclass(known, nn.Module):
            return known
    return type(module)


def _said(name: str, kind: type[nn.Module]) -> frozenset[str]:
    """Return the words that name a parameter: its own, and those of its module where they say more.

    Layers of torch other than embeddings are named after what they follow, as in ``pos_proj``.
    """
    parts = [part for part in name.split(".") if not part.isdigit()]
    own = _words(parts[-1]) if parts else frozenset()
    if not own <= GENERIC:
        return own
    if issubclass(kind, LAYERS) and not issubclass(kind, nn.Embedding | nn.EmbeddingBag):
        return own
    return own.union(*map(_words, parts[-2:-1]), _words(kind.__name__) & POSITIONS)


def _words(name: str) -> frozenset[str]:
    return frozenset(_in_order(name))


def _last_word(kind: type) -> str:
    return (["", *(word for word in _in_order(kind.__name__) if len(word) > 1)])[-1]


def _in_order(name: str) -> Sequence[str]:
    """Cut a name in snake or camel case into words, in lower case and without digits."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
