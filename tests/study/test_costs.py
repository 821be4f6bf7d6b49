"""Costs before anything is trained: figures with sources, and what they depend on."""

import json
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import small
from fabricate import grid

from fggp.data.registry import SOURCES, size_of
from fggp.data.sizes import Size
from fggp.foundation.errors import Failure
from fggp.models.registry import costs_path, names
from fggp.study import costs
from fggp.study.cell import Backbone, Cell
from fggp.study.config import cells
from fggp.study.costs import Device, Rate

ROOT = Path(__file__).parents[2]
CIFAR = Size(50_000, 10_000, 32)
CPU, H200, A100 = (costs.device(name) for name in ("cpu", "h200", "a100"))
STANDARD = {"dense": {}, "gmp": {}, "imp": {}, "global-mp": {}, "small-dense": {}, "iss": {}}


def cell(label: str = "dense", *, backbone: str = "vgg19", width: Any = 1, **changes: Any) -> Cell:
    """The first cell of a label at 90 %, 160 epochs of CIFAR-10 in tf32."""
    training = {"epochs": 160, "precision": "tf32"} | changes.pop("training", {})
    study = grid(
        backbones={backbone: {"width": width}},
        methods=STANDARD,
        sparsities=[0.9],
        data={"kind": "cifar10", "name": "cifar10", "validation": 5000} | changes,
        training=training,
    )
    return next(it for it in cells(study) if it.label == label)


def rate(device: Device, backbone: str, width: float, precision: str) -> Rate:
    """A rate that is on record."""
    found = costs.rate(device, backbone, width, precision)
    assert found is not None
    return found


def epoch_seconds(cell: Cell, size: Size, device: Device) -> float:
    """The seconds of an epoch of a network that has rates."""
    found = costs.epoch_seconds(cell, size, device)
    assert found is not None
    return found


def seconds(cell: Cell, size: Size, device: Device) -> float:
    """The seconds of a cell of a network that has rates."""
    found = costs.seconds(cell, size, device)
    assert found is not None
    return found


def test_the_rate_on_a_cpu_is_the_median_of_the_shipped_results() -> None:
    found = []
    for path in (ROOT / "results/reference/mini-folder/runs").rglob("seed*.json"):
        result = json.loads(path.read_text())
        images, epochs = result["outcome"]["images"], len(result["outcome"]["epochs"])
        whole = images["train"] + (images["validation"] + images["test"]) * costs.FORWARD
        found.append(result["provenance"]["seconds"] / epochs / whole)
    found_rate = rate(CPU, "vgg19", 0.125, "fp32")
    assert found_rate.image == pytest.approx(median(found), rel=0.02)
    assert f"{len(found)} trainings" in found_rate.source


def test_every_device_has_a_rate_with_a_source_for_every_network_and_precision() -> None:
    for device in costs.devices().values():
        for backbone in filter(lambda name: costs_path(name).exists(), names()):
            for precision in ("fp32", "tf32", "bf16"):
                found = rate(device, backbone, 1, precision)
                assert found.source
                assert (device.kind == "cpu") or "not measured by this project" in found.source
        assert device.power_from


def test_a_dense_cell_costs_its_epochs() -> None:
    whole = seconds(cell(), CIFAR, H200)
    half = seconds(cell(training={"epochs": 80}), CIFAR, H200)
    assert whole - H200.start == pytest.approx(2 * (half - H200.start))
    assert whole == H200.start + 160 * epoch_seconds(cell(), CIFAR, H200)


def test_rounds_and_fine_tuning_cost_the_epochs_that_they_train() -> None:
    assert costs.epochs(cell()) == costs.epochs(cell("gmp")) == 160
    assert costs.epochs(cell("imp")) > 5 * 160
    assert 0 < costs.epochs(cell("global-mp")) < 160
    for label in ("imp", "global-mp"):
        share = costs.epochs(cell(label)) / 160
        expected = H200.start + share * (seconds(cell(), CIFAR, H200) - H200.start)
        assert seconds(cell(label), CIFAR, H200) == pytest.approx(expected)


def test_a_cpu_takes_longer_for_more_pixels_and_width_and_less_with_threads() -> None:
    whole = epoch_seconds(cell(), CIFAR, CPU)
    assert epoch_seconds(cell(), Size(50_000, 10_000, 64), CPU) == pytest.approx(4 * whole)
    assert epoch_seconds(cell(width=2), CIFAR, CPU) == pytest.approx(4 * whole)
    threads = cell(training={"threads": 4})
    assert epoch_seconds(threads, CIFAR, CPU) == pytest.approx(whole / 4)
    assert epoch_seconds(threads, CIFAR, H200) == epoch_seconds(cell(), CIFAR, H200)
    assert epoch_seconds(cell("small-dense"), CIFAR, CPU) < whole / 2
    assert epoch_seconds(cell(train=9000), CIFAR, CPU) < whole / 3


def test_an_evaluated_image_costs_a_third_of_a_training_image() -> None:
    few, many = (epoch_seconds(cell(), Size(50_000, n, 32), CPU) for n in (0, 30_000))
    image = rate(CPU, "vgg19", 1, "tf32").image
    assert many - few == pytest.approx(10_000 * image)


def test_on_a_gpu_a_narrow_network_takes_no_less_than_its_steps() -> None:
    narrow = cell(width="1/8")
    steps = 352 * rate(H200, "vgg19", 1, "tf32").step
    assert epoch_seconds(narrow, CIFAR, H200) == pytest.approx(steps, rel=0.05)


def test_precision_says_which_device_a_study_is_for() -> None:
    assert costs.device_for(cell().training).kind == "gpu"
    assert costs.device_for(cell(training={"precision": "fp32"}).training) == CPU


@pytest.mark.parametrize(
    ("kind", "name", "device"),
    [
        ("cpu", "AMD EPYC", "cpu"),
        ("cuda", "NVIDIA H200", "h200"),
        ("cuda", "NVIDIA A100-SXM4-80GB", "a100"),
        ("cuda", "NVIDIA A100, then NVIDIA H100", "h100"),
        ("cuda", "Tesla V100-SXM2-32GB", "a100"),
    ],
)
def test_the_device_of_a_result_is_known_by_name(kind: str, name: str, device: str) -> None:
    found = costs.device_named(kind, name)
    assert found.name == device
    assert found.stands_for == (name if "V100" in name else "")


def test_gpus_are_listed_from_the_fastest_to_the_slowest_which_prices_an_unknown_one() -> None:
    gpus = [it for it in costs.devices().values() if it.kind == "gpu"]
    for backbone in ("vgg19", "resnet50"):
        for precision in ("tf32", "bf16", "fp32"):
            images = [rate(gpu, backbone, 1, precision).image for gpu in gpus]
            assert images == sorted(images)
    unknown = costs.device_named("cuda", "NVIDIA L40S")
    assert seconds(cell(), CIFAR, unknown) == seconds(cell(), CIFAR, gpus[-1])


def test_what_an_estimate_leaves_out_is_an_update_after_every_step() -> None:
    assert costs.left_out(small.cell("dense")) == costs.left_out(small.cell("rigl")) == ""
    assert costs.left_out(small.cell("iss")) == "a mask update after every step"
    assert "the host draws a random number per active weight" in costs.left_out(
        small.cell("deep-r")
    )


def test_an_unknown_device_is_refused_with_the_nearest() -> None:
    with pytest.raises(Failure, match="no device is called 'h20'; did you mean 'h200'"):
        costs.device("h20")


def test_time_limits_hold_on_the_slowest_gpu_and_count_rounds_and_attempts() -> None:
    dense, rounds = cell(), cell("imp")
    slow = seconds(dense, CIFAR, A100) / 60
    first = costs.minutes(dense, CIFAR, "gpu", 1)
    assert 30 + 5 * slow < first < 30 + 7 * slow
    assert costs.minutes(dense, CIFAR, "gpu", 3) - 30 == pytest.approx(3 * (first - 30), rel=0.02)
    assert costs.minutes(rounds, CIFAR, "gpu", 1) > 5 * first
    assert costs.minutes(cell(backbone="resnet50"), CIFAR, "gpu", 1) > 2 * (first - 30)
    assert costs.minutes(dense, CIFAR, "cpu", 1) > 50 * first


def test_memory_follows_the_network_and_never_falls_below_what_pytorch_needs() -> None:
    assert costs.memory_mb(cell(width="1/8"), CIFAR, "cpu") == 4000
    assert costs.memory_mb(cell(width="1/8"), CIFAR, "gpu") == 8000
    wide = costs.memory_mb(cell(backbone="resnet50"), CIFAR, "cpu")
    assert 8000 < wide < 16_000
    assert costs.memory_mb(cell("iss", backbone="resnet50"), CIFAR, "cpu") > wide
    batches = cell(backbone="resnet50", training={"batch_size": 256})
    assert costs.memory_mb(batches, CIFAR, "cpu") > wide + 5000


def test_disk_is_mostly_the_weights_that_are_kept() -> None:
    dense, sparse = costs.disk_bytes(cell(), CIFAR), costs.disk_bytes(cell("gmp"), CIFAR)
    checkpoint = costs.checkpoint_bytes(cell())
    assert dense is not None
    assert sparse is not None
    assert checkpoint is not None
    assert 70e6 < dense < 100e6
    assert 8e6 < sparse < 10e6  # 8.08 MB of packed weights at 90 %, by docs/deployment.md
    assert checkpoint > 2 * 4 * 2 * 20_035_018
    assert costs.study_bytes([cell(), cell("gmp")], CIFAR, 2) == dense + sparse + 2 * checkpoint


def test_the_size_of_a_data_set_is_that_of_its_prepared_file(tmp_path: Path) -> None:
    path = tmp_path / "few.npz"
    np.savez(
        path,
        train_images=np.zeros((7, 3, 24, 24), np.uint8),
        test_images=np.zeros((2, 3, 24, 24), np.uint8),
        description=np.array('{"classes": ["a", "b", "c"]}'),
    )
    assert size_of("folder", path) == Size(7, 2, 24)
    assert size_of("folder", path).classes == 3
    path.write_bytes(path.read_bytes()[:200])
    assert size_of("folder", path) == SOURCES["folder"].size
    assert not size_of("folder", path).known
    np.savez(path, other=np.zeros(3))
    assert size_of("cifar10", path) == CIFAR
    assert size_of("digits", tmp_path / "none.npz") == Size(1197, 600, 16)


def test_a_network_without_figures_has_no_estimate_and_asks_for_something() -> None:
    backbone = Backbone.model_construct(name="unheard-of", width=Fraction(1))
    unrecorded = cell().model_copy(update={"backbone": backbone})
    assert costs.rate_of(unrecorded, CPU) is None
    assert costs.epoch_seconds(unrecorded, CIFAR, CPU) is None
    assert costs.seconds(unrecorded, CIFAR, A100) is None
    assert costs.needed_mb(unrecorded, CIFAR) is None
    assert costs.disk_bytes(unrecorded, CIFAR) is None
    assert costs.checkpoint_bytes(unrecorded) is None
    assert costs.study_bytes([unrecorded], CIFAR, 1) is None
    assert costs.epochs(unrecorded) == 160
    assert costs.memory_mb(unrecorded, CIFAR, "gpu") > costs.LEAST_MB["gpu"]
    assert costs.minutes(unrecorded, CIFAR, "gpu", 2) == 2 * costs.minutes(
        unrecorded, CIFAR, "gpu", 1
    )


def test_recorded_steps_need_the_memory_of_another_step_and_soft_masking_records_none() -> None:
    hard = cell()
    soft = hard.model_copy(update={"method": hard.method.model_copy(update={"name": "dpf"})})
    plain, recorded = (costs.needed_mb(hard, CIFAR, recorded=it) for it in (False, True))
    assert plain is not None
    assert recorded is not None
    state = (costs.parameters(hard) or 0) * costs.STATE_BYTES / 1e6
    assert recorded - plain == pytest.approx(plain - costs.BASE_MB - state)
    assert costs.needed_mb(soft, CIFAR, recorded=True) == costs.needed_mb(soft, CIFAR)


def test_memory_follows_the_number_of_images() -> None:
    many = Size(1_000_000, 10_000, 64)
    host = costs.memory_mb(cell(width="1/8"), many, "gpu")
    assert host > costs.SPARE * 1e-6 * many.train * 3 * (2 * 64**2 + 72**2)
    on_gpu = costs.needed_mb(cell(width="1/8"), many, on_gpu=True)
    on_host = costs.needed_mb(cell(width="1/8"), many)
    assert on_gpu is not None
    assert on_host is not None
    assert 15_000 < on_gpu < on_host - 24_000
