"""Two processes that train one model together, each on its own data."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import two_ranks as ranks
from plain_loop import BATCHES, NAMES, TIMING, Loop, same_bits

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (dist.is_available() and dist.is_gloo_available()), reason="torch is built without gloo"
    ),
]


def test_masks_are_equal_on_all_ranks_and_a_training_goes_on_in_one_process(tmp_path: Path) -> None:
    # The ranks themselves assert what holds at every step; a failure there is raised here.
    torch.multiprocessing.spawn(ranks.main, args=(str(tmp_path),), nprocs=ranks.RANKS)  # type: ignore[no-untyped-call]
    assert all((tmp_path / f"done{rank}").exists() for rank in range(ranks.RANKS))
    for name in NAMES:
        alone, resumed = (Loop(name, dtype=torch.float64) for _ in range(2))
        state = torch.load(tmp_path / f"{name}.pt", weights_only=True)
        for part in ("model", "optimizer", "pruner"):
            getattr(resumed, part).load_state_dict(state[part])
        alone.run(BATCHES[:7])
        resumed.update = alone.update
        assert torch.equal(resumed.mask, alone.mask)
        assert not same_bits(alone, resumed)  # the sums of two ranks are rounded otherwise
        assert torch.equal(resumed.run(BATCHES[7:]).mask, alone.run(BATCHES[7:]).mask)
        assert resumed.pruner.steps == TIMING.steps
