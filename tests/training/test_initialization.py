"""Kaiming's variances, from a large layer, and nothing else changes."""

import pytest
import torch
from torch import nn

from fggp.training.initialization import initialize


@pytest.mark.parametrize(("mode", "fan"), [("fan-in", 9 * 64), ("fan-out", 9 * 256)])
def test_convolutions_have_the_variance_of_their_fan(mode: str, fan: int) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(64, 256, 3), nn.BatchNorm2d(256), nn.Linear(256, 10))
    others = [p.clone() for name, p in model.named_parameters() if name != "0.weight"]
    initialize(model, mode)  # type: ignore[arg-type]
    assert float(model[0].weight.detach().var()) == pytest.approx(2 / fan, rel=0.02)
    after = [p for name, p in model.named_parameters() if name != "0.weight"]
    assert all(torch.equal(a, b) for a, b in zip(others, after, strict=True))
