"""Measurements on a GPU take precedence over the figures on record, for that GPU alone."""

from pathlib import Path
from typing import Any

import pytest
from fabricate import grid

from fggp.data.sizes import Size
from fggp.study import costs, gpu_measurements
from fggp.study.cell import Cell
from fggp.study.config import cells
from fggp.study.gpu_measurements import Measured, StepTime, gpus, model_name, path_of, write

CIFAR = Size(50_000, 10_000, 32)
STEP: dict[str, Any] = {
    "backbone": "vgg19",
    "width": 1,
    "precision": "tf32",
    "layout": "channels_last",
    "batch_size": 128,
    "side": 32,
    "milliseconds": 10,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for measurements."""
    monkeypatch.setattr(gpu_measurements, "FOLDER", tmp_path)
    return tmp_path


def measured(name: str = "NVIDIA H200", *steps: dict[str, Any], **changes: Any) -> Measured:
    values = {"device": "cuda", "device_name": name, "made": "2026-11-28T12:00:00+00:00"}
    times = tuple(StepTime(**STEP | it) for it in steps or ({},))
    return Measured(**values | {"passed": True, "steps": times} | changes)


def cell(**training: Any) -> Cell:
    """A dense VGG-19 of 160 epochs on CIFAR-10."""
    protocol = {"epochs": 160, "precision": "tf32", "layout": "channels_last"} | training
    study = grid(
        methods={"dense": {}},
        data={"kind": "cifar10", "name": "cifar10", "validation": 0},
        training=protocol,
    )
    return cells(study)[0]


def test_a_file_is_named_after_the_model_and_read_back_as_it_was(folder: Path) -> None:
    one = measured("NVIDIA A100-SXM4-80GB", watts=400.0, facts={"driver": "580.65.06"})
    assert write(one) == folder / "nvidia-a100-sxm4-80gb.json"
    assert gpus() == [one]
    again = one.model_copy(update={"made": "2026-12-01T00:00:00+00:00"})
    write(again)
    assert gpus() == [again]


def test_a_check_on_a_cpu_and_damaged_files_are_never_planned_by(folder: Path) -> None:
    write(measured("the CPU", device="cpu"))
    (folder / "nvidia-h100.json").write_text("{")
    (folder / "nvidia-l40s.json").write_text("[]")
    assert path_of(measured("the CPU", device="cpu")) == folder / "cpu.json"
    assert gpus() == []
    assert costs.device_for(cell().training).name == "h200"


@pytest.mark.parametrize(
    ("name", "file"), [("Tesla V100-SXM2-16GB", "tesla-v100-sxm2-16gb"), ("  ", "unnamed")]
)
def test_names_of_models_are_names_of_files(name: str, file: str) -> None:
    assert model_name(name) == file


def test_a_measured_step_takes_the_place_of_the_figure_on_record() -> None:
    h200, h100 = costs.device("h200"), costs.device("h100")
    before = costs.epoch_seconds(cell(), CIFAR, h200)
    elsewhere = costs.epoch_seconds(cell(), CIFAR, h100)
    write(measured(watts=650.0))
    steps = 391 * 0.010
    found = costs.epoch_seconds(cell(), CIFAR, costs.device("h200"))
    assert found == pytest.approx(steps + 10_000 * 0.010 / 128 / 3)
    assert found != before
    rate = costs.rate_of(cell(), h200)
    assert rate is not None
    assert rate.source == "measured on NVIDIA H200 by gpu-check on 2026-11-28"
    assert costs.device("h200").power == 650
    assert "driver" in costs.device("h200").power_from
    assert costs.epoch_seconds(cell(), CIFAR, h100) == elsewhere


def test_a_precision_that_was_not_timed_keeps_its_figure() -> None:
    before = costs.epoch_seconds(cell(precision="bf16"), CIFAR, costs.device("h200"))
    write(measured())
    assert costs.epoch_seconds(cell(precision="bf16"), CIFAR, costs.device("h200")) == before


def test_the_nearest_width_layout_and_batch_are_taken() -> None:
    far = {"batch_size": 512, "milliseconds": 999}
    other = {"layout": "contiguous", "milliseconds": 20}
    narrow = {"width": 0.125, "milliseconds": 1}
    write(measured("NVIDIA H200", far, other, narrow, {}))
    rate = costs.rate_of(cell(), costs.device("h200"))
    assert rate is not None
    assert rate.image * 128 == pytest.approx(0.010)
    alone = costs.rate_of(cell(layout="contiguous"), costs.device("h200"))
    assert alone is not None
    assert alone.image * 128 == pytest.approx(0.020)


def test_times_on_larger_images_of_the_check_are_scaled_to_those_of_the_figures() -> None:
    write(measured("NVIDIA H200", {"side": 64}))
    rate = costs.rate_of(cell(), costs.device("h200"))
    assert rate is not None
    assert rate.image * 128 == pytest.approx(0.010 / 4)


def test_a_gpu_without_figures_can_be_planned_by_once_it_was_checked() -> None:
    write(measured("Tesla V100-SXM2-16GB", watts=300.0))
    device = costs.device("tesla-v100-sxm2-16gb")
    assert (device.kind, device.power) == ("gpu", 300)
    assert costs.device_named("cuda", "Tesla V100-SXM2-16GB") == device
    assert costs.device_for(cell().training) == device
    assert costs.device_for(cell(precision="fp32").training).name == "cpu"
    assert costs.rate_of(cell(), device) is not None
    assert costs.rate_of(cell(precision="bf16"), device) is None


def test_the_gpu_that_was_checked_last_is_the_one_to_plan_for() -> None:
    write(measured("NVIDIA H200"))
    write(measured("NVIDIA A100-SXM4-40GB", made="2026-11-29T00:00:00+00:00"))
    assert costs.device_for(cell().training).name == "a100"


def test_a_board_without_a_limit_has_the_power_on_record() -> None:
    write(measured("NVIDIA H200"))
    assert costs.device("h200").power == 700
    write(measured("NVIDIA L40S"))
    assert costs.device("nvidia-l40s").power_from.startswith("not known; that of ")


def test_the_estimate_of_a_step_is_by_the_figures_on_record() -> None:
    h200 = costs.device("h200")
    before = costs.step_milliseconds(cell(), 32, h200)
    write(measured())
    assert before == pytest.approx(128 * 21e-3, rel=0.01)
    assert costs.step_milliseconds(cell(), 32, h200) == before
    assert costs.step_milliseconds(cell(), 16, h200) == 2  # a step takes no less than its kernels
