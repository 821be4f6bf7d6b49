"""One mask update at the 20 million weights of VGG-19, each tool from the same state.

Pruned weights are zero, as in training: the usual tie. GraNet's update prunes over all layers and
then exchanges half of the remaining weights inside each layer; ours, RigL's and GraNet's do the
same work up to ties. torch.nn.utils.prune only prunes.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path

from suite import peers
from suite.granet import found, masking
from suite.ours import Ours, State, give_momentum, sgd, weights_of
from suite.work import LeftOut, Options, Row, Work
from suite.worker import side_by_side

STATES = {
    "from dense": State(),
    "at 50 %": State(Fraction(1, 2)),
    "at 90 %": State(Fraction(1, 10)),
    "at 50 %, many equal": State(Fraction(1, 2), tied=True),
}
KEPT = Fraction(9, 10)  # of the active weights


def measure(options: Options) -> list[Row]:
    """Return milliseconds per update."""
    rows = []
    for case, usual in STATES.items():
        state = State(usual.density, usual.tied, options.tiny)
        whole = {
            "ours, granet": partial(ours, state, "granet"),
            "ours, rigl": partial(ours, state, "rigl"),
            "GraNet, prune and exchange": partial(granet, state, options.granet, True),
            "rigl-torch": partial(rigl, state),
        }
        pruning = {
            "ours, gmp": partial(ours, state, "gmp"),
            # Without an optimizer step there are no weights of a forward pass before it.
            "ours, fggp": partial(ours, state, "fggp", weights="stepped"),
            "GraNet, prune": partial(granet, state, options.granet, False),
            "torch.nn.utils.prune": partial(torch_prune, state),
        }
        with_step = {
            f"ours, fggp, weights {weights}": partial(stepped, state, weights)
            for weights in ("stepped", "forward")
        }
        kinds = {
            "prune and exchange": whole,
            "prune": pruning,
            "optimizer step and prune": with_step,
        }
        for kind, contenders in kinds.items():
            rows += side_by_side(
                "mask update",
                f"{kind}, {case}",
                contenders,
                rounds=options.times(3),
                threads=options.threads,
            )
    return rows


def keep(state: State) -> Fraction:
    """Return the density after the update."""
    return state.density * KEPT


def ours(state: State, method: str, **settings: str) -> Work:
    """Return the whole step of our pruner in which the update is due."""
    it = Ours(state, method, keep(state), **settings)
    return Work(it.pruner.step, it.reset)


def stepped(state: State, weights: str) -> Work:
    """Return the optimizer's step before an update, and the update.

    Both copy the gradient before the step; with the weights of the forward pass, these too.
    """
    it = Ours(state, "fggp", keep(state), weights=weights)

    def run() -> None:
        it.optimizer.step()
        it.pruner.step()

    return Work(run, it.reset)


def granet(state: State, path: Path | None, exchange: bool) -> Work:
    """Return the official pruning, and the exchange after it."""
    found(path)
    model = state.network()
    optimizer = sgd(model)
    pruner = masking(model, optimizer, every=1)
    masks = [mask.float() for mask in state.fill(model)]
    own = weights_of(model)
    weights, gradients = [p.detach().clone() for p in own], [p.grad for p in own]
    pruner.args.init_density = float(keep(state))  # its target at its step 0

    def reset() -> None:
        for p, weight, gradient in zip(own, weights, gradients, strict=True):
            p.data = weight.clone()
            p.grad = gradient
        give_momentum(optimizer, own)
        for name, mask in zip(list(pruner.masks), masks, strict=True):
            pruner.masks[name] = mask.clone()

    def run() -> None:
        pruner.pruning(0)
        if exchange:
            pruner.truncate_weights(0)

    return Work(run, reset)


def rigl(state: State) -> Work:
    """Return the exchange of rigl-torch."""
    if state.density == 1:
        raise LeftOut("it does nothing in dense layers")
    model = state.network()
    optimizer = sgd(model)
    masks = state.fill(model)
    scheduler = peers.rigl_torch(model, optimizer, masks)
    own = weights_of(model)
    weights = [p.detach().clone() for p in own]
    hooks = scheduler.backward_hook_objects
    for p, hook in zip(own, hooks, strict=True):
        if hook is not None:
            hook.dense_grad = p.grad

    def reset() -> None:
        for p, weight in zip(own, weights, strict=True):
            p.data = weight.clone()
        give_momentum(optimizer, own)
        scheduler.backward_masks = [None, *(mask.clone() for mask in masks[1:])]

    return Work(scheduler._rigl_step, reset)


def torch_prune(state: State) -> Work:
    """Return global magnitude pruning of torch.nn.utils.prune to the same count."""
    from torch.nn.utils import prune

    model = state.network()
    masks = state.fill(model)
    modules = peers.modules_of(model)
    weights = [p.detach().clone() for p in weights_of(model)]
    amount = round(sum(mask.numel() for mask in masks) * float(1 - keep(state)))

    def reset() -> None:
        for module, weight in zip(modules, weights, strict=True):
            if prune.is_pruned(module):
                prune.remove(module, "weight")  # type: ignore[no-untyped-call]
            module.weight.data = weight.clone()

    def run() -> None:
        pairs = [(module, "weight") for module in modules]
        prune.global_unstructured(pairs, prune.L1Unstructured, amount=amount)

    return Work(run, reset)
