"""A test of tests: the stand-in GPU finds what would break a training on a GPU alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import small
import torch
from stand_in_gpu import GPU, Freed, Misplaced
from torch import Tensor

from fggp.data import Dataset
from fggp.pruning import masks
from fggp.pruning.integer_masks import IntegerMasks
from fggp.study.cell import canonical
from fggp.training.cuda_graphs import Replay, _Recording
from fggp.training.step import Step
from fggp.training.train import train

pytestmark = pytest.mark.long

WANTED = small.cell("granet", start=0.5, epochs=4, batch_size=45, end=4)
FORWARD = small.cell("fggp", start=0.5, epochs=4, batch_size=45, end=4)
Plant = Callable[[pytest.MonkeyPatch], None]


def rate_baked_into_a_recording(patch: pytest.MonkeyPatch) -> None:
    def start(self: Step, lr: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = lr

    patch.setattr(Step, "start", start)
    patch.setattr(Replay, "check", lambda self: None)


def batch_left_where_it_is(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_Recording, "run", lambda self, x, y: self.again())


def masks_not_followed_in_place(patch: pytest.MonkeyPatch) -> None:
    follow = IntegerMasks.follow

    def replaced(self: IntegerMasks) -> None:
        if [mask._version for mask in self._masks] != self._made_of:
            self._numbers.clear()
        follow(self)

    patch.setattr(IntegerMasks, "follow", replaced)
    patch.setattr(Replay, "check", lambda self: None)


def masks_left_on_the_cpu(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(masks, "like", lambda vector, p: vector.cpu().view(p.shape).clone())


def number_read_in_the_step(patch: pytest.MonkeyPatch) -> None:
    work = Step._forward_backward_optimizer

    def reading(self: Step, x: Tensor, y: Tensor) -> None:
        work(self, x, y)
        float(self.loss)

    patch.setattr(Step, "_forward_backward_optimizer", reading)


def copy_left_to_a_hook(patch: pytest.MonkeyPatch) -> None:
    def descend(self: Step, x: Tensor, y: Tensor, *, soft: bool) -> None:
        self._replay(x, y)

    patch.setattr(Step, "_descend", descend)


@pytest.fixture
def found(
    gpu: GPU, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Plant], tuple[bool, GPU]]:
    """Return a function that plants a fault, and says whether a training still is the CPU's."""

    def trained(plant: Plant, wanted: small.Cell = WANTED) -> tuple[bool, GPU]:
        def outcome(device: torch.device) -> str:
            return canonical(train(wanted, digits, device=device, store=small.Forgetful()).plain())

        plain = outcome(torch.device("cpu"))
        with monkeypatch.context() as patch:
            plant(patch)
            return outcome(gpu.device) == plain, gpu

    return trained


def nothing(patch: pytest.MonkeyPatch) -> None:
    pass


def test_without_a_fault_nothing_is_found(found: Callable[..., tuple[bool, GPU]]) -> None:
    for wanted in (WANTED, FORWARD):
        same, gpu = found(nothing, wanted)
        assert same
        assert gpu.replays > gpu.recordings > 0


@contextmanager
def noticed() -> Iterator[None]:
    with pytest.raises(Freed, match="has been freed"):
        yield


def test_a_rate_that_is_baked_into_a_recording_is_found(
    found: Callable[..., tuple[bool, GPU]],
) -> None:
    same, _ = found(rate_baked_into_a_recording)
    assert not same


def test_a_batch_that_does_not_reach_the_recording_is_found(
    found: Callable[..., tuple[bool, GPU]],
) -> None:
    same, _ = found(batch_left_where_it_is)
    assert not same


def test_masks_that_are_replaced_without_the_recording_noticing_are_found(
    found: Callable[..., tuple[bool, GPU]],
) -> None:
    with noticed():
        found(masks_not_followed_in_place)


def test_masks_on_the_cpu_are_found(found: Callable[..., tuple[bool, GPU]]) -> None:
    with pytest.raises(Misplaced, match="tensors of the CPU"):
        found(masks_left_on_the_cpu)


def test_a_number_that_is_read_in_a_step_is_found(
    found: Callable[..., tuple[bool, GPU]], capsys: pytest.CaptureFixture[str]
) -> None:
    same, gpu = found(number_read_in_the_step)
    assert same
    assert gpu.replays == 0
    assert "not permitted when stream is capturing" in capsys.readouterr().err


def test_weights_that_a_replayed_step_does_not_copy_are_found(
    found: Callable[..., tuple[bool, GPU]],
) -> None:
    same, _ = found(copy_left_to_a_hook, FORWARD)
    assert not same
