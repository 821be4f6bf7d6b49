"""Trainings that are longer than their jobs."""

import time

import pytest
from checkout import Checkout
from slurm_lab import Lab, check

from fggp.running.slurm_time import seconds_of

pytestmark = pytest.mark.cluster
ONE, TWO = (f"vgg19/s90/i50/fggp/seed{seed}" for seed in (1, 2))
# A limit of one minute, the shortest there is, can pass before a busy machine has begun to train.
SHORT = ("--set-resources", "train:runtime=2", "--retries", "5")
REQUEUED = "ends; asking Slurm to requeue it"


def use_up(lab: Lab, *cells: str) -> None:
    """Let trainings pause until they find that a third pause of that length would not fit in."""
    job = next(job for job in lab.here() if job.state == "RUNNING")
    left = lab.slurm.run("squeue", "-h", "-j", job.id, "-o", "%L")
    with lab.holding(*cells, study="long"):
        time.sleep((seconds_of(left.strip()) or 0) / 3 + 1)


def wait_for_epoch(lab: Lab, cell: str, after: str) -> None:
    """Wait for an epoch in what a log says after the last occurrence of a text."""
    text = f"epoch in the log of {cell} after {after!r}"
    lab.wait(text, lambda: "epoch" in lab.said(cell, "long").rpartition(after)[2])


@pytest.mark.slow
def test_a_cell_that_needs_five_allocations_comes_to_the_bits_of_one(
    lab: Lab, undisturbed: Checkout
) -> None:
    lab.checkout.environment["FGGP_MARGIN"] = "10"
    snakemake = lab.start(ONE, study="long", options=SHORT)
    for allocation in range(1, 5):
        wait_for_epoch(lab, ONE, REQUEUED)
        use_up(lab, ONE)
        lab.wait("requeueing", lambda n=allocation: lab.said(ONE, "long").count(REQUEUED) == n)
    snakemake.end()
    check(lab, undisturbed, ONE)
    assert lab.jobs(ONE)[0].restarts >= 4


def test_a_training_at_the_end_of_its_time_is_requeued_or_where_that_is_refused_tried_again(
    lab: Lab, undisturbed: Checkout
) -> None:
    lab.checkout.environment["FGGP_MARGIN"] = "10"
    snakemake = lab.start(ONE, TWO, study="long", options=SHORT)
    for cell in (ONE, TWO):
        wait_for_epoch(lab, cell, REQUEUED)
    lab.slurm.run("scontrol", "update", f"JobId={lab.job(TWO).id}", "Requeue=0")
    use_up(lab, ONE, TWO)
    snakemake.end()
    check(lab, undisturbed, ONE, TWO)
    assert lab.said(ONE, "long").count(REQUEUED) >= 1
    assert lab.jobs(ONE)[0].restarts >= 1
    assert f"Slurm job {lab.jobs(TWO)[0].id} is not requeued: " in lab.said(TWO, "long")
    assert [job.state for job in lab.jobs(TWO)][:1] == ["FAILED"]


@pytest.mark.slow
def test_a_limit_that_takes_a_training_by_surprise_leaves_it_time_for_a_checkpoint(
    lab: Lab, undisturbed: Checkout
) -> None:
    lab.checkout.environment["FGGP_MARGIN"] = "none"
    snakemake = lab.start(ONE, study="long", options=SHORT)
    wait_for_epoch(lab, ONE, REQUEUED)
    with lab.holding(ONE, study="long"):
        lab.wait("time limit", lambda: lab.jobs(ONE)[0].state in {"COMPLETING", "TIMEOUT"})
    snakemake.end()
    check(lab, undisturbed, ONE)
    assert "stopped with a checkpoint" in lab.said(ONE, "long")
    assert [job.state for job in lab.jobs(ONE)][:1] == ["TIMEOUT"]


@pytest.mark.slow
def test_cells_that_share_a_job_are_requeued_with_it(lab: Lab, undisturbed: Checkout) -> None:
    lab.checkout.environment["FGGP_MARGIN"] = "10"
    options = (
        "--set-resources",
        "train_1:runtime=2",
        "--retries",
        "5",
        "--config",
        "cells_per_gpu=2",
    )
    snakemake = lab.start(study="long", options=("--until", "train_1", *options))
    for cell in (ONE, TWO):
        wait_for_epoch(lab, cell, REQUEUED)
    use_up(lab, ONE, TWO)
    snakemake.end()
    check(lab, undisturbed, ONE, TWO)
    assert lab.here()[0].restarts >= 1


def test_a_job_too_short_for_a_single_step_fails_with_one_line_that_says_so(lab: Lab) -> None:
    lab.checkout.environment["FGGP_MARGIN"] = "600"
    options = (*SHORT[:2], "--retries", "0")
    snakemake = lab.run(ONE, study="long", status=1, options=options)
    complaint = (
        "too few for a step in addition to the 600 s reserved for a checkpoint; give it a longer"
    )
    assert complaint in lab.said(ONE, "long").splitlines()[-1]
    assert [job.state for job in lab.jobs(ONE)] == ["FAILED"]
    assert f"results/long/logs/{ONE}.log" in snakemake.text
