"""Several cells in one job: one allocation, the same files, and nothing lost when it is ended."""

import pytest
import yaml
from checkout import Checkout
from slurm_lab import EPOCHS, Lab, epochs

pytestmark = pytest.mark.cluster
CELLS = [f"vgg19/s90/i50/fggp/seed{seed}" for seed in (1, 2, 3, 4)]


def test_four_cells_share_one_job_and_continue_together_when_it_was_cancelled(
    lab: Lab, undisturbed: Checkout
) -> None:
    long = yaml.safe_load((lab.checkout / "config/long.yaml").read_text())
    lab.checkout.study("four", **long | {"seeds": [1, 2, 3, 4]})
    packed = ("--config", "cells_per_gpu=4")
    snakemake = lab.start(*CELLS, study="four", options=packed)
    for cell in CELLS:
        lab.wait_for(cell, "epoch    3/", "four")
    [job] = lab.here()
    lab.slurm.run("scancel", job.id)
    snakemake.end()
    assert [job.state for job in lab.here()] == ["CANCELLED", "COMPLETED"]
    found, trained = lab.checkout.fingerprints("four"), undisturbed.fingerprints("long")
    assert sorted(found) == CELLS
    assert {cell: found[cell] for cell in CELLS[:2]} == trained, "as when each has its own job"
    for cell in CELLS:
        assert epochs(lab.said(cell, "four")) == list(range(1, EPOCHS + 1)), lab
