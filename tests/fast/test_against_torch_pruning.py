"""`fggp.shrink` beside torch-pruning, which removes the same channels by indices of ours."""

import copy
import importlib.util
import warnings
from types import ModuleType

import pytest
import torch
from sparse_networks import backbone, images, without_channels
from torch import Tensor, nn

import fggp
from fggp.fast.shrinking import live_channels
from fggp.pruning.filters.groups import Group, groups
from fggp.pruning.filters.walk import UnknownNetworkError

NAMES = ("vgg19", "resnet50")


@pytest.fixture
def library() -> ModuleType:
    """The other library; the test is skipped without it."""
    if importlib.util.find_spec("torch_pruning") is None:
        pytest.skip("torch-pruning is not installed here; make test-optimizers installs it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks torch for what older versions had
        return importlib.import_module("torch_pruning")


def cut(library: ModuleType, model: nn.Module, found: list[Group], kept: list[Tensor]) -> nn.Module:
    """Return the network with the same channels removed by the other library."""
    model = copy.deepcopy(model)
    graph = library.DependencyGraph().build_dependency(model, images(1, 3, 32, 32))
    for group, channels in zip(found, kept, strict=True):
        gone = (~channels).nonzero().flatten().tolist()
        producer = model.get_submodule(group.producers[0])
        graph.get_pruning_group(producer, library.prune_conv_out_channels, gone).prune()
    return model


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
@pytest.mark.parametrize("name", NAMES)
def test_the_same_channels_gone_leave_the_same_bits(
    name: str, share: float, library: ModuleType
) -> None:
    model = backbone(name, density=1).eval()
    masks = without_channels(model, share)
    other = cut(library, model, list(groups(model)), live_channels(model, masks))
    own = fggp.shrink(model, masks)
    theirs = other.state_dict()
    assert list(own.state_dict()) == list(theirs)
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in own.state_dict().items())
    batch = images(2, 3, 32, 32)
    assert torch.equal(own(batch), other.eval()(batch))


@pytest.mark.parametrize("name", NAMES)
def test_groups_are_those_of_its_dependency_graph(name: str, library: ModuleType) -> None:
    model = backbone(name, density=1)
    graph = library.DependencyGraph().build_dependency(model, images(1, 3, 32, 32))
    names = {module: path for path, module in model.named_modules()}
    for group in groups(model):
        producer = model.get_submodule(group.producers[0])
        found = graph.get_pruning_group(producer, library.prune_conv_out_channels, [0])
        touched = {names[it.dep.target.module] for it in found if it.dep.target.module in names}
        members = (*group.norms, *group.consumers)
        assert {*group.producers, *(it.name for it in members)} <= touched


def depthwise() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(),
        nn.Conv2d(8, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2),
    )  # fmt: skip


def test_a_network_that_is_refused_names_the_library_that_knows_more() -> None:
    with pytest.raises(UnknownNetworkError, match=r"groups=8.*pip install 'fggp\[foreign\]'"):
        fggp.shrink(depthwise())
    optimizer = torch.optim.SGD((model := depthwise()).parameters(), lr=0.1)
    method = fggp.method("l1-filter", sparsity=0.5, steps=4)
    with pytest.raises(ValueError, match=r"torch-pruning"):
        fggp.Pruner(model, optimizer, method)


def test_the_library_cuts_what_is_refused_here(library: ModuleType) -> None:
    model = depthwise().eval()
    graph = library.DependencyGraph().build_dependency(model, images(1, 3, 12, 12))
    graph.get_pruning_group(model[0], library.prune_conv_out_channels, [1, 5]).prune()
    assert (model[0].out_channels, model[2].groups, model[4].in_channels) == (6, 6, 6)
    assert model(images(2, 3, 12, 12)).shape == (2, 2)
