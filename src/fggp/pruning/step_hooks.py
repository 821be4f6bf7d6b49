"""Hooks before and after every step of an optimizer, whatever it is wrapped in."""

from __future__ import annotations

import functools
import inspect
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch.utils.weak import WeakIdKeyDictionary

from fggp.pruning.optimizers import Nest

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of a step by position, the optimizer first, and by name."""


class Follower(Protocol):
    """A follower of steps."""

    def before(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments | None:
        """Prepare for a call that may make a step; may return other arguments for it."""

    def after(self, made: bool | None) -> None:
        """Follow a call that made a step, skipped it (False), or was only a part of one (None)."""


_STEP = torch.optim.Optimizer.profile_hook_step(len).__code__
_followed: Any = WeakIdKeyDictionary()  # optimizer -> list of weak references to StepHooks


class StepHooks:
    """Notifies a follower once of each optimizer call that makes a step.

    The call is the outermost one: a wrapper may change gradients before the step of the optimizer
    inside it, and write weights after it. A call that makes no such step, such as the first half of
    a step of SAM or one that only accumulates gradients, is not counted.

    Optimizers of torch call hooks. Wrapper classes do not, or not all of them. Their methods with
    ``step`` in the name are therefore replaced once per class, as torch itself replaces ``step``.

    Args:
        nest: the optimizers.
        parameters: some parameters that they train; a wrapper that calls no other optimizer made a
            step if these have changed.
        follower: the object to notify of steps; the optimizers do not keep it alive.

    """

    def __init__(self, nest: Nest, parameters: Sequence[torch.Tensor], follower: Follower) -> None:
        self._nest, self._parameters = nest, list(parameters)
        self._follower = weakref.ref(follower)
        self._depth, self._made = 0, False
        self._skipped = False
        for worker in nest.workers:
            if _calls_hooks(worker):
                self._hook(worker)
            else:
                self._replace(worker)
        for wrapper in nest.wrappers:
            self._replace(wrapper)

    def _hook(self, worker: torch.optim.Optimizer) -> None:
        own = weakref.ref(self)
        doubled = sum(getattr(c.__dict__.get("step"), "hooked", False) for c in type(worker).mro())

        def before(optimizer: Any, args: Any, kwargs: Any) -> Arguments | None:
            alive = own()
            if alive is None or alive._depth or (doubled > 1 and _inside_another(optimizer)):
                return None
            return alive._enter(args, kwargs)

        def after(optimizer: Any, args: Any, kwargs: Any) -> None:
            alive = own()
            if alive is None or (doubled > 1 and _inside_another(optimizer)):
                return
            alive._worked()
            if not alive._depth:
                alive._leave("step", [])

        # A compiled step would trace them again after every mask update.
        disable: Any = torch.compiler.disable
        worker.register_step_pre_hook(disable(before))
        worker.register_step_post_hook(disable(after))

    def _replace(self, optimizer: Any) -> None:
        try:
            for name in _methods(optimizer):
                _replace_in_class(type(optimizer), name)
            if callable(
                own := getattr(optimizer, "__dict__", {}).get("step")
            ):  # as by a learning rate scheduler
                _replace_in_instance(optimizer, own)
            _followed.setdefault(optimizer, []).append(weakref.ref(self))
        except TypeError:  # a class or an object that accepts neither attributes nor references
            raise ValueError(
                f"the steps of a {type(optimizer).__name__} cannot be followed; give the pruner "
                "the optimizer inside it, and call pruner.step() after each step"
            ) from None

    def call(self, method: Callable[..., Any], name: str, args: Any, kwargs: Any) -> Any:
        """Call a replaced method of an optimizer, which is the first argument."""
        outermost = self._depth == 0
        before = self._versions()
        if outermost:
            args, kwargs = self._enter(args, kwargs) or (args, kwargs)
        self._depth += 1
        try:
            result = method(*args, **kwargs)
        finally:
            self._depth -= 1
        if name == "step" and any(args[0] is worker for worker in self._nest.workers):
            self._worked()
        if outermost:
            self._leave(name, before)
        return result

    def _enter(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments | None:
        self._made = self._skipped = False
        follower = self._follower()
        return None if follower is None else follower.before(args, kwargs)

    def _worked(self) -> None:
        """Note that an optimizer inside has made its step, or skipped it."""
        if self._nest.skips:
            self._skipped = True
        else:
            self._made = True

    def _leave(self, name: str, before: list[int]) -> None:
        # A wrapper may do the work by itself.
        made = self._made or (name == "step" and not self._skipped and self._changed(before))
        if (follower := self._follower()) is not None:
            follower.after(True if made else False if self._skipped else None)

    def _changed(self, before: list[int]) -> bool:
        return bool(before) and self._versions() != before

    def _versions(self) -> list[int]:
        return [p._version for p in self._parameters if not p.is_inference()]


def _calls_hooks(optimizer: Any) -> bool:
    """Whether torch calls hooks of this optimizer in its ``step``."""
    calls = getattr(type(optimizer).step, "hooked", False)
    return bool(calls) and "_optimizer_step_pre_hooks" in vars(optimizer)


def _inside_another(optimizer: Any) -> bool:
    """Whether a hook of ``step`` runs inside another ``step``, that of a derived class."""
    found, frame = 0, sys._getframe(1).f_back
    while frame is not None:
        if frame.f_code is _STEP and frame.f_locals["args"][0] is optimizer:
            found += 1
        frame = frame.f_back
    return found > 1


def _methods(optimizer: Any) -> Iterator[str]:
    """Yield the names of the methods that make a step, or a part of one."""
    for name, _ in inspect.getmembers_static(type(optimizer), inspect.isfunction):
        if "step" in name and not name.startswith(("_", "register_", "profile_")):
            yield name


def _replace_in_class(owner: type, name: str) -> None:
    method = inspect.getattr_static(owner, name)
    if getattr(method, "_tells_pruners", False):
        return
    setattr(owner, name, _telling(method, name))


def _replace_in_instance(optimizer: Any, method: Callable[..., Any]) -> None:
    if getattr(method, "_tells_pruners", False):
        return
    owner = weakref.ref(optimizer)
    telling = _telling(lambda optimizer, *args, **kwargs: method(*args, **kwargs), "step")

    @functools.wraps(method)
    def step(*args: Any, **kwargs: Any) -> Any:
        return telling(owner(), *args, **kwargs)

    step._tells_pruners = True  # type: ignore[attr-defined]
    optimizer.step = step


def _telling(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return a method that notifies the followers of its optimizer."""

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        made = method
        for reference in _followed.get(args[0], ()):
            if (hooks := reference()) is not None:
                made = functools.partial(_through, hooks, made, name)
        return made(*args, **kwargs)

    call._tells_pruners = True  # type: ignore[attr-defined]
    return call


def _through(
    hooks: StepHooks, method: Callable[..., Any], name: str, *args: Any, **kwargs: Any
) -> Any:
    return hooks.call(method, name, args, kwargs)
