"""Processes found by a variable that they inherited."""

import os
import subprocess
import time

import pytest

from fggp.running.processes import kill, wait_until_none, with_variable

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/environ"), reason="this system shows no environments"
)
NAME, VALUE = "FGGP_TEST_MARK", f"of {os.getpid()}"


def test_a_process_is_found_by_its_variable_until_it_has_ended() -> None:
    assert with_variable(NAME, VALUE) == []
    marked = {**os.environ, NAME: VALUE}
    with subprocess.Popen(["sleep", "600"], env=marked) as process:
        try:
            while not with_variable(NAME, VALUE):  # it shows ours until `sleep` has replaced it
                time.sleep(0.01)
            assert wait_until_none(NAME, VALUE, 0) == [process.pid]
            assert with_variable(NAME, VALUE[:-1]) == []
        finally:
            kill([process.pid])
        # Found no more, although nobody has asked for its status yet.
        assert wait_until_none(NAME, VALUE, 60) == []
    kill([process.pid])
