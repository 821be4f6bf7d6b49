"""Fast masking gives the bits of a selection: a weight off the mask is zero, whatever it was."""

import copy

import pytest
import torch
from stand_in_gpu import GPU
from torch import Tensor

from fggp.pruning.integer_masks import INTEGERS, IntegerMasks, zero_off, zeroed

VALUES = [1.5, -2.0, 0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-40]


def bits(tensor: Tensor) -> list[bytes]:
    return [tensor[i].clone().untyped_storage().tolist() for i in range(len(tensor))]  # type: ignore[misc]


def values(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor([x for x in VALUES for _ in range(2)], dtype=dtype)


def mask() -> Tensor:
    return torch.tensor([True, False] * len(VALUES))


@pytest.mark.parametrize("dtype", [*INTEGERS, torch.complex128], ids=str)
def test_a_number_off_a_mask_keeps_nothing_but_its_sign_and_one_on_it_every_bit(
    dtype: torch.dtype,
) -> None:
    mine, selected = values(dtype), values(dtype)
    IntegerMasks([mask()]).zero([(0, mine)])
    signs = selected if dtype.is_complex else torch.ones_like(selected).copysign(selected)
    selected[~mask()] = 0 if dtype.is_complex else 0 * signs[~mask()]
    assert bits(mine) == bits(selected)
    assert bits(zeroed(values(dtype), mask())) == bits(selected)
    others = values(dtype)
    zero_off([others], [mask()])
    assert bits(others) == bits(selected)


def test_finite_numbers_become_what_a_product_with_the_mask_makes_of_them() -> None:
    mine, plain = torch.randn(99), torch.rand(99) < 0.5
    product = mine * plain
    IntegerMasks([plain]).zero([(0, mine)])
    assert bits(mine) == bits(product)


def test_a_mask_that_marks_everything_leaves_every_bit() -> None:
    mine = values()
    everything = torch.ones_like(mask())
    IntegerMasks([everything]).zero([(0, mine)])
    assert bits(mine) == bits(values())


def test_tensors_are_zeroed_by_the_mask_of_their_number() -> None:
    masks = [torch.tensor([True, False]), torch.tensor([False, True, True])]
    first, again, second = torch.ones(2), torch.ones(2, dtype=torch.float64), torch.ones(3)
    IntegerMasks(masks).zero([(0, first), (1, second), (0, again)])
    assert (first.tolist(), again.tolist(), second.tolist()) == ([1, 0], [1, 0], [0, 1, 1])


def test_a_mask_that_changes_is_followed() -> None:
    changing = torch.ones(3, dtype=torch.bool)
    factors, tensor = IntegerMasks([changing]), torch.ones(3)
    factors.zero([(0, tensor)])
    assert tensor.tolist() == [1, 1, 1]
    changing[1] = False
    factors.zero([(0, tensor)])
    assert tensor.tolist() == [1, 0, 1]
    changing.copy_(torch.tensor([True, True, False]))
    factors.zero([(0, tensor)])
    assert tensor.tolist() == [1, 0, 0]


def test_a_copy_follows_its_own_masks() -> None:
    changing = torch.ones(3, dtype=torch.bool)
    factors = IntegerMasks([changing])
    changing[0] = False
    factors.zero([(0, torch.ones(3))])  # what it knows is of version 1 of its mask
    other_mask, other = copy.deepcopy((changing, factors))
    other_mask[1] = False
    tensor, own = torch.ones(3), torch.ones(3)
    other.zero([(0, tensor)])
    factors.zero([(0, own)])
    assert (tensor.tolist(), own.tolist()) == ([0, 0, 1], [0, 1, 1])


def test_masks_without_a_history_are_looked_at_every_time() -> None:
    with torch.inference_mode():
        changing = torch.ones(2, dtype=torch.bool)
        factors, tensor = IntegerMasks([changing]), torch.ones(2)
        factors.zero([(0, tensor)])
        changing[0] = False
        factors.zero([(0, tensor)])
    assert tensor.tolist() == [0, 1]


def test_the_memory_layout_of_a_mask_is_kept() -> None:
    laid = torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    marked = laid > 0.5
    expected = laid * marked
    IntegerMasks([marked]).zero([(0, laid)])
    assert torch.equal(laid, expected)
    assert laid.is_contiguous(memory_format=torch.channels_last)


def test_on_a_gpu_numbers_stay_where_they_are_and_full_masks_have_none(gpu: GPU) -> None:
    full, sparse = (torch.tensor(x, device=gpu.device) for x in ([True, True], [True, False]))
    factors, tensors = (
        IntegerMasks([full, sparse]),
        [torch.ones(2, device=gpu.device) for _ in "ab"],
    )

    def zeroed() -> list[list[float]]:
        factors.zero(enumerate(tensors))
        return [tensor.tolist() for tensor in tensors]

    assert zeroed() == [[1, 1], [1, 0]]
    (number,) = factors.tensors
    sparse.logical_not_()
    assert zeroed() == [[1, 1], [0, 0]]
    (same,) = factors.tensors
    assert same.data_ptr() == number.data_ptr()
    full[0] = False  # it gets a number now, and keeps it when it is full again
    assert zeroed() == [[0, 1], [0, 0]]
    full.fill_(True)
    assert len(factors.tensors) == 2
    assert factors.tensors[1].data_ptr() == number.data_ptr()


def test_on_a_gpu_the_host_waits_once_for_a_change_of_all_masks(gpu: GPU) -> None:
    masks = [torch.ones(3, dtype=torch.bool, device=gpu.device) for _ in range(5)]
    factors, tensors = IntegerMasks(masks), [torch.ones(3, device=gpu.device) for _ in masks]
    for mask in masks:
        mask[0] = False
        before = gpu.waits.total()
        for _ in range(3):
            factors.zero(enumerate(tensors))
            assert factors.counts == [int(mask.held.sum()) for mask in masks]
        assert gpu.waits.total() == before + 1


def test_masks_of_one_model_may_be_on_several_devices(gpu: GPU) -> None:
    marked = [True, False], [True, True], [False, False]
    places = "cpu", gpu.device, "cpu"
    masks = [torch.tensor(x, device=place) for x, place in zip(marked, places, strict=True)]
    tensors = [torch.ones(2, device=place) for place in places]
    factors = IntegerMasks(masks)
    assert factors.counts == [1, 2, 0]
    factors.zero(enumerate(tensors))
    assert [tensor.tolist() for tensor in tensors] == [[1, 0], [1, 1], [0, 0]]
