"""The connection of a pruner and an optimizer: attached or called, with errors for wrong loops."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor
from torch.utils.hooks import RemovableHandle

from fggp.pruning.forward_pass import ForwardPass
from fggp.pruning.mask_update import Read
from fggp.pruning.optimizers import Nest, trained_by
from fggp.pruning.step_hooks import Arguments, StepHooks
from fggp.pruning.warning import warn

UNSEEN = 5
"""In-place changes of a weight without a known step, before a warning is issued."""


class Attached(Protocol):
    """A pruner, as an optimizer sees it."""

    def _needed(self) -> frozenset[Read]: ...

    def _step(self) -> object: ...

    def _skip(self) -> object: ...


class Attachment:
    """Follows the steps of an optimizer for a pruner, and detects steps made without the pruner.

    Args:
        nest: the optimizer, with those inside it.
        forward: copies what the pruner needs before a step.
        pruner: the pruner, which is asked before every step, and notified after each while it is
            attached. The optimizer keeps it alive as long as it is attached.

    """

    def __init__(self, nest: Nest, forward: ForwardPass, pruner: Attached) -> None:
        self._nest, self._forward = nest, forward
        self._own: OrderedDict[int, Any] = OrderedDict()
        self._expects, self._warned = True, False
        self._alone = self._ahead = self._seen = self._calls = 0
        self._check_others(pruner)
        self.bind(pruner)

    def bind(self, pruner: Attached) -> None:
        """Start following for a pruner, for example one that has just been copied."""
        self._pruner = weakref.ref(pruner)
        self._versions = self._counted()
        self._hooks = StepHooks(self._nest, self._forward.parameters, self)

    def __getstate__(self) -> dict[str, Any]:
        # A copied optimizer has lost its hooks, and has made no step that the copy could have seen.
        fresh: dict[str, Any] = {"_pruner": None, "_hooks": None, "_own": OrderedDict()}
        # As the copy is not attached, it expects calls by hand, and warns if there are none.
        expects = self._expects or self.attached
        return (
            self.__dict__ | fresh | {"_expects": expects, "_warned": False, "_seen": 0, "_calls": 0}
        )

    def attach(self) -> RemovableHandle:
        """Attach the pruner; returns a handle that detaches it.

        Raises:
            RuntimeError: if it is attached already.
            ValueError: if another pruner of the same weights is attached to the optimizer.

        """
        self.check_detached()
        pruner = self._pruner()
        assert pruner is not None
        self._check_others(pruner)
        self._expects, self._alone, self._versions = False, 0, self._counted()
        handle = RemovableHandle(self._marks)
        self._marks[handle.id] = _Mark(pruner, self._forward.parameters)
        return handle

    @property
    def attached(self) -> bool:
        """Whether the pruner is notified of the optimizer's steps."""
        # Check the optimizer, as a copy of it loses its hooks and a handle may be gone.
        pruner = self._pruner()
        return any(isinstance(x, _Mark) and x.pruner is pruner for x in self._marks.values())

    def check_detached(self) -> None:
        """Raise RuntimeError while the optimizer notifies the pruner of its steps."""
        if self.attached:
            raise RuntimeError(
                "the pruner is attached and steps by itself: remove pruner.step(), "
                "or call remove() on the handle that attach() returned"
            )

    def _check_others(self, pruner: Attached) -> None:
        own = set(map(id, self._forward.parameters))
        for mark in self._marks.values():
            other = isinstance(mark, _Mark) and mark.pruner is not pruner
            if other and not own.isdisjoint(map(id, mark.parameters)):
                raise ValueError(
                    f"another pruner of the same weights is attached to this {self._name}; first "
                    "call remove() on the handle that its attach() returned, or make a new "
                    "optimizer"
                )

    def before(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments | None:
        """Prepare for a step of the optimizer."""
        pruner = self._pruner()
        if pruner is None or self._forward.recorded:
            return None  # any work done now would become part of the graph
        if not self.attached:
            if self._ahead:
                self._warn(
                    "pruner.step() was called before optimizer.step(), or twice for one step, so "
                    "that the model is not masked; call it once after each optimizer.step()"
                )
            elif self._alone and self._expects:
                self._warn(
                    "the optimizer made a step without the pruner, so that the model is not "
                    "masked; call pruner.step() after each optimizer.step(), or pruner.attach() "
                    "once"
                )
        return self._forward.before(pruner._needed(), args, kwargs)

    def after(self, made: bool | None) -> None:
        """Follow a call of the optimizer: a step, a skipped step (False) or a part (None)."""
        pruner = self._pruner()
        if pruner is None or made is None:
            return
        if self._forward.recorded:  # the masks become part of the graph, and nothing is counted
            if self.attached:
                pruner._skip()
            return
        self._seen += 1
        self._ahead = 0
        if not self.attached:
            self._alone += made
        elif made:
            pruner._step()
        else:
            pruner._skip()

    def called(self, *, replayed: bool) -> None:
        """Note that the pruner was called by hand; ``replayed`` if the step calls no hooks."""
        replayed = replayed or self._forward.weight is not None
        unseen = not (self._alone or replayed or self._ahead or self._warned)
        if unseen and _fresh(self._trained()):
            self._ahead = 1
        self._alone, self._expects, self._calls = 0, True, self._calls + 1

    def restart(self) -> None:
        """Reset the observations, as the pruner takes over a saved state."""
        self._alone = self._ahead = 0
        self._versions = self._counted()

    def check_seen(self) -> None:
        """Warn if weights have changed repeatedly, but no step of the optimizer was seen.

        Called when a user inspects the pruner, as nothing else would call it then.
        """
        if self._seen or self._calls or not (self.attached or self._expects):
            return
        changes = [now - old for now, old in zip(self._counted(), self._versions, strict=True)]
        if max(changes, default=0) >= UNSEEN:
            self._warn(
                f"the weights have changed without a step of the {self._name} that the pruner was "
                "given, so that nothing was pruned; give it the optimizer whose step() the loop "
                "calls, or call pruner.step() after each step"
            )

    @property
    def _name(self) -> str:
        return type(self._nest.outermost).__name__

    @property
    def _marks(self) -> Any:
        """The attribute in which an optimizer keeps its hooks after a step."""
        return getattr(self._nest.inmost, "_optimizer_step_post_hooks", self._own)

    def _counted(self) -> list[int]:
        return [0 if p.is_inference() else p._version for p in self._forward.parameters]

    def _trained(self) -> list[Tensor]:
        return trained_by([self._nest.outermost])

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            warn(message)


class _Mark:
    """Marks in an optimizer's hooks that a pruner is attached, and keeps the pruner alive."""

    def __init__(self, pruner: Attached, parameters: Sequence[Tensor]) -> None:
        self.pruner, self.parameters = pruner, parameters

    def __call__(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Do nothing: the pruner is notified when the outermost optimizer has finished."""


def _fresh(parameters: Sequence[Tensor]) -> bool:
    """Whether all existing gradients are finite, so that no scaler skips their step.

    A finite sum has finite terms, and is the cheapest pass over them. A sum that overflows only
    loses a warning.
    """
    sums = [_dense(p.grad).sum() for p in parameters if p.grad is not None]
    return bool(sums) and all(bool(it.isfinite()) for it in sums)


def _dense(gradient: Tensor) -> Tensor:
    return gradient.coalesce().values() if gradient.is_sparse else gradient
