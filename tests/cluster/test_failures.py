"""A training that fails is tried again in another job, and named if it fails there too."""

import pytest
from checkout import Checkout
from slurm_lab import Lab

pytestmark = pytest.mark.cluster
FINE, ONCE, ALWAYS = (f"vgg19/s90/i50/{name}" for name in ("fggp/seed1", "fggp/seed2", "gmp/seed1"))


def test_a_failure_is_tried_again_in_a_new_job_and_a_lasting_one_is_named_beside_the_others(
    lab: Lab, undisturbed: Checkout
) -> None:
    for cell in (ONCE, ALWAYS):  # in the way of the weights
        lab.checkout.result(cell, "wide").with_suffix(".weights.fggp").mkdir(parents=True)
    snakemake = lab.start(FINE, ONCE, ALWAYS, study="wide", options=("--retries", "1"))
    lab.wait("first failure", lambda: [job.state for job in lab.jobs(ONCE)][:1] == ["FAILED"])
    lab.checkout.result(ONCE, "wide").with_suffix(".weights.fggp").rmdir()
    snakemake.end(1)
    states = {cell: [job.state for job in lab.jobs(cell)] for cell in (FINE, ONCE, ALWAYS)}
    assert states == {FINE: ["COMPLETED"], ONCE: ["FAILED", "COMPLETED"], ALWAYS: ["FAILED"] * 2}
    tries = {cell: lab.said(cell, "wide").count("cannot be written") for cell in states}
    assert tries == {FINE: 0, ONCE: 1, ALWAYS: 2}, lab.said(ALWAYS, "wide")
    trained = undisturbed.fingerprints("wide")
    assert lab.checkout.fingerprints("wide") == {cell: trained[cell] for cell in (FINE, ONCE)}
    last = snakemake.text.rpartition("Error in rule train:")[2]
    assert f"output: results/wide/runs/{ALWAYS}.json" in last
    assert f"results/wide/logs/{ALWAYS}.log" in last
