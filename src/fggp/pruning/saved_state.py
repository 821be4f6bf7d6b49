"""Checks that a pruner's state belongs to a method, and the extension of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fggp.pruning.timing import Method, Timing

TIMING = ("steps", "begin", "end", "every")


def described(method: Method) -> dict[str, str]:
    """Return the settings of a method by name, as stored in a state."""
    timing = {name: str(getattr(method.timing, name)) for name in TIMING}
    sparsities = {
        "sparsity": str(method.sparsity),
        "initial_sparsity": str(method.initial_sparsity),
    }
    return sparsities | timing | {name: str(value) for name, value in method.settings.items()}


def check_same(state: Mapping[str, Any], method: Method) -> None:
    """Raise ValueError, with the fix, if a state is of another method or of other settings."""
    _check_is_state(state)
    saved, own = state["method"], method.identity
    theirs, ours = _settings(state), described(method)
    if saved.partition(" ")[0] != method.name or not theirs:
        if saved != own:
            raise ValueError(f"the state is of {saved}, this pruner of {own}")
        return
    other = [name for name in theirs if ours.get(name, theirs[name]) != theirs[name]]
    if not other:
        return
    raise ValueError(
        f"the state is of {_listed(theirs, other)}, this pruner of {_listed(ours, other)}; "
        + (_how_to_extend(theirs, ours) if {*other} <= {*TIMING} else "make the method with these")
    )


def check_total(state: Mapping[str, Any], total: int) -> None:
    """Raise ValueError if the sparsity of a state is a share of another number of weights."""
    theirs = state.get("total", total)  # older states have none
    if theirs != total:
        raise ValueError(
            f"the state has a sparsity of {theirs} weights, this pruner of {total}; give the same "
            "params= and dense= as then"
        )


def extended(method: Method, state: Mapping[str, Any] | None) -> tuple[Method, int]:
    """Return the method of a state, and the steps of the longer training that continues it.

    Args:
        method: method of the longer training: the same method with more steps.
        state: state of the pruner of the shorter training.

    Raises:
        ValueError: if there is no state, or one of another method, or of a longer training.

    """
    if state is None:
        raise ValueError("extend: give the state of the training to extend as state=")
    _check_is_state(state)
    theirs = _settings(state)
    if not theirs:
        raise ValueError("extend: the state is of an older version, which stored too little")
    timing = Timing(**{name: int(theirs[name]) for name in TIMING})
    if method.timing.steps < state["end"]:
        raise ValueError(
            f"extend: the state is of {state['end']} steps; give the method steps= of the whole "
            f"training, more than these, not {method.timing.steps}"
        )
    return replace(method, timing=timing), method.timing.steps


def _check_is_state(state: Any) -> None:
    if not isinstance(state, Mapping):
        raise TypeError(
            f"state: a {type(state).__name__} is not what pruner.state_dict() returned; "
            "load the file first, as with torch.load"
        )
    if "method" not in state or "masks" not in state:
        raise ValueError(
            "state: this is not what pruner.state_dict() returned; save and load it together with "
            "those of model and optimizer"
        )


def _settings(state: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = state.get("settings") or {}
    return found


def _listed(settings: Mapping[str, str], names: list[str]) -> str:
    return ", ".join(f"{name} {settings[name]}" for name in names if name in settings)


def _how_to_extend(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    if int(ours["steps"]) > int(theirs["steps"]):
        return (
            "to train longer with the masks of the state, make the pruner with "
            "fggp.Pruner(model, optimizer, method, state=state, extend=True)"
        )
    return "give fggp.method the steps and the timing of the state"
