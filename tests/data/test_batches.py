from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fggp.data.batches import Batches, Normalizer, evaluation_batches
from fggp.foundation.random_streams import stream

CPU = torch.device("cpu")
MEAN, STD = (0.5, 0.25, 0.4), (0.25, 0.5, 0.2)
COUNT, SIZE = 10, 16
IMAGES = np.random.default_rng(1).integers(0, 256, (COUNT, 3, SIZE, SIZE), dtype=np.uint8)
LABELS = np.arange(COUNT) % 3


def batches(**changes: Any) -> Batches:
    options: dict[str, Any] = {
        "mean": MEAN,
        "std": STD,
        "batch_size": 4,
        "seed": 3,
        "pad": 4,
        "flip": True,
        "device": CPU,
    }
    return Batches(IMAGES, LABELS, **(options | changes))


def epoch_of(made: Batches, epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
    made.start(epoch)
    images, labels = zip(*made, strict=True)
    return torch.cat(images), torch.cat(labels)


def normalized(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (MEAN, STD))
    result: NDArray[np.float64] = (image / 255 - mean) / std
    return result


def mirrored_coordinate(at: int) -> int:
    at = abs(at)
    return at if at < SIZE else 2 * (SIZE - 1) - at


def slow_crop(image: NDArray[np.uint8], row: int, column: int, flip: bool) -> NDArray[np.uint8]:
    rows = [mirrored_coordinate(row + i) for i in range(SIZE)]
    columns = [mirrored_coordinate(column + i) for i in range(SIZE)]
    crop = image[:, rows][:, :, columns]
    return crop[:, :, ::-1] if flip else crop


def test_the_order_and_augmentation_streams_never_change() -> None:
    assert stream(3, "order", 2).permutation(10).tolist() == [3, 8, 2, 5, 1, 4, 7, 0, 6, 9]
    random = stream(3, "augmentation", 2)
    assert random.integers(0, 8, size=(2, 10), endpoint=True).tolist() == [
        [2, 5, 7, 8, 2, 8, 5, 6, 8, 4],
        [3, 1, 4, 5, 0, 5, 3, 0, 0, 7],
    ]
    assert random.integers(0, 2, size=10).tolist() == [0, 0, 1, 0, 0, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("channels_last", [False, True])
def test_every_image_is_the_crop_and_mirror_image_that_the_streams_say(channels_last: bool) -> None:
    images, labels = epoch_of(batches(channels_last=channels_last), 2)
    order = [3, 8, 2, 5, 1, 4, 7, 0, 6, 9]
    rows = [2, 5, 7, 8, 2, 8, 5, 6, 8, 4]
    columns = [3, 1, 4, 5, 0, 5, 3, 0, 0, 7]
    flips = [0, 0, 1, 0, 0, 1, 1, 1, 1, 0]
    assert labels.tolist() == [LABELS[i] for i in order]
    for at in range(COUNT):
        crop = slow_crop(IMAGES[order[at]], rows[at] - 4, columns[at] - 4, flips[at] == 1)
        np.testing.assert_allclose(images[at].numpy(), normalized(crop), atol=1e-5)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    ("pad", "pad_mode"), [(0, "reflect"), (1, "reflect"), (4, "reflect"), (2, "zero")]
)
def test_fast_batches_have_the_bits_of_a_gather_by_pixel(
    pad: int, pad_mode: str, flip: bool, channels_last: bool
) -> None:
    made = batches(pad=pad, pad_mode=pad_mode, flip=flip, channels_last=channels_last)
    images, _ = epoch_of(made, 5)
    order = stream(3, "order", 5).permutation(COUNT)
    random = stream(3, "augmentation", 5)
    rows, columns = random.integers(0, 2 * pad, size=(2, COUNT), endpoint=True)
    mirrored = random.integers(0, 2, size=COUNT) == 1
    around = ((0, 0), (0, 0), (pad, pad), (pad, pad))
    black = pad_mode == "zero"
    bordered = np.pad(IMAGES, around) if black else np.pad(IMAGES, around, "reflect")
    padded = torch.from_numpy(bordered)
    crops = padded.unfold(2, SIZE, 1).unfold(3, SIZE, 1).permute(0, 2, 3, 1, 4, 5)
    plain = crops[order, rows, columns]
    if flip:
        plain = torch.where(torch.from_numpy(mirrored).view(-1, 1, 1, 1), plain.flip(3), plain)
    scale = [torch.tensor(x, dtype=torch.float32).mul(255).view(3, 1, 1) for x in (MEAN, STD)]
    expected = plain.float().sub(scale[0]).div(scale[1])
    assert torch.equal(images.view(torch.int32), expected.view(torch.int32))


def test_no_padding_and_no_mirroring_give_the_images_themselves() -> None:
    images, _ = epoch_of(batches(pad=0, flip=False), 0)
    order = stream(3, "order", 0).permutation(COUNT)
    expected = np.stack([normalized(IMAGES[i]) for i in order])
    np.testing.assert_allclose(images.numpy(), expected, atol=1e-5)


def test_a_batch_depends_on_seed_epoch_and_position_alone() -> None:
    used, fresh = batches(), batches()
    epoch_of(used, 0)
    expected, _ = epoch_of(used, 5)
    fresh.start(5)
    assert torch.equal(fresh[2][0], expected[8:])  # the last one first
    assert torch.equal(fresh[0][0], expected[:4])
    assert torch.equal(fresh[0][0], expected[:4])
    assert not torch.equal(epoch_of(fresh, 6)[0], expected)
    assert not torch.equal(epoch_of(batches(seed=4), 5)[0], expected)


def test_mirroring_does_not_change_the_crops() -> None:
    with_flips, without = epoch_of(batches(), 2)[0], epoch_of(batches(flip=False), 2)[0]
    flips = [0, 0, 1, 0, 0, 1, 1, 1, 1, 0]
    for at in range(COUNT):
        expected = without[at].flip(2) if flips[at] else without[at]
        assert torch.equal(with_flips[at], expected)


def test_the_last_batch_is_kept_when_it_is_smaller() -> None:
    made = batches()
    made.start(0)
    assert len(made) == 3
    assert [len(labels) for _, labels in made] == [4, 4, 2]
    assert sorted(torch.cat([labels for _, labels in made]).tolist()) == sorted(LABELS)


def test_types_and_shapes_are_those_of_training() -> None:
    made = batches()
    made.start(0)
    images, labels = made[0]
    assert (images.dtype, images.shape) == (torch.float32, (4, 3, SIZE, SIZE))
    assert (labels.dtype, labels.shape) == (torch.int64, (4,))


def test_the_memory_layout_changes_strides_and_no_bit() -> None:
    plain, last = batches(), batches(channels_last=True)
    for epoch in range(3):
        assert torch.equal(epoch_of(plain, epoch)[0], epoch_of(last, epoch)[0])
    assert plain[0][0].is_contiguous()
    assert last[0][0].is_contiguous(memory_format=torch.channels_last)


def test_making_batches_does_not_change_the_images() -> None:
    before = IMAGES.copy()
    epoch_of(batches(pad=0), 0)
    assert len(list(evaluation_batches(IMAGES, LABELS, mean=MEAN, std=STD, device=CPU))) == 1
    np.testing.assert_array_equal(IMAGES, before)


def test_a_batch_before_the_first_epoch_or_out_of_range_is_refused() -> None:
    made = batches()
    with pytest.raises(RuntimeError, match=r"call start\(epoch\) first"):
        made[0]
    made.start(0)
    for k in (-1, 3):
        with pytest.raises(IndexError):
            made[k]


def test_normalized_images_have_zero_mean_and_unit_spread() -> None:
    values = IMAGES / 255
    mean, std = values.mean((0, 2, 3)).tolist(), values.std((0, 2, 3)).tolist()
    result = Normalizer(mean, std, CPU)(torch.from_numpy(IMAGES))
    assert torch.allclose(result.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(result.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize("channels_last", [False, True])
def test_evaluation_goes_through_all_images_in_order_as_often_as_asked(channels_last: bool) -> None:
    made = evaluation_batches(
        IMAGES,
        LABELS,
        mean=MEAN,
        std=STD,
        device=CPU,
        batch_size=4,
        channels_last=channels_last,
    )
    assert len(made) == 3
    expected = np.stack([normalized(image) for image in IMAGES])
    for _ in range(2):
        images, labels = zip(*made, strict=True)
        np.testing.assert_allclose(torch.cat(images).numpy(), expected, atol=1e-5)
        assert torch.cat(labels).tolist() == LABELS.tolist()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_device_gets_the_same_images() -> None:
    for channels_last in (False, True):
        on_host = epoch_of(batches(), 1)[0]
        on_device = epoch_of(batches(device=torch.device("cuda"), channels_last=channels_last), 1)[
            0
        ]
        assert torch.allclose(on_device.cpu(), on_host, atol=1e-6)
