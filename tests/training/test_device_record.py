"""A result records its devices, builds, GPU memory, and steps from CUDA graphs."""

import sys
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import small
import torch
from shipped import SHIPPED_RESULTS
from stand_in_gpu import GPU

from fggp.data import Dataset
from fggp.running.run_cell import run_cell
from fggp.study.outcome import Provenance
from fggp.study.result_file import fingerprint, read, read_typed, seal
from fggp.training import checkpoint
from fggp.training.checkpoint import Located, Timed
from fggp.training.gpu_use import driver, gpu_use, peak_memory_mb, torch_build
from fggp.training.loop import Run
from fggp.training.train import Stopped, train

CPU = torch.device("cpu")
SHIPPED = sorted((Path(__file__).parents[2] / "results/reference").rglob("seed*.json"))
cell = partial(small.cell, epochs=2, end=1)
On = Callable[[str], None]


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> On:
    """Let trainings run on a device of that name."""

    def named(name: str) -> None:
        monkeypatch.setattr("fggp.running.run_cell.choose_device", lambda wanted: (CPU, name))

    return named


def stop_after(steps: int) -> Any:
    def tick(done: int, all_steps: int) -> None:
        if done == steps:
            raise Stopped

    return tick


def test_a_result_names_its_device_and_the_whole_build_of_pytorch(
    data: Path, tmp_path: Path
) -> None:
    run_cell(cell(), data, tmp_path / "seed1.json", device="cpu")
    _, _, origin = read_typed(tmp_path / "seed1.json")
    assert origin.device_names == [origin.device_name]
    assert origin.torch_build is not None
    assert origin.torch_build.version == torch.__version__
    assert (origin.torch_build.cuda, origin.torch_build.cudnn) == (torch.version.cuda, None)
    assert origin.gpu is None
    assert not origin.moved


def test_a_training_that_moved_names_all_its_devices_and_warns_each_time(
    data: Path, tmp_path: Path, on: On, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "seed1.json"
    for name, steps in (("NVIDIA A100", 1), ("NVIDIA A100", 2), ("NVIDIA H100", 4)):
        on(name)
        with pytest.raises(Stopped):
            run_cell(cell(), data, out, tick=stop_after(steps))
    assert capfd.readouterr().err.count("warning: NVIDIA A100 trained until here, and NVIDIA") == 1
    on("NVIDIA A100")
    run_cell(cell(), data, out)
    assert "warning: NVIDIA H100 trained until here" in capfd.readouterr().err
    _, _, origin = read_typed(out)
    assert origin.device_names == ["NVIDIA A100", "NVIDIA H100", "NVIDIA A100"]
    assert origin.device_name == "NVIDIA A100"
    assert origin.moved
    assert origin.devices == "NVIDIA A100, then NVIDIA H100, then NVIDIA A100"


def test_a_training_that_went_on_on_equal_devices_has_one_and_says_nothing(
    data: Path, tmp_path: Path, on: On, capfd: pytest.CaptureFixture[str]
) -> None:
    on("NVIDIA A100")
    with pytest.raises(Stopped):
        run_cell(cell(), data, tmp_path / "seed1.json", tick=stop_after(2))
    run_cell(cell(), data, tmp_path / "seed1.json")
    assert read(tmp_path / "seed1.json")["provenance"]["device_names"] == ["NVIDIA A100"]
    assert "warning" not in capfd.readouterr().err


def test_what_is_on_record_of_devices_changes_no_canonical_byte(
    data: Path, tmp_path: Path, on: On
) -> None:
    run_cell(cell(), data, tmp_path / "alone.json", device="cpu")
    for name, steps in (("NVIDIA A100", 2), ("NVIDIA H100", 4)):
        on(name)
        with pytest.raises(Stopped):
            run_cell(cell(), data, tmp_path / "moved.json", tick=stop_after(steps))
    run_cell(cell(), data, tmp_path / "moved.json")
    alone, moved = read(tmp_path / "alone.json"), read(tmp_path / "moved.json")
    assert fingerprint(alone) == fingerprint(moved)
    assert alone["provenance"]["sha256"] == moved["provenance"]["sha256"] == seal(moved)


def test_a_checkpoint_from_before_devices_were_carried_is_continued(tmp_path: Path) -> None:
    Timed(tmp_path / "c.ckpt", cell(), "cpu").save({"step": 1})
    later = Located(tmp_path / "c.ckpt", cell(), "cpu", "NVIDIA H100")
    assert (later.load() or {})["step"] == 1
    assert later.devices == ["NVIDIA H100"]
    assert later.peak_memory_mb is None


def test_the_most_gpu_memory_of_any_attempt_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = iter((7000, 300, 300))
    monkeypatch.setattr(checkpoint, "peak_memory_mb", lambda device: next(held))
    Located(tmp_path / "c.ckpt", cell(), "cuda", "NVIDIA H100").save({})
    later = Located(tmp_path / "c.ckpt", cell(), "cuda", "NVIDIA H100")
    assert later.peak_memory_mb == 300
    later.load()
    assert later.peak_memory_mb == 7000
    assert peak_memory_mb("cpu") is None


def test_steps_from_a_cuda_graph_are_counted_over_all_attempts(
    digits: Dataset, tmp_path: Path, gpu: GPU
) -> None:
    counts: list[int] = []

    def finish(run: Run) -> None:
        counts.append(run.replayed_steps)

    asked = cell("random", epochs=4)
    at_once = small.Forgetful()
    train(asked, digits, device=gpu.device, store=at_once, finish=finish)
    store = Located(tmp_path / "c.ckpt", asked, "cpu", "a processor")
    left = iter([False] * 5 + [True])
    with pytest.raises(Stopped):
        train(asked, digits, device=gpu.device, store=store, stop=lambda: next(left))
    kept = (store.load() or {})["replayed_steps"]
    train(asked, digits, device=gpu.device, store=store, finish=finish)
    alone, resumed = counts
    assert 0 < kept < alone < 12
    assert kept < resumed < 12
    train(asked, digits, device=CPU, store=at_once, finish=finish)
    assert counts[-1] == 0, "on a CPU nothing is recorded"


class Broken(Exception):
    """An error of the library."""


def library(**more: Any) -> types.SimpleNamespace:
    plain = {"NVMLError": Broken, "nvmlInit": lambda: None}
    return types.SimpleNamespace(**plain | {"nvmlSystemGetDriverVersion": lambda: "580.65"} | more)


def refuse() -> None:
    raise Broken("no driver")


def test_the_driver_is_that_of_nvidias_library_or_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", library())
    assert driver() == "580.65"
    assert gpu_use(7000, 12) == {"driver": "580.65", "peak_memory_mb": 7000, "replayed_steps": 12}
    monkeypatch.setitem(sys.modules, "pynvml", library(nvmlInit=refuse))
    assert driver() is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert driver() is None


def test_cudnn_is_on_record_of_a_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    assert torch_build("cuda")["cudnn"] == 91002
    assert torch_build("cpu")["cudnn"] is None


def test_shipped_results_of_before_and_of_after_this_record_are_readable() -> None:
    assert len(SHIPPED) == SHIPPED_RESULTS
    before = 0
    for path in SHIPPED[::10]:
        _, _, origin = read_typed(path)
        assert isinstance(origin, Provenance)
        assert origin.devices == origin.device_name
        assert not origin.moved
        assert origin.gpu is None
        if origin.device_names is None:
            assert origin.torch_build is None
            before += 1
        else:
            assert origin.device_names == [origin.device_name]
            assert origin.torch_build is not None
    assert 0 < before < len(SHIPPED[::10])
