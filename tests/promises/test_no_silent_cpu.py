"""A job that holds a GPU never trains on the CPU unasked, by whichever command it is started."""

import os
from pathlib import Path

import pytest
import torch
from checkout import FEW_CELLS, Checkout
from listed_gpu import nvidia_smi
from pictures import add_pictures

from fggp.study.result_file import read

CELL = "vgg19/s90/i50/fggp/seed1"
REFUSED = "fggp: this training was given a GPU ("
UNASKED = {"FGGP_DEVICE": "", "CUDA_VISIBLE_DEVICES": "0"}

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device"),
]


@pytest.fixture
def asking(fresh: Checkout) -> Checkout:
    """A checkout with a study that asks for a GPU, in a job that holds one PyTorch cannot see."""
    add_pictures(fresh)
    fresh.fggp("prepare", "few")
    fresh.environment = dict(UNASKED)
    return fresh


def test_every_command_that_trains_ends_at_once_with_the_reason(asking: Checkout) -> None:
    alone = asking.fggp("train", "few", CELL, status=1)
    assert alone.complaint.startswith(f"{REFUSED}CUDA_VISIBLE_DEVICES=0), but PyTorch sees none (")
    whole = asking.fggp("run", "few", status=1)
    assert whole.complaint == alone.complaint
    assert "trained" not in whole.out
    assert "failed" not in whole.out, "no cell was even begun"
    assert not (asking / "results/few/logs").exists()


def test_a_job_of_snakemake_fails_and_its_log_says_why(asking: Checkout) -> None:
    path = f"results/few/runs/{CELL}.json"
    ran = asking.snakemake(path, "--cores", "1", study="few", status=1)
    assert "Error in rule train" in ran.out + ran.err
    (line,) = asking.log(CELL, "few").read_text().splitlines()
    assert line.startswith(REFUSED)


def test_the_cpu_is_taken_where_it_is_asked_for(asking: Checkout) -> None:
    asking.fggp("train", "few", CELL, "--device", "cpu")
    assert read(asking.result(CELL, "few"))["provenance"]["device"] == "cpu"
    asking.environment["FGGP_DEVICE"] = "cpu"
    asking.fggp("run", "few", "--only", "dense")
    other = next(cell for cell in FEW_CELLS if "dense" in cell)
    assert read(asking.result(other, "few"))["provenance"]["device"] == "cpu"


def test_a_study_that_asks_for_no_gpu_trains_on_the_cpu_beside_one(
    fresh: Checkout, tmp_path: Path
) -> None:
    bin_folder = nvidia_smi(tmp_path / "bin")
    path = os.pathsep.join([str(bin_folder), os.environ["PATH"]])
    fresh.environment = UNASKED | {"PATH": path, "SLURM_JOB_GPUS": "0"}
    fresh.fggp("train", "tiny", CELL)
    fresh.fggp("run", "tiny", "--only", "i0/fggp")
    rest = "vgg19/s0/i0/dense/seed1"
    fresh.run("snakemake", f"results/tiny/runs/{rest}.json", "--cores", "1",
              "--configfile", "config/tiny.yaml")  # fmt: skip
    for cell in (CELL, "vgg19/s90/i0/fggp/seed1", rest):
        assert read(fresh.result(cell))["provenance"]["device"] == "cpu", cell


def test_a_study_that_asks_for_a_gpu_still_trains_where_none_is(asking: Checkout) -> None:
    asking.environment = {"FGGP_DEVICE": "", "CUDA_VISIBLE_DEVICES": ""}
    asking.fggp("run", "few", "--only", CELL)
    assert read(asking.result(CELL, "few"))["provenance"]["device"] == "cpu"
