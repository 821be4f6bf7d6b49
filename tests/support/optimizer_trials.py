"""Try optimizers of torch and of other libraries with the pruner, and write docs/optimizers.md.

usage: python tests/support/optimizer_trials.py > docs/optimizers.md
"""

import contextlib
import importlib.util
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

import fggp
from fggp.pruning.buffers import Buffers
from fggp.pruning.mask_update import BOTH, Update
from fggp.pruning.timing import Timing

LIBRARIES = {
    "torch": "torch.optim",
    "timm": "timm.optim",
    "pytorch-optimizer": "pytorch_optimizer",
    "schedulefree": "schedulefree",
    "bitsandbytes": "bitsandbytes.optim",
}
STEPS = 24
TIMING = Timing(STEPS, 0, 12, 3)
SHOWN = "followed", "refused", "fails", "untested"
INPUTS = torch.randn(32, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(32) % 4
BASES = "Optimizer", "BaseOptimizer"
WRAPPERS = ("SAM", "WSAM", "LookSAM", "FriendlySAM", "GSAM")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))


def optimizers(module: Any) -> Iterator[tuple[str, type]]:
    """Yield the classes of optimizers that a module offers, by name."""
    for name, value in sorted(vars(module).items()):
        if (
            not inspect.isclass(value)
            or name.startswith("_")
            or name in {"Optimizer", "BaseOptimizer"}
        ):
            continue
        if callable(getattr(value, "step", None)) and hasattr(value, "zero_grad"):
            yield name, value


def made(kind: type, model: nn.Module) -> Any:
    """Make an optimizer with its defaults; one that wraps another gets SGD."""
    inner = lambda: torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)  # noqa: E731
    names = list(inspect.signature(kind).parameters)
    trials: list[Callable[[], Any]] = [
        lambda: kind(model.parameters(), base_optimizer=torch.optim.SGD, lr=0.05),
        lambda: kind(inner()),
        lambda: kind(model.parameters()),
        lambda: kind(model.parameters(), lr=0.01),
        lambda: kind([p for p in model.parameters() if p.ndim > 1]),
    ]
    holds = names[0] in {"optimizer", "base", "base_optimizer"}
    trials = trials[1:2] if holds else [trials[0], *trials[2:]]
    if holds or "base_optimizer" not in names:
        trials = [trial for trial in trials if holds or trial is not trials[0]]
    errors = []
    for trial in trials:
        try:
            return trial()
        except Exception as error:
            errors.append(error)
    raise errors[-1]


def trial(kind: type) -> tuple[str, str]:
    """Return the outcome of a short training with an optimizer, and a remark."""
    method = fggp.method("rigl", sparsity=0.9, steps=STEPS, timing=TIMING)
    rule, seen = method.recipe.rule, []
    assert rule is not None

    def watched(update: Update) -> Update:
        seen.append(update.gradient.clone())
        return rule(update)

    watched.reads = BOTH  # type: ignore[attr-defined]
    model = network()
    try:
        optimizer = made(kind, model)
    except Exception as error:
        return "untested", f"it cannot be made with its defaults: {type(error).__name__}"
    try:
        pruner = fggp.Pruner(
            model, optimizer, replace(method, recipe=replace(method.recipe, rule=watched))
        )
    except ValueError as error:
        return "refused", str(error).split(";")[0]
    expected: list[Tensor] = []
    pruner.attach()
    getattr(optimizer, "train", int)()
    try:
        trained(model, optimizer, pruner, method, expected)
    except Exception as error:
        if "whose zero is not known" in str(error):
            return "refused", str(error).split(";")[0]
        return "untested", f"it does not run in a plain loop: {type(error).__name__}"
    return checked(model, optimizer, pruner, seen, expected)


def trained(model: Any, optimizer: Any, pruner: Any, method: Any, expected: list[Tensor]) -> None:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(INPUTS), LABELS)
        loss.backward(create_graph=False)
        slopes[:] = [p.grad.clone().flatten() for p in pruner.parameters.values()]
        return loss

    slopes: list[Tensor] = []
    needs = type(optimizer).__name__ in WRAPPERS
    for step in range(1, STEPS + 1):
        closure()
        optimizer.step(closure) if needs else optimizer.step()
        if method.update_at(step):
            expected.append(torch.cat(slopes))


def checked(
    model: Any, optimizer: Any, pruner: Any, seen: list[Tensor], expected: list[Tensor]
) -> tuple[str, str]:
    """Check the state after a training: weights, buffers, and the gradients that were read."""
    wrong = []
    if pruner.steps != STEPS:
        wrong.append(f"{pruner.steps} of {STEPS} steps are counted")
    pairs = [*zip(pruner.parameters.values(), pruner.masks.values(), strict=True)]
    if any(bool(p[~mask].any()) for p, mask in pairs):
        wrong.append("pruned weights are not zero")
    buffers = Buffers(pruner._nest, pruner.parameters)
    if any(bool(b[~pairs[i][1]].any()) for i, b in buffers.plain()):
        wrong.append("buffers of pruned weights are not zero")
    if len(seen) != len(expected) or not all(map(torch.equal, seen, expected)):
        wrong.append("the gradient of an update is not that before the step")
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        if finite_when_dense(type(optimizer)):
            return (
                "fails",
                "active weights become NaN or infinite; dense training keeps them finite",
            )
        return "untested", "with its defaults it produces numbers that are not finite"
    return ("wrong", "; ".join(wrong)) if wrong else ("followed", "")


def finite_when_dense(kind: type) -> bool:
    """Whether the same training without a pruner leaves finite weights."""
    model = network()
    optimizer = made(kind, model)
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(INPUTS), LABELS).backward()
        optimizer.step()
    return all(bool(p.isfinite().all()) for p in model.parameters())


def installed() -> list[str]:
    """Return the installed libraries."""
    return [
        name for name, module in LIBRARIES.items() if importlib.util.find_spec(module.split(".")[0])
    ]


def rows(library: str) -> list[tuple[str, str, str]]:
    """Try all optimizers of a library; returns name, outcome and remark of each."""
    module = importlib.import_module(LIBRARIES[library])
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        return [(name, *trial(kind)) for name, kind in optimizers(module)]


def page(found: dict[str, list[tuple[str, str, str]]]) -> str:
    """Return docs/optimizers.md."""
    parts = [
        "# Optimizers and wrappers",
        "",
        "Written by `python tests/support/optimizer_trials.py`, which trains a small network for "
        f"{STEPS} steps with each optimizer and an attached pruner. `followed`: every step is "
        "counted once, pruned weights and their buffers are zero, updates read the gradient of "
        "the forward pass, and all values are finite. `refused`: the pruner refuses it with a "
        "one-line error. `fails`: do not use it with masks that exchange weights; its formula "
        "breaks at zero. `untested`: it does not run in a plain loop with its defaults. "
        "`make test-optimizers` checks this page.",
    ]
    for library, table in found.items():
        parts += ["", f"## {library}", "", "| optimizer | outcome | remark |", "|---|---|---|"]
        parts += [f"| {name} | {outcome} | {remark} |" for name, outcome, remark in table]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print("libraries:", {name: version(name) for name in installed()}, file=sys.stderr)
    sys.stdout.write(page({name: rows(name) for name in installed()}))
