"""The requests to Slurm on sites that differ."""

import re

import pytest
from checkout import Checkout
from slurm_lab import Lab, gpu

pytestmark = pytest.mark.cluster
ONE, TWO = (f"vgg19/s90/i50/fggp/seed{seed}" for seed in (1, 2))


def test_where_gpus_are_refused_they_are_asked_for_as_gres_and_the_partition_is_that_of_sbatch(
    lab: Lab, undisturbed: Checkout
) -> None:
    lab.checkout.environment |= {"SBATCH_PARTITION": "urgent", "SBATCH_ACCOUNT": "lab"}
    profile = lab.checkout / "slurm/config.yaml"
    (line,) = re.findall(r"^# +(set-resources: .*)", profile.read_text(), re.MULTILINE)
    profile.write_text(f"{profile.read_text()}\n{line}\n")
    snakemake = lab.start(ONE, TWO, study="wide")
    assert {gpu(lab.trainer(cell, "wide")) for cell in (ONE, TWO)} == {"0", "1"}
    job = lab.slurm.run("scontrol", "show", "job", lab.job(ONE).id)
    snakemake.end()
    assert "Partition=urgent" in job
    assert "Account=lab" in job
    assert re.search(r"TresPerNode=\S*gpu:1", job)
    assert "TresPerJob" not in job
    trained = undisturbed.fingerprints("wide")
    assert lab.checkout.fingerprints("wide") == {cell: trained[cell] for cell in (ONE, TWO)}


@pytest.mark.slow
def test_an_array_trains_its_cells_and_a_cancelled_task_of_it_continues(
    lab: Lab, undisturbed: Checkout
) -> None:
    snakemake = lab.start(ONE, TWO, study="long", options=("--slurm-array-jobs", "train"))
    for cell in (ONE, TWO):
        lab.wait_for(cell, "epoch    3/", "long")
    owner = lab.beside(ONE, "owner", "long").read_text()
    task = re.findall(r"Slurm job (\d+_\d+)", owner)[0]
    lab.slurm.run("scancel", task)
    snakemake.end()
    # The shell around a task ends at once, and all with it: some epochs may have to come twice.
    trained = undisturbed.fingerprints("long")
    assert lab.checkout.fingerprints("long") == {cell: trained[cell] for cell in (ONE, TWO)}
    assert "Submitted array job" in snakemake.text
