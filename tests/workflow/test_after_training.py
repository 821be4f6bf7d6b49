import pytest
from checkout import FEW, Checkout

pytestmark = pytest.mark.long

PRUNED = "vgg19/s90/iany/global-mp/seed1"
METHODS = FEW["methods"] | {"global-mp": {}}


def test_the_dag_has_an_edge_to_the_dense_result(fresh: Checkout) -> None:
    fresh.study("few", **FEW | {"methods": METHODS})
    ran = fresh.snakemake("-n", f"results/few/runs/{PRUNED}.json", study="few")
    assert ran.trained == {PRUNED, "vgg19/s0/i0/dense/seed1"}, ran


def test_a_method_after_training_starts_from_a_dense_cell_trained_before(
    by_hand: Checkout, tmp_path
) -> None:
    checkout = by_hand.copy(tmp_path / "after")
    before = checkout.fingerprints("few")
    checkout.study("few", **FEW | {"methods": METHODS})
    ran = checkout.snakemake("results", "--cores", "2", study="few")
    assert ran.trained == {PRUNED}, ran
    after = checkout.fingerprints("few")
    assert set(after) - set(before) == {PRUNED}
    assert all(after[cell] == before[cell] for cell in before)

    checkout.result(PRUNED, "few").unlink()
    kept = checkout.result(PRUNED, "few").with_name(".seed1.kept.json")
    kept.unlink()
    again = checkout.fggp("run", "few")
    assert f"trained  {PRUNED}" in again.out, again
    assert checkout.fingerprints("few") == after
