"""A network whose layers are on two devices is pruned as on one."""

import pytest
import torch
from stand_in_gpu import GPU
from torch import Tensor, nn

import fggp

STEPS = 24
RNG = torch.Generator().manual_seed(0)
BATCHES = [(torch.randn(16, 8, generator=RNG), torch.arange(16) % 4) for _ in range(STEPS)]
METHODS = ("gmp", "granet", "fggp", "rigl", "mest", "dpf", "imp", "magnitude-init", "snip")


class Network(nn.Module):
    """Two layers, the second on a device of its own."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.first, self.second = nn.Linear(8, 32), nn.Linear(32, 4)
        self.second.to(device)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x).relu().to(self.second.weight.device)
        return self.second(hidden).to(x.device)


def trained(name: str, device: torch.device) -> list[Tensor]:
    model = Network(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    method = fggp.method(name, sparsity="3/4", steps=STEPS)
    loss = nn.functional.cross_entropy
    pruner = fggp.Pruner(model, optimizer, method, batches=BATCHES[:1], loss=loss)
    for x, y in BATCHES:
        loss(model(x), y).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    assert [mask.device.type for mask in pruner.masks.values()] == ["cpu", device.type]
    return [p.detach().cpu() for p in model.parameters()]


@pytest.mark.parametrize("name", METHODS)
def test_a_training_comes_to_the_weights_of_one_on_a_single_device(name: str, gpu: GPU) -> None:
    one, two = trained(name, torch.device("cpu")), trained(name, gpu.device)
    assert all(map(torch.equal, one, two))


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_pruning_once_comes_to_the_masks_of_one_device(scope: str, gpu: GPU) -> None:
    one, two = Network(torch.device("cpu")), Network(gpu.device)
    expected, found = (fggp.sparsify(it, 0.75, scope=scope) for it in (one, two))
    for name, mask in expected.items():
        assert torch.equal(found[name].cpu(), mask)
        assert found[name].device == two.get_parameter(name).device
