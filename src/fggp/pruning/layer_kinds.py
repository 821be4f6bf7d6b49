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
"""Modules of torch whose weights are prunable, regardless of their shape."""

NORMALIZATIONS = (
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
"""Generic names of parameters, for which the name of the module is used as well."""


def left_out_as(name: str, shape: tuple[int, ...] | None, module: nn.Module) -> str | None:
    """Return the kind of a parameter that is not pruned by default; None for one that is.

    Weights of the layers of torch are prunable, and so is any other matrix: a parameter with at
    least two dimensions longer than 1, the first of which is not of length 1 if there are more than
    two. Parameters of normalization are not, nor are those that their name or module marks as
    scales, tokens or positions.

    Args:
        name: the whole name of the parameter in the model.
        shape: shape of the parameter, of two or more dimensions; None if it is not known.
        module: the module that has the parameter.

    """
    kind, own = _kind(module), _words(name.rpartition(".")[2])
    said, lengths = _said(name, kind), shape or (2, 2)
    normalizes = issubclass(kind, NORMALIZATIONS) or _last_word(kind).endswith(("norm", "scale"))
    layer = issubclass(kind, LAYERS) and "weight" in own
    scale_like = sum(length > 1 for length in lengths) < 2 or (lengths[0] == 1 < len(lengths) - 1)
    reasons = {
        "scale or shift of a normalization": normalizes,
        "table of positions by its name": bool(said & POSITIONS),
        "scale or bias by its name": bool(said & SCALES) and not layer,
        "token by its name": bool(said & TOKENS) and not layer,
        "scale or token by its shape": scale_like and not layer,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _kind(module: nn.Module) -> type[nn.Module]:
    """Return the type of a module; for a scripted or traced one, its original type in torch."""
    if isinstance(module, torch.jit.ScriptModule):
        known = getattr(nn, str(module.original_name), None)
        if isinstance(known, type) and issubclass(known, nn.Module):
            return known
    return type(module)


def _said(name: str, kind: type[nn.Module]) -> frozenset[str]:
    """Return the words that name a parameter: its own, and those of its module if it is generic.

    Layers of torch other than embeddings may be named after their inputs, as in ``pos_proj``.
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
