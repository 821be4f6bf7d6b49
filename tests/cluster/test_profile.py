"""The requests of `snakemake --profile slurm` to Slurm."""

from pathlib import Path

import pytest
from checkout import Checkout
from slurm_lab import Lab, gpu, parent

pytestmark = pytest.mark.cluster
CELLS = [f"vgg19/s90/i50/{label}/seed{seed}" for label in ("fggp", "gmp") for seed in (1, 2)]


def test_a_grid_is_trained_at_once_on_a_gpu_each_with_nothing_in_the_home_folder(
    lab: Lab, undisturbed: Checkout, tmp_path: Path
) -> None:
    lab.checkout.environment |= {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    snakemake = lab.start(*CELLS, study="wide")
    trainers = [lab.trainer(cell, "wide") for cell in CELLS]
    assert sorted(map(gpu, trainers)) == ["0", "1", "2", "3"]
    # A shell in between would be ended by a signal to stop, and Slurm then kill the training.
    assert not {parent(process) for process in trainers} & {"bash", "sh"}
    snakemake.end()
    assert snakemake.submitted == 4
    trained = undisturbed.fingerprints("wide")
    assert lab.checkout.fingerprints("wide") == {cell: trained[cell] for cell in CELLS}
    again = lab.run(*CELLS, study="wide")
    assert "Nothing to be done" in again.text
