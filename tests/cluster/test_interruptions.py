"""A job that is ended from outside loses nothing of its training, and the bits stay the same."""

import pytest
from checkout import Checkout
from slurm_lab import Lab, check

pytestmark = pytest.mark.cluster
ONE, TWO = (f"vgg19/s90/i50/fggp/seed{seed}" for seed in (1, 2))
STOPPED = "stopped with a checkpoint; the same command continues it"


def test_a_preempted_training_is_requeued_and_continues_from_its_checkpoint(
    lab: Lab, undisturbed: Checkout
) -> None:
    snakemake = lab.start(ONE, TWO, study="long")
    for cell in (ONE, TWO):
        lab.wait_for(cell, "epoch    3/", "long")
    urgent = ("--partition=urgent", "--gpus=3", "--output=/dev/null", "--wrap=sleep 1")
    lab.slurm.run("sbatch", *urgent)
    snakemake.end()
    check(lab, undisturbed, ONE, TWO)
    assert snakemake.submitted == 2
    restarts = {cell: lab.job(cell).restarts for cell in (ONE, TWO)}
    assert any(restarts.values())
    for cell, count in restarts.items():
        stopped = lab.said(cell, "long").count(STOPPED)
        # One that is requeued again before it could train had nothing to save.
        assert min(1, count) <= stopped <= count


def test_a_cancelled_job_and_a_crash_of_the_controller_cost_nothing(
    lab: Lab, undisturbed: Checkout
) -> None:
    snakemake = lab.start(ONE, TWO, study="long")
    for cell in (ONE, TWO):
        lab.wait_for(cell, "epoch    3/", "long")
    lab.slurm.run("scancel", lab.job(ONE).id)
    lab.wait_for(ONE, STOPPED, "long")
    lab.slurm.kill_controller()
    lab.slurm.start_controller()
    snakemake.end()
    check(lab, undisturbed, ONE, TWO)
    assert [job.state for job in lab.jobs(ONE)][1:] == ["COMPLETED"]
    assert [job.state for job in lab.jobs(TWO)] == ["COMPLETED"]


def test_ctrl_c_cancels_the_jobs_with_checkpoints_from_which_the_next_run_continues(
    lab: Lab, undisturbed: Checkout
) -> None:
    snakemake = lab.start(ONE, TWO, study="long")
    for cell in (ONE, TWO):
        lab.wait_for(cell, "epoch    3/", "long")
    snakemake.interrupt()
    for cell in (ONE, TWO):
        lab.wait_for(cell, STOPPED, "long")
        assert lab.beside(cell, "ckpt", "long").exists()
        assert lab.job(cell).state in {"COMPLETING", "CANCELLED"}
    lab.run(ONE, TWO, study="long")
    check(lab, undisturbed, ONE, TWO)


def test_after_a_killed_snakemake_new_jobs_wait_for_those_that_live_on(
    lab: Lab, undisturbed: Checkout
) -> None:
    first = lab.start(ONE, study="long")
    lab.wait_for(ONE, "epoch    3/", "long")
    who = f"process {lab.trainer(ONE, 'long')} on {lab.slurm.host} (Slurm job {lab.job(ONE).id})"
    with lab.holding(ONE, study="long"):
        first.kill()
        locked = lab.run(ONE, study="long", status=1)
        assert "--unlock" in locked.text
        lab.run(study="long", options=("--unlock",))
        second = lab.start(ONE, study="long")
        lab.wait_for(ONE, "waiting for it", "long")
    second.end()
    assert f"cells of long being trained by another run: 1 ({ONE}: {who})" in second.text
    assert f"if you scancel {lab.jobs(ONE)[0].id}" in second.text
    assert f"{who} is training this cell; waiting for it" in lab.said(ONE, "long")
    assert [job.state for job in lab.jobs(ONE)] == ["COMPLETED", "COMPLETED"]
    check(lab, undisturbed, ONE)
