"""A training that was given a GPU uses it or ends; without one it takes the CPU."""

import time
import warnings
from pathlib import Path

import pytest
import torch
from listed_gpu import LISTED, VARIABLES, nvidia_smi

from fggp.foundation.errors import Failure
from fggp.training import given_gpu as asking
from fggp.training.device import choose_device, usable
from fggp.training.given_gpu import given_gpu

OLD = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). "
    "Please update your GPU driver\nby downloading and installing a new version."
)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a GPU, where PyTorch sees none either."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(Failure, match="'gpu' is not one of auto, cpu, cuda"):
        choose_device("gpu")


def test_where_no_gpu_is_a_training_takes_the_cpu() -> None:
    device, name = choose_device("auto")
    assert device == torch.device("cpu")
    assert name


def test_a_gpu_that_pytorch_sees_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100")
    assert choose_device("auto") == (torch.device("cuda"), "NVIDIA H100")
    assert usable("cpu") == "cpu"


def test_a_missing_cuda_device_is_named_with_the_build() -> None:
    with pytest.raises(Failure, match=r"no CUDA device is visible.*train with --device cpu") as it:
        choose_device("cuda")
    assert torch.__version__ in str(it.value)


GIVEN = {
    "by Slurm to the job": {"SLURM_JOB_GPUS": "0"},
    "by Slurm to the step": {"SLURM_STEP_GPUS": "3"},
    "by Slurm as a count": {"SLURM_GPUS_ON_NODE": "1"},
    "by number": {"CUDA_VISIBLE_DEVICES": "0"},
    "by identity": {"CUDA_VISIBLE_DEVICES": "GPU-1c2d"},
    "by Slurm, and hidden from the step": {
        "SLURM_JOB_GPUS": "0",
        "CUDA_VISIBLE_DEVICES": "NoDevFiles",
    },
}


@pytest.mark.parametrize("variables", list(GIVEN.values()), ids=list(GIVEN))
@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_a_gpu_that_was_given_and_is_not_seen_ends_the_training(
    variables: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    name, value = next(iter(variables.items()))
    with pytest.raises(Failure) as raised:
        choose_device(wanted)
    message = str(raised.value)
    assert message.startswith(f"this training was given a GPU ({name}={value}), but PyTorch sees")
    assert message.endswith("or train on the CPU with --device cpu or FGGP_DEVICE=cpu")
    assert "\n" not in message
    assert choose_device("cpu")[0].type == "cpu", "the CPU is taken where it is asked for"


NOT_GIVEN = {
    "hidden": {"CUDA_VISIBLE_DEVICES": ""},
    "hidden by a number": {"CUDA_VISIBLE_DEVICES": "-1"},
    "hidden by a number before others": {"CUDA_VISIBLE_DEVICES": "-1,0"},
    "hidden by Slurm": {"CUDA_VISIBLE_DEVICES": "NoDevFiles"},
    "a job without any": {"SLURM_GPUS_ON_NODE": "0", "CUDA_VISIBLE_DEVICES": ""},
}


@pytest.mark.parametrize("variables", list(NOT_GIVEN.values()), ids=list(NOT_GIVEN))
def test_a_gpu_that_is_hidden_is_none_that_was_given(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvidia_smi(tmp_path / "bin")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert given_gpu() == ""
    assert choose_device("auto")[0].type == "cpu"


def test_a_gpu_that_the_driver_lists_was_given(tmp_path: Path) -> None:
    nvidia_smi(tmp_path / "bin")
    assert given_gpu() == f"nvidia-smi lists {LISTED.partition(' (')[0]}"
    with pytest.raises(Failure, match="nvidia-smi lists GPU 0: NVIDIA H100 80GB HBM3"):
        choose_device("auto")


@pytest.mark.parametrize(
    "answer",
    ["echo 'No devices were found'", f"echo '{LISTED}'; exit 9", "exec /bin/sleep 60"],
    ids=["none", "failing", "hanging"],
)
def test_a_driver_that_lists_none_fails_or_hangs_gives_none(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.5)
    nvidia_smi(tmp_path / "bin", answer)
    began = time.monotonic()
    assert choose_device("auto")[0].type == "cpu"
    assert time.monotonic() - began < 30


def test_the_reason_is_what_pytorch_says_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_old() -> bool:
        warnings.warn(OLD, stacklevel=2)
        return False

    monkeypatch.setenv("SLURM_JOB_GPUS", "0")
    monkeypatch.setattr(torch.cuda, "is_available", too_old)
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    with pytest.raises(Failure) as raised:
        choose_device("auto")
    message = str(raised.value)
    assert f"({torch.__version__}, built with CUDA 13.2: {' '.join(OLD.split())})" in message
    assert "update the driver, or install a PyTorch for it" in message


def test_the_fix_is_that_of_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("Torch not compiled with CUDA enabled")

    monkeypatch.setenv("SLURM_JOB_GPUS", "0")
    monkeypatch.setattr(torch.cuda, "init", refuse)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(Failure, match=r"built with no CUDA: Torch not compiled.*make setup"):
        usable("auto")
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    with pytest.raises(Failure, match="run `fggp doctor` there"):
        usable("auto")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles")
    with pytest.raises(Failure, match="remove CUDA_VISIBLE_DEVICES=NoDevFiles, which hides it"):
        usable("auto")
