"""A model inside torch.compile or data parallel, an optimizer inside another."""

import copy
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import torch
from plain_loop import (
    BATCHES,
    NAMES,
    Loop,
    method,
    network,
    same_bits,
    sgd,
)
from torch import nn

import fggp

every_name = pytest.mark.parametrize("name", NAMES)
LAYERS = ["0.weight", "3.weight", "5.weight"]


class Compiled(Loop):
    """A loop whose model is compiled, as a user would: the whole module, before the pruner."""

    def __init__(self, name: str, backend: str | Callable[..., Any], **options: Any) -> None:
        super().__init__(name)
        self.inner = network()
        self.model = torch.compile(self.inner, backend=backend, **options)  # type: ignore[assignment]
        self.optimizer = sgd(self.model)
        self.pruner = fggp.Pruner(self.model, self.optimizer, method(name))


@pytest.fixture
def fresh_compiler() -> Any:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@every_name
def test_a_compiled_model_is_pruned_as_the_plain_one_is(name: str, backend: str) -> None:
    loop = Compiled(name, backend, fullgraph=True).run()
    plain = Loop(name).run()
    assert torch.equal(loop.mask, plain.mask)
    for one, other in zip(loop.inner.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)


class Graphs(list[Any]):
    """A backend of the compiler that runs each graph as it is, and keeps it."""

    def __call__(self, graph: Any, inputs: Any) -> Any:
        self.append(graph)
        return graph.forward


@pytest.mark.usefixtures("fresh_compiler")
def test_no_mask_update_makes_the_model_compile_again() -> None:
    graphs = Graphs()
    assert Compiled("granet", graphs).run().pruner.steps == 24
    assert len(graphs) == 1


@pytest.mark.usefixtures("fresh_compiler")
def test_a_compiled_step_is_followed_and_no_mask_update_makes_it_compile_again() -> None:
    graphs = Graphs()
    loop, plain, compiled = Loop("granet", attach=True), Loop("granet").run(), []
    step = torch.compile(loop.optimizer.step, backend=graphs)
    for x, y in BATCHES:
        loop.loss(x, y).backward()
        step()
        loop.optimizer.zero_grad()
        compiled.append(len(graphs))
    assert torch.equal(loop.mask, plain.mask)
    assert compiled[1:] == compiled[1:2] * (len(BATCHES) - 1), "momentum exists after one step"


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.skipif(not (which("c++") or which("g++")), reason="there is no C++ compiler here")
@pytest.mark.parametrize("name", ["granet", "fggp"])
def test_a_model_compiled_to_machine_code_keeps_its_counts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    assert Compiled(name, "inductor").run().update >= 4


@pytest.mark.usefixtures("fresh_compiler")
def test_a_state_moves_into_and_out_of_a_compiled_model() -> None:
    whole = Loop("granet").run()
    first = Compiled("granet", "eager").run(BATCHES[:7])
    second = Loop("granet")
    moved(first, second, second.model)
    assert same_bits(second.run(BATCHES[7:14]), Loop("granet").run(BATCHES[:14]))
    third = Compiled("granet", "eager")
    moved(second, third, third.inner)
    assert same_bits(third.run(BATCHES[14:]), whole)


def moved(source: Loop, target: Loop, into: nn.Module) -> None:
    """Take a training over, the model's state by the names of the network itself."""
    model = getattr(source, "inner", source.model)
    into.load_state_dict(copy.deepcopy(model.state_dict()))
    target.optimizer.load_state_dict(copy.deepcopy(source.optimizer.state_dict()))
    target.pruner.load_state_dict(copy.deepcopy(source.pruner.state_dict()))
    target.update = source.update


@pytest.mark.usefixtures("fresh_compiler")
def test_parameters_are_named_as_in_the_network_whatever_it_is_wrapped_in() -> None:
    for wrapped in (
        nn.DataParallel(network()),
        torch.compile(network(), backend="eager"),
        torch.compile(nn.DataParallel(network()), backend="eager"),
    ):
        assert list(fggp.sparsify(wrapped, 0.5)) == LAYERS
        optimizer = sgd(wrapped)
        pruner = fggp.Pruner(wrapped, optimizer, method("gmp"), params=LAYERS[1:])
        assert list(pruner.masks) == LAYERS[1:]
        with pytest.raises(ValueError, match=r"no parameter '(.*)3\.weight'; .* '3\.weight'\?"):
            fggp.Pruner(wrapped, optimizer, method("gmp"), params=["module.3.weight"])


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("name", ["magnitude-init", "snip", "grasp", "synflow"])
def test_weights_are_scored_before_training_whatever_the_network_is_wrapped_in(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # DataParallel moves to a GPU
    data = {"batches": [(x.float(), y) for x, y in BATCHES[:2]], "loss": nn.CrossEntropyLoss()}
    made = fggp.method(name, sparsity=0.9, steps=24)
    masks = []
    for wrap in (network, lambda: nn.DataParallel(network()), lambda: torch.compile(network())):
        model = wrap()
        masks.append(fggp.Pruner(model, sgd(model), made, **data).masks)
    assert sum(int(mask.sum()) for mask in masks[0].values()) == 137
    for other in masks[1:]:
        assert all(torch.equal(mask, other[layer]) for layer, mask in masks[0].items())


class Outer(torch.optim.Optimizer):
    """Holds an optimizer as accelerate does: with its state and groups, and without its hooks."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    @property
    def state(self) -> Any:
        return self.optimizer.state

    @property
    def param_groups(self) -> Any:
        return self.optimizer.param_groups

    def step(self, closure: Any = None) -> Any:
        return self.optimizer.step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.optimizer.zero_grad(set_to_none)


@pytest.mark.parametrize("attach", [False, True])
@every_name
def test_an_optimizer_that_holds_another_is_pruned_as_the_one_inside(
    name: str, attach: bool
) -> None:
    loop = Loop(name, lambda model: Outer(sgd(model)), attach=attach)
    assert same_bits(loop.run(), Loop(name).run())
    assert loop.pruner.steps == 24


def test_a_network_with_a_part_that_is_called_module_keeps_its_names() -> None:
    model = nn.ModuleDict({"module": nn.Linear(4, 4)})
    assert list(fggp.sparsify(model, 0.5)) == ["module.weight"]
