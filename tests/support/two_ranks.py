"""The program of each of two processes that train one model; started by test_loops_ranks.py."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from plain_loop import BATCHES, NAMES, Loop, flat, method, sgd
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import fggp

RANKS = 2


class Parallel(Loop):
    """One rank of a loop over halved batches, whose model each rank has initialized otherwise."""

    def __init__(self, name: str, *, attach: bool = False, seed: int = 0, view: bool = False):
        super().__init__(name, dtype=torch.float64)
        self.rank = dist.get_rank()
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.mul_(1 + self.rank)  # rank 0 hands out its own
        self.inner = self.model
        self.model = nn.parallel.DistributedDataParallel(self.inner, gradient_as_bucket_view=view)
        self.optimizer = sgd(self.model)
        self.pruner = fggp.Pruner(self.model, self.optimizer, method(name), seed=seed)
        self.handle = self.pruner.attach() if attach else None

    def own(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x[self.rank :: RANKS], y[self.rank :: RANKS]


def everywhere(tensor: Tensor) -> list[Tensor]:
    """The tensors of all ranks."""
    found = [torch.empty_like(tensor) for _ in range(RANKS)]
    dist.all_gather(found, tensor)
    return found


def agree(tensor: Tensor) -> bool:
    first, *others = everywhere(tensor)
    return all(torch.equal(first, other) for other in others)


def masks_are_equal_on_all_ranks_and_those_of_one_process(name: str, folder: Path) -> None:
    alone = Loop(name, dtype=torch.float64)
    together = [
        Parallel(name, attach=attach, view=view) for attach, view in ((False, True), (True, False))
    ]
    for step, (x, y) in enumerate(BATCHES, 1):
        alone.step(x, y)
        for loop in together:
            loop.step(*loop.own(x, y))
            assert agree(loop.mask.byte()), (name, step)
            assert agree(flat(loop.inner.parameters())), (name, step)
            assert torch.equal(loop.mask, alone.mask), (name, step)
            if step == 7 and loop.rank == 0:
                parts = {"model": loop.inner, "optimizer": loop.optimizer, "pruner": loop.pruner}
                torch.save({k: v.state_dict() for k, v in parts.items()}, folder / f"{name}.pt")
    assert list(together[0].pruner.masks) == list(alone.pruner.masks)


def accumulated_gradients_are_those_of_all_ranks() -> None:
    alone, loop = Loop("fggp", dtype=torch.float64), Parallel("fggp")
    for x, y in BATCHES:
        alone.step(x, y)
        own, labels = loop.own(x, y)
        with loop.model.no_sync():  # type: ignore[operator]
            (loop.loss(own[:2], labels[:2]) / 2).backward()
        (loop.loss(own[2:], labels[2:]) / 2).backward()
        loop.optimizer.step()
        loop.after()
        loop.optimizer.zero_grad()
        assert agree(loop.mask.byte())
        assert torch.equal(loop.mask, alone.mask)


def weights_are_scored_alike_from_the_same_batches() -> None:
    loop = Parallel("gmp")
    batches = [(x.double(), y) for x, y in BATCHES[:2]]
    for name in ("snip", "synflow"):
        made = fggp.method(name, sparsity=0.9, steps=24)
        scored = fggp.Pruner(
            loop.model, loop.optimizer, made, batches=batches, loss=nn.CrossEntropyLoss()
        )
        assert agree(flat(scored.masks.values()).byte()), name
        loop.loss(*loop.own(*BATCHES[0])).backward()  # data parallel goes on as if nothing was


def parameters_in_pieces_are_refused_by_name() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4))
    fully_shard(model, mesh=init_device_mesh("cpu", (RANKS,)))
    with pytest.raises(ValueError, match=r"'0\.weight' is cut into pieces"):
        fggp.Pruner(model, sgd(model), method("gmp"))


def ranks_that_share_no_gradients_or_no_seed_do_not_agree() -> None:
    apart = Loop("fggp", dtype=torch.float64)
    for x, y in BATCHES:
        apart.step(x[dist.get_rank() :: RANKS], y[dist.get_rank() :: RANKS])
    assert not agree(apart.mask.byte())
    assert not agree(Parallel("set", seed=dist.get_rank()).mask.byte())


def main(rank: int, folder: str) -> None:
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=RANKS,
        timeout=timedelta(seconds=60),
    )
    try:
        for name in (*NAMES, "set"):
            masks_are_equal_on_all_ranks_and_those_of_one_process(name, Path(folder))
        accumulated_gradients_are_those_of_all_ranks()
        weights_are_scored_alike_from_the_same_batches()
        parameters_in_pieces_are_refused_by_name()
        ranks_that_share_no_gradients_or_no_seed_do_not_agree()
        Path(folder, f"done{rank}").touch()
    finally:
        dist.destroy_process_group()
    # DistributedDataParallel keeps gloo's threads alive after that. On a busy machine, one of them
    # may release a tensor while the interpreter shuts down, which aborts the process: skip that.
    os._exit(0)
