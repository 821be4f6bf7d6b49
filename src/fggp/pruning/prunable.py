"""The prunable parameters of a model: those by default, those by name, and the refused ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from fggp.foundation.validation import nearest
from fggp.pruning.derived_weights import fix_of_derived
from fggp.pruning.layer_kinds import left_out_as
from fggp.pruning.parameters import unwrapped
from fggp.pruning.warning import warn

FROZEN = "frozen"
NOT_NAMED = "not named"
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


@dataclass(frozen=True)
class Choice:
    """The parameters of a model to prune, and those of two or more dimensions that are not.

    Attributes:
        parameters: the parameters to prune, by name, in layer order.
        left_out: the reason why each of the others is left out, by name.

    """

    parameters: dict[str, nn.Parameter]
    left_out: dict[str, str]


def prunable(
    model: nn.Module, names: Iterable[str] | None = None, *, frozen: bool = False
) -> dict[str, nn.Parameter]:
    """Return the parameters to prune by name; see `choose`."""
    return choose(model, names, frozen=frozen).parameters


def choose(model: nn.Module, names: Iterable[str] | None = None, *, frozen: bool = False) -> Choice:
    """Return the parameters to prune: those named, or the weights of all layers.

    By default these are weights of convolutions, linear, recurrent and attention layers and of
    embeddings, and parameters of other modules that look like a matrix; see `left_out_as`.

    Names are those of the network inside `torch.compile` or data parallel.

    Args:
        model: the network.
        names: names of the parameters to prune, which may have any number of dimensions.
        frozen: whether frozen parameters can be pruned; otherwise they are left out, or refused if
            they are named.

    Raises:
        ValueError: for a name that is not a parameter, for a parameter that cannot be pruned
            correctly, and if nothing is left to prune.
        TypeError: for names of the wrong type.

    """
    model = unwrapped(model)
    parameters = dict(model.named_parameters())
    reasons = _reasons(model, frozen=frozen)
    if names is None:
        _check_unquantized(model)
        chosen = {name for name, reason in reasons.items() if reason is None}
    else:
        chosen = _named(model, names)
        _check_thawed(parameters, chosen, frozen=frozen)
    for name, parameter in parameters.items():
        if name in chosen and (refusal := _refusal(model, name, parameter)):
            raise ValueError(f"params: {name!r} {refusal}; or exclude it")
    left_out = {name: why or NOT_NAMED for name, why in reasons.items() if name not in chosen}
    if not chosen:
        raise ValueError(f"params: there is nothing to prune; {_way_out(left_out)}")
    return Choice({name: p for name, p in parameters.items() if name in chosen}, left_out)


def check_in_place(parameters: Mapping[str, nn.Parameter], masks: Mapping[str, Tensor]) -> None:
    """Raise RuntimeError if the model has moved to another device since the masks were made."""
    name, mask = next(iter(masks.items()))
    now = parameters[name].device
    if now != mask.device:
        raise RuntimeError(
            f"the model has moved from {mask.device} to {now} since the pruner was made; move it "
            "first, then make the optimizer and the pruner"
        )


def check_present(parameters: dict[str, nn.Parameter]) -> None:
    """Raise ValueError for a parameter without values, on the meta device."""
    for name, parameter in parameters.items():
        if parameter.is_meta:
            raise ValueError(f"params: {name!r} has no values on the meta device; load them first")


def _reasons(model: nn.Module, *, frozen: bool) -> dict[str, str | None]:
    """Return the reason why each parameter is left out by default, None if it is not.

    Parameters with two or more dimensions and lazy ones are included. Tied ones have one name, the
    first, and are prunable if they are prunable in one of their places.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    found: dict[str, str | None] = {}
    modules = dict(model.named_modules(remove_duplicate=False))
    for path, holder in modules.items():
        for own, p in holder.named_parameters(recurse=False, remove_duplicate=False):
            if not is_lazy(p) and p.ndim < 2 and not _cut(p):
                continue
            name, place, module = names[id(p)], f"{path}.{own}", holder
            if isinstance(holder, ParametrizationList):  # a weight of the layer around it
                place = path.replace("parametrizations.", "")
                module = modules[place.rpartition(".")[0]]
            reason = _reason(place, p, module, frozen=frozen)
            found[name] = None if found.get(name, reason) is None else reason
    return {name: found[name] for name in names.values() if name in found}


def _reason(name: str, p: nn.Parameter, module: nn.Module, *, frozen: bool) -> str | None:
    if not is_lazy(p) and not p.numel() and not _cut(p):
        return "empty"
    lazy_or_cut = is_lazy(p) or p.ndim < 2
    reason = left_out_as(name, None if lazy_or_cut else tuple(p.shape), module)
    return FROZEN if reason is None and not frozen and not p.requires_grad else reason


def _check_unquantized(model: nn.Module) -> None:
    """Raise ValueError for a layer of torch whose weight is packed and no longer a parameter."""
    for name, module in model.named_modules():
        if ".quantized" in type(module).__module__ and hasattr(module, "_packed_params"):
            raise ValueError(
                f"params: {name!r} is a quantized layer; prune before you quantize, or name what "
                "to prune through params="
            )


def _cut(parameter: nn.Parameter) -> bool:
    """Whether a process has only a piece of the parameter, as with FSDP or ZeRO."""
    return any(hasattr(parameter, sign) for sign in ("device_mesh", "ds_id", "_is_flat_param"))


def name_list(argument: str, names: Iterable[str]) -> list[str]:
    """Return the names in an argument as a list.

    Raises ValueError for a single name, and TypeError for an argument that is not iterable.
    """
    if isinstance(names, str):
        raise ValueError(f"{argument}: {names!r} is one name; give a list of names")
    if not isinstance(names, Iterable):
        raise TypeError(f"{argument}: give a list of names, not {type(names).__name__}")
    return list(names)


def _named(model: nn.Module, names: Iterable[str]) -> set[str]:
    """Return the names, with the name of a tied parameter replaced by its first one."""
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    every = dict(model.named_parameters(remove_duplicate=False))
    wanted = set()
    for name in name_list("params", names):
        if isinstance(name, Tensor):
            own = first.get(id(name), next(iter(first.values()), "0.weight"))
            raise TypeError(f"params: give names such as {own!r}, not the parameters themselves")
        if not isinstance(name, str):
            raise TypeError(f"params: give names of parameters, not {type(name).__name__}")
        if name not in every:
            hint = nearest(name, list(first.values()))
            raise ValueError(f"params: the model has no parameter {name!r}{hint}")
        wanted.add(first[id(every[name])])
    return wanted


def _check_thawed(parameters: dict[str, nn.Parameter], names: set[str], *, frozen: bool) -> None:
    for name, parameter in parameters.items():
        if name in names and not frozen and not parameter.requires_grad:
            raise ValueError(
                f"params: {name!r} is frozen; unfreeze it with requires_grad_(), or exclude it"
            )


def _refusal(model: nn.Module, name: str, p: nn.Parameter) -> str | None:
    """Return why a parameter cannot be pruned correctly, with the fix; None if it can."""
    if is_lazy(p):
        return "has no shape yet, as its layer is lazy; run a batch through the model first"
    reasons = {
        "is cut into pieces, as by FSDP or ZeRO, and masks need whole tensors; "
        "use DistributedDataParallel": _cut(p),
        f"is a {type(p).__name__} and not a plain tensor; prune before you "
        "quantize": is_traceable_wrapper_subclass(p),
        f"is stored as {p.layout}; make it dense with to_dense()": p.layout != torch.strided,
        "is complex, and only real weights are pruned; store its two parts as real "
        "weights": p.is_complex(),
        f"has dtype {p.dtype}, as a quantized weight; prune before you quantize": p.dtype
        not in DTYPES,
        "is empty": not p.numel(),
    }
    plain = next((reason for reason, holds in reasons.items() if holds), None)
    fix = None if plain else fix_of_derived(model, name)
    return f"is not the weight that its layer computes with; {fix}" if fix else plain


def _way_out(left_out: dict[str, str]) -> str:
    if FROZEN in left_out.values():
        return "all its weights are frozen: unfreeze them with model.requires_grad_()"
    return "name parameters of the model"


def late_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that would be pruned by default now, even those that cannot be."""
    reasons = _reasons(model, frozen=False)
    return {
        name: p
        for name, p in model.named_parameters()
        if name in reasons and reasons[name] is None and not is_lazy(p)
    }


def warn_of_left_out(
    chosen: Mapping[str, nn.Parameter], model: nn.Module, left_out: Mapping[str, str]
) -> None:
    """Warn if more weights are left out by default than are prunable."""
    out = [name for name, reason in left_out.items() if reason != NOT_NAMED]
    parameters = dict(model.named_parameters())
    count = sum(parameters[name].numel() for name in out)
    if count > sum(p.numel() for p in chosen.values()):
        reasons = ", ".join(sorted({left_out[name] for name in out}))
        warn(
            f"{count:,} weights are left out, more than are prunable: {out[0]} and others "
            f"({reasons}); pruner.left_out lists them; to prune others, name them in params="
        )
