"""A command that is forked cannot be told from one that is started."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import TIMEOUT, Checkout
from fork_server import clients

pytestmark = pytest.mark.skipif(clients() is None, reason="there are no pidfds here")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout.fresh(tmp_path_factory.mktemp("fork") / "place")


@pytest.mark.parametrize("arguments", [["methods"], ["plan", "dmeo"], ["table", "rank", "demo"]])
def test_it_has_the_output_and_the_status_of_a_started_process(
    arguments: list[str], place: Checkout
) -> None:
    forked = place.fggp(*arguments, status=None)
    started = place.start(sys.executable, "-m", "fggp", *arguments)
    assert (forked.out + forked.err, forked.status) == (
        started.communicate(timeout=TIMEOUT)[0],
        started.returncode,
    )


def test_it_runs_the_source_of_its_checkout_and_shows_a_traceback(place: Checkout) -> None:
    (place / "src/sitecustomize.py").write_text("import os; os.environ['SEEN'] = 'yes'")
    main = place / "src/fggp/__main__.py"
    main.write_text("import os\nraise ValueError(__file__ + os.environ['SEEN'] + os.getcwd())\n")
    ran = place.fggp(status=1)
    assert ran.err.endswith(f"ValueError: {main}yes{place.path}\n"), ran
    assert "Traceback" in ran.err


def test_a_signal_reaches_it_and_it_ends_as_the_signal_wants(place: Checkout) -> None:
    waiting = "import signal\nprint('ready', flush=True)\nsignal.pause()\n"
    (place / "src/fggp/__main__.py").write_text(waiting)
    command = [str(Path(clients() or "") / "python"), "-m", "fggp"]
    environment = {"PYTHONPATH": str(place / "src")}
    for number in (signal.SIGTERM, signal.SIGKILL):
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(number)
            assert process.stdout.read() == b""  # the command itself is gone
            assert process.wait(TIMEOUT) == -number
