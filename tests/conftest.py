"""Its place puts this folder on the path of imports: tests share `fabricate` and `networks`."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait actively make tiny operations slow on a busy machine."""
    import torch  # most tests of the analysis and the configuration do without

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
