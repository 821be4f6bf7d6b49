"""The stand-in GPU of the tests does what a GPU does, and says what a training did to it."""

import copy
import io

import pytest
import torch
from stand_in_gpu import GPU, Freed, Misplaced
from torch import Tensor


def on(gpu: GPU, *numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32, device=gpu.device)


def recorded(gpu: GPU, work, pool=None):
    """Return a graph of some work, as `torch.cuda` makes one."""
    cuda = torch.get_device_module(gpu.device)
    graph = cuda.CUDAGraph()
    with cuda.graph(graph, pool=pool):
        work()
    return graph


def test_tensors_compute_on_the_cpu_and_say_that_they_are_elsewhere(gpu: GPU) -> None:
    there = on(gpu, 1, 2) * 3
    assert there.device == gpu.device
    assert there.cpu().device.type == "cpu"
    assert there.tolist() == [3, 6]


def test_tensors_of_the_cpu_are_refused_but_for_single_numbers(gpu: GPU) -> None:
    there = on(gpu, 1, 2)
    assert (there + torch.tensor(1.0)).tolist() == [2, 3]
    for mixed in (lambda: there + torch.ones(2), lambda: torch.ones(2).mul_(there)):
        with pytest.raises(Misplaced, match="tensors of the CPU"):
            mixed()
    positions = torch.tensor([0, 1])
    with pytest.raises(Misplaced):
        torch.ones(2)[positions.to(gpu.device)]
    with pytest.raises(Misplaced):
        there[positions.to(gpu.device)] = torch.ones(2)


def test_what_the_host_waits_for_is_counted_and_so_are_copies_from_it(gpu: GPU) -> None:
    there = on(gpu, 1, 0)
    assert (gpu.uploads.total(), gpu.waits.total()) == (1, 0)
    _ = there.sum() * 2
    assert gpu.waits.total() == 0
    waiting = [
        lambda: float(there.sum()),
        there.nonzero,
        lambda: there[there > 0],
        there.cpu,
        lambda: torch.ones(2).copy_(there),
        lambda: torch.equal(there, there),
    ]
    for number, wait in enumerate(waiting, start=1):
        wait()
        assert gpu.waits.total() == number
    there[torch.tensor([0])]
    assert gpu.uploads.total() == 2


def test_a_copy_a_file_and_a_view_are_what_they_are_elsewhere(gpu: GPU) -> None:
    weight = torch.nn.Parameter(on(gpu, 1, 2))
    other = copy.deepcopy(weight)
    other.data[0] = 5
    assert isinstance(other, torch.nn.Parameter)
    assert (weight.tolist(), other.tolist()) == ([1, 2], [5, 2])
    weight.detach()[1] = 7
    buffer = io.BytesIO()
    torch.save({"weight": weight.detach()}, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=True)["weight"]
    assert loaded.device.type == "cpu"
    assert loaded.tolist() == [1, 7]


def test_a_recording_runs_only_when_it_is_replayed_and_on_the_same_memory(gpu: GPU) -> None:
    total, step, runs, results = on(gpu, 0), on(gpu, 1), [], []

    def work() -> None:
        runs.append(1)
        results.append(step * 2)
        total.add_(results[0])

    graph = recorded(gpu, work)
    assert total.tolist() == [0]
    assert results[0].isnan().all()  # nothing was computed
    graph.replay()
    step.fill_(10)
    graph.replay()
    assert total.tolist() == [22]
    assert results[0].tolist() == [20]
    assert (len(runs), gpu.recordings, gpu.replays) == (1, 1, 2)


def test_numbers_of_the_host_are_baked_into_a_recording(gpu: GPU) -> None:
    total, rate = on(gpu, 0), [1.0]
    graph = recorded(gpu, lambda: total.add_(rate[0]))
    rate[0] = 5.0
    graph.replay()
    assert total.tolist() == [1]


def test_a_recording_waits_for_nothing_and_takes_nothing_from_the_host(gpu: GPU) -> None:
    there = on(gpu, 1)
    for work in (lambda: float(there), lambda: there.copy_(torch.ones(1)), there.nonzero):
        with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
            recorded(gpu, work)
    assert gpu.recording is None


def test_a_recording_on_memory_that_was_freed_is_found(gpu: GPU) -> None:
    total, steps = on(gpu, 0), [on(gpu, 1)]
    graph = recorded(gpu, lambda: total.add_(steps[0]))
    graph.replay()
    steps.clear()
    with pytest.raises(Freed, match="has been freed"):
        graph.replay()


def test_memory_is_free_again_without_a_tensor_and_runs_out_at_its_limit(gpu: GPU) -> None:
    cuda = torch.get_device_module(gpu.device)
    there = torch.zeros(100, device=gpu.device)
    view = there[:10]
    del there
    assert cuda.memory_allocated() == 400  # the view holds all of it
    del view
    assert cuda.memory_allocated() == 0
    assert cuda.max_memory_allocated() == 400
    gpu.memory.limit = 1000
    with pytest.raises(torch.OutOfMemoryError):
        torch.zeros(300, device=gpu.device)
    assert cuda.mem_get_info() == (1000, 1000)


def test_recordings_keep_their_memory_and_may_share_it(gpu: GPU) -> None:
    cuda, x = torch.get_device_module(gpu.device), torch.ones(100, device=gpu.device)
    first = recorded(gpu, lambda: x.copy_(x * 2 + 1))
    alone = gpu.memory.reserved
    second = recorded(gpu, lambda: x.copy_(x * 3 + 1), first.pool())
    assert gpu.memory.reserved == alone
    other = recorded(gpu, lambda: x.copy_(x * 3 + 1))
    assert gpu.memory.reserved > alone
    del other
    cuda.empty_cache()
    assert gpu.memory.reserved == alone
    del first
    cuda.empty_cache()
    assert len(gpu.memory.pools) == 1  # the second still works there
    del second
    cuda.empty_cache()
    assert gpu.memory.pools == {}


def test_a_replay_spoils_what_a_later_recording_has_in_the_same_pool(gpu: GPU) -> None:
    x, results = on(gpu, 1), []
    first = recorded(gpu, lambda: results.append(x + 1))
    second = recorded(gpu, lambda: results.append(x + 2), first.pool())
    apart = recorded(gpu, lambda: results.append(x + 3))
    for graph in (first, second, apart, first):
        graph.replay()
    assert [result.isnan().item() for result in results] == [False, True, False]
    second.replay()
    assert [result.item() for result in results] == [2, 3, 4]
