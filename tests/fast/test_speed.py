"""The promise of the whole: a sparse network is several times as fast as the dense one."""

import pytest
from sparse_networks import backbone

from fggp.fast.stopwatch import times


@pytest.mark.slow
def test_vgg19_at_98_percent_is_at_least_six_times_as_fast_as_torch_for_one_image() -> None:
    found = times(backbone("vgg19", "1", 0.02), (3, 32, 32), batches=(1,), rounds=9)
    least = {it.contender: it.least for it in found}
    assert least["torch"] > 6 * least["fggp"]
