"""Several cells in one job: the same cells, the same files, and no harm to a neighbour."""

import pytest
from checkout import TINY, Checkout
from filelock import FileLock

pytestmark = pytest.mark.long

PAIR = TINY | {
    "methods": {"fggp": {}},
    "initial_sparsities": [0.5],
    "seeds": [1, 2, 3],
}
CELL = "vgg19/s90/i50/fggp/seed"
PACKED = ("results", "--cores", "2", "--config", "cells_per_gpu=3")


@pytest.fixture
def packed(by_hand: Checkout, untrained: Checkout) -> Checkout:
    """A checkout with the first of three cells trained by itself."""
    untrained.study("pair", **PAIR)
    untrained.fggp("run", "pair", "--only", "seed1")
    return untrained


def test_a_job_of_several_cells_makes_the_files_of_each_and_harms_no_neighbour(
    packed: Checkout, by_hand: Checkout
) -> None:
    alone = packed.fingerprints("pair")
    assert list(alone) == [f"{CELL}1"]
    blocked = packed.result(f"{CELL}2", "pair").with_name(".seed2.lock")
    with FileLock(blocked):  # as if another process trained it
        ran = packed.snakemake(*PACKED, study="pair", status=1)
    assert ran.jobs["train_1"] == 1, ran
    log = (packed / "results/pair/logs/vgg19/s90/i50/fggp/train_1.log").read_text()
    assert f"failed   {CELL}2" in log
    assert f"trained  {CELL}3" in log
    assert f"failed: {CELL}2 (exit status 1), see results/pair/logs/{CELL}2.log" in log
    assert (
        "is training this cell; wait for it, or stop it"
        in packed.log(f"{CELL}2", "pair").read_text()
    )

    # Snakemake takes all files of a failed job away; none of the two is lost.
    said = packed.fggp("aggregate", "pair", "--partial")
    assert "runs.csv" in said.out
    runs = (packed / "results/pair/runs.csv").read_text().splitlines()
    assert [line.split(",")[9] for line in runs[1:]] == ["1", "3"], runs[0]

    again = packed.snakemake(*PACKED, study="pair")
    whole = packed.fingerprints("pair")
    assert list(whole) == [f"{CELL}{seed}" for seed in (1, 2, 3)], again
    assert whole[f"{CELL}1"] == alone[f"{CELL}1"]
    assert whole[f"{CELL}1"] == by_hand.fingerprints("few")[f"{CELL}1"]
    for seed in (1, 3):
        added = packed.log(f"{CELL}{seed}", "pair").read_text().splitlines()[-1]
        assert added == f"results/pair/runs/{CELL}{seed}.json was there already"

    # Packed otherwise, or not at all, nothing is trained again.
    for config in ("cells_per_gpu=1", "cells_per_gpu=2"):
        assert packed.dry("results", "--config", config, study="pair").jobs == {}


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "true"])
def test_a_senseless_number_of_cells_is_refused_in_one_line(fresh: Checkout, value: str) -> None:
    ran = fresh.snakemake("-n", "--config", f"cells_per_gpu={value}", status=1)
    assert "is not a whole number of at least 1" in ran.complaint
