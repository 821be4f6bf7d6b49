"""``status`` beside a real training, from another process."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from checkout import TIMEOUT, Checkout

pytestmark = pytest.mark.long

RUN = (sys.executable, "-m", "fggp", "run", "long")
CELL = "vgg19/s90/i50/fggp/seed1"


def status(checkout: Checkout) -> tuple[int, dict[str, Any]]:
    ran = checkout.fggp("status", "long", "--json", status=None)
    assert not ran.err, ran
    found: dict[str, Any] = json.loads(ran.out)
    return ran.status, found | {"cell": found["cells"][0]}


def wait_for(checkout: Checkout, run: subprocess.Popen[str], epoch: int) -> dict[str, Any]:
    """Ask once a cell that pauses after an epoch has written the line of it."""
    log, deadline = checkout.log(CELL, "long"), time.monotonic() + TIMEOUT
    while not (log.exists() and f"epoch {epoch:>4}/" in log.read_text()):
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)
    code, found = status(checkout)
    cell: dict[str, Any] = found["cell"]
    assert (code, cell["state"], cell["epoch"]) == (75, "running", epoch)
    return cell


def test_a_cell_waits_runs_stops_and_is_done(untrained: Checkout) -> None:
    assert status(untrained)[1]["cell"]["state"] == "waiting"
    untrained.pause(2)
    run = untrained.start(*RUN)
    cell = wait_for(untrained, run, epoch=2)
    assert cell["epochs"] == 8
    assert 0 < cell["test"] <= 1
    assert (untrained / cell["log"]).exists()
    run.terminate()
    run.communicate(timeout=TIMEOUT)
    code, stopped = status(untrained)
    assert (code, stopped["cell"]["state"]) == (75, "waiting")
    assert "a rerun continues at epoch" in stopped["cell"]["note"]
    untrained.pause_no_more()
    untrained.run(*RUN)
    code, done = status(untrained)
    assert (code, done["cell"]["state"]) == (0, "done")
    assert done["seconds"]["used"] > 0
    result = json.loads(untrained.result(CELL, "long").read_text())
    assert done["seconds"]["used"] == result["provenance"]["seconds"]


def test_a_killed_cell_has_stalled_until_it_is_trained_again(untrained: Checkout) -> None:
    untrained.pause(1)
    train = untrained.start(sys.executable, "-m", "fggp", "train", "long", CELL)
    owner = untrained.result(CELL, "long").with_name(".seed1.owner")
    deadline = time.monotonic() + TIMEOUT
    while not owner.exists():
        assert train.poll() is None, train.communicate()[0]
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)
    train.kill()
    train.communicate(timeout=TIMEOUT)
    code, found = status(untrained)
    assert (code, found["cell"]["state"]) == (1, "stalled")
    assert "ended without a result" in found["cell"]["note"]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals here")
def test_watching_draws_anew_on_a_terminal_and_ends_with_ctrl_c(untrained: Checkout) -> None:
    master, terminal = pty.openpty()
    watching = subprocess.Popen(
        [sys.executable, "-m", "fggp", "status", "tiny", "--watch", "0.1"],
        cwd=untrained.path,
        env=untrained._environment(),
        stdout=terminal,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(terminal)
    seen = b""
    try:
        while seen.count(b"0 of 7 cells") < 2:
            seen += os.read(master, 4096)
        watching.send_signal(signal.SIGINT)
        errors = watching.communicate(timeout=TIMEOUT)[1]
    finally:
        watching.kill()
        watching.wait(timeout=TIMEOUT)
        os.close(master)
    assert watching.returncode == 0, errors
    assert errors == ""
    assert seen.count(b"\x1b[H\x1b[2J") >= 2


def test_watching_into_a_pipe_is_plain(untrained: Checkout) -> None:
    watching = untrained.start(sys.executable, "-m", "fggp", "status", "tiny", "--watch", "0.1")
    assert watching.stdout is not None
    lines = [watching.stdout.readline() for _ in range(12)]
    assert sum("0 of 7 cells" in line for line in lines) >= 2
    assert not any("\x1b" in line for line in lines)
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=TIMEOUT)
    assert watching.returncode == 0


def test_the_workflow_asks_for_what_the_costs_say(untrained: Checkout) -> None:
    ran = untrained.dry(study="long")
    assert "mem_mb=4000" in ran.out + ran.err
    assert "runtime=" in ran.out + ran.err
