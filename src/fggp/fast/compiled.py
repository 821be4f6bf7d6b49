"""The callable of a compiled network."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock
from typing import NoReturn

import torch
from torch import Tensor

from fggp.fast.plan import Plan
from fggp.fast.processor import Processor
from fggp.fast.refusal import CompileError
from fggp.fast.shapes import shapes
from fggp.fast.steps import Network

GROUP = 16
"""Images that go through the last layers together with ``batched``."""


class CompiledNetwork:
    """A network as machine code for this CPU: images in, outputs of the model out.

    It has the weights from the time of compilation; compile again after changing them. Code is
    generated at the first call for each size of image, in some tenths of a second.

    Attributes:
        batched: whether whole groups of 16 images go through the last layers together.
        threads: number of threads among which the images of a call are divided.
        kept: the number of weights that are multiplied.
        weights: the number of all weights of convolutions and linear layers.

    """

    def __init__(
        self, network: Network, processor: Processor, *, batched: bool, threads: int
    ) -> None:
        self.batched = batched
        self.threads = threads
        self.kept = network.kept
        self.weights = network.weights
        self._network = network
        self._processor = processor
        self._plans: dict[tuple[tuple[int, ...], int], Plan] = {}
        self._lock = Lock()
        self._pools: dict[int, ThreadPoolExecutor] = {}

    def __call__(self, images: Tensor) -> Tensor:
        """Return the outputs of the model for images.

        Args:
            images: (N, channels, rows, columns) or (N, features), float32, on the CPU; any N.

        Raises:
            CompileError: for other tensors.

        """
        images = _checked(images)
        single = self._plan(tuple(images.shape[1:]), 1)
        logits = single.empty(len(images))
        grouped = self._plan(tuple(images.shape[1:]), GROUP) if self._whole(images) else single
        edge = len(images) // grouped.group * grouped.group
        parts = [(grouped, it) for it in self._parts(0, edge, grouped.group)]
        parts += [(single, it) for it in self._parts(edge, len(images), 1)]
        if self.threads == 1 or len(parts) < 2:
            for plan, part in parts:
                plan.run(images[part], logits[part])
        else:
            pool = self._pool()
            tasks = [pool.submit(plan.run, images[it], logits[it]) for plan, it in parts]
            for task in tasks:
                task.result()
        return logits

    def macs(self, *image: int) -> int:
        """Return the multiplications for one image of a shape, if no weight is skipped at edges.

        Args:
            image: channels, rows and columns, or features.

        """
        found = shapes(self._network, image)
        return sum(it.kept * found[it.output].pixels for it in self._network.convolutions)

    def __repr__(self) -> str:
        share = self.kept / self.weights if self.weights else 0
        return f"CompiledNetwork({self.kept} of {self.weights} weights, {100 * share:.3g} %)"

    def __reduce__(self) -> NoReturn:
        raise CompileError("machine code stays in its process; compile the model in the other one")

    def _whole(self, images: Tensor) -> bool:
        return self.batched and len(images) >= GROUP

    def _parts(self, start: int, end: int, group: int) -> list[slice]:
        """Divide images among the threads, in whole groups."""
        groups = (end - start) // group
        count = min(self.threads, groups)
        edges = [start + group * (groups * it // count) for it in range(count + 1)] if count else []
        return [slice(*it) for it in pairwise(edges)]

    def _pool(self) -> ThreadPoolExecutor:
        """Return the threads of this process; after a fork, those of its parent do not exist."""
        process = os.getpid()
        with self._lock:
            if process not in self._pools:
                self._pools = {process: ThreadPoolExecutor(self.threads)}
            return self._pools[process]

    def _plan(self, image: tuple[int, ...], group: int) -> Plan:
        with self._lock:
            if (image, group) not in self._plans:
                plan = Plan(self._processor, self._network, image, group)
                self._plans[image, group] = plan
            return self._plans[image, group]


def _checked(images: Tensor) -> Tensor:
    """Return images in the form that the kernels read; refuse those that callers must convert."""
    if not isinstance(images, Tensor):
        raise CompileError(f"images are a {type(images).__name__}; give a tensor of torch")
    if images.layout != torch.strided or images.device.type != "cpu":
        raise CompileError(f"images are {images.layout} on {images.device}; call images.cpu()")
    if images.dtype != torch.float32:
        raise CompileError(f"images are {images.dtype}; call images.float()")
    if images.ndim not in {2, 4}:
        raise CompileError(
            f"images of shape {tuple(images.shape)}; give (N, channels, rows, columns) or "
            "(N, features)"
        )
    if images.requires_grad and torch.is_grad_enabled():
        raise CompileError(
            "images require a gradient, which is not computed; call it with images.detach() or "
            "under torch.no_grad()"
        )
    return images.detach().resolve_neg().contiguous()
