import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import FEW_CELLS, TIMEOUT, Checkout

from fggp.foundation.quantities import count

pytestmark = pytest.mark.long

CELL = "vgg19/s90/i50/fggp/seed1"
TRAIN = (sys.executable, "-m", "fggp", "train", "long", CELL)
STOPPED = 75


def beside(checkout: Checkout, kind: str) -> Path:
    return checkout.result(CELL, "long").with_name(f".seed1.{kind}")


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for something that a process is to bring about."""
    deadline = time.monotonic() + TIMEOUT
    while not true():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.005)


def wait_for_line(process: subprocess.Popen[str], text: str) -> str:
    """Read the output of a process until a line contains ``text``; returns the lines read."""
    read = ""
    assert process.stdout is not None
    for line in process.stdout:
        read += line
        if text in line:
            return read
    raise AssertionError(f"no line with {text!r} in {read}")


def kill(process: subprocess.Popen[str]) -> str:
    """Kill a process that must still be running; returns the rest of its output."""
    process.kill()
    rest = process.communicate(timeout=TIMEOUT)[0]
    assert process.returncode == -signal.SIGKILL, f"it had ended before: {rest}"
    return rest


def epochs(text: str) -> list[int]:
    return [int(line.split()[1].split("/")[0]) for line in text.splitlines() if "/8 " in line]


def test_a_training_killed_twice_comes_to_the_bits_of_an_undisturbed_one(
    untrained: Checkout, undisturbed: Checkout
) -> None:
    untrained.pause(4)
    first = untrained.start(*TRAIN)
    wait_until(beside(untrained, "owner").exists, first)
    kill(first)
    second = untrained.start(*TRAIN)
    wait_for_line(second, "epoch    4/")
    kill(second)
    assert not untrained.result(CELL, "long").exists()
    assert beside(untrained, "ckpt").exists()
    untrained.pause_no_more()
    ran = untrained.run(*TRAIN)
    assert epochs(ran.out)[0] > 1, f"it began from the beginning: {ran}"
    assert epochs(ran.out)[-1] == 8, ran
    assert untrained.fingerprints("long") == undisturbed.fingerprints("long")
    left = {path.name for path in untrained.result(CELL, "long").parent.iterdir()}
    beside_it = {".seed1.kept.json", "seed1.logits.npz", "seed1.weights.fggp"}
    assert left - {".seed1.lock"} == {"seed1.json", *beside_it}


def test_sigterm_stops_with_status_75_and_a_checkpoint_that_continues_to_the_same_bits(
    untrained: Checkout, undisturbed: Checkout
) -> None:
    untrained.pause(1)
    process = untrained.start(*TRAIN)
    before = wait_for_line(process, "epoch    1/")
    process.terminate()
    rest = process.communicate(timeout=TIMEOUT)[0]
    assert process.returncode == STOPPED, before + rest
    assert "stopped with a checkpoint; the same command continues it" in rest
    assert "Traceback" not in before + rest
    assert beside(untrained, "ckpt").exists()
    assert not untrained.result(CELL, "long").exists()
    ran = untrained.run(*TRAIN)
    assert epochs(before + rest + ran.out) == list(range(1, 9)), "an epoch is lost or repeated"
    assert untrained.fingerprints("long") == undisturbed.fingerprints("long")


def test_a_second_process_on_one_cell_is_refused_in_one_line_that_names_the_first(
    untrained: Checkout,
) -> None:
    untrained.pause(1)  # so that it holds the cell for as long as the test wants
    first = untrained.start(*TRAIN)
    wait_until(beside(untrained, "owner").exists, first)
    complaint = untrained.run(*TRAIN, status=1).complaint
    assert f"results/long/runs/{CELL}.json: process {first.pid} on " in complaint
    assert "is training this cell; wait for it, or stop it" in complaint
    kill(first)


@pytest.mark.slow
def test_a_training_killed_under_snakemake_continues_when_snakemake_runs_again(
    untrained: Checkout, undisturbed: Checkout
) -> None:
    target = f"results/long/runs/{CELL}.json"
    command = ("snakemake", target, "--cores", "1", "--configfile", "config/long.yaml")
    untrained.pause(3)
    snakemake = untrained.start(*command)
    log = untrained.log(CELL, "long")
    wait_until(lambda: log.exists() and "epoch    3/" in log.read_text(), snakemake)
    training = int(beside(untrained, "owner").read_text().split()[1])
    os.kill(training, signal.SIGKILL)
    text = snakemake.communicate(timeout=TIMEOUT)[0]
    assert snakemake.returncode == 1, text
    assert not (untrained / target).exists()
    untrained.pause_no_more()
    again = untrained.run(*command)
    assert again.trained == {CELL}, again
    assert 1 not in epochs(log.read_text())[3:], "it began from the beginning"
    assert epochs(log.read_text())[-1] == 8
    assert untrained.fingerprints("long") == undisturbed.fingerprints("long")


@pytest.mark.slow
def test_a_damaged_checkpoint_is_set_aside_and_the_cell_trained_afresh(
    untrained: Checkout, undisturbed: Checkout
) -> None:
    path = beside(untrained, "ckpt")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a checkpoint")
    ran = untrained.run(*TRAIN)
    assert "is damaged: kept as .seed1.rejected, training from the beginning" in ran.err, ran
    assert beside(untrained, "rejected").read_bytes() == b"not a checkpoint"
    assert epochs(ran.out) == list(range(1, 9))
    assert untrained.fingerprints("long") == undisturbed.fingerprints("long")


def test_run_stops_cleanly_when_its_minutes_are_over(by_hand: Checkout) -> None:
    goes = json.loads((by_hand / "goes.json").read_text())
    assert " left; run the same command to continue" in goes["first"]
    assert f"{count(3 - goes['done'], 'cell')} left; run the same command" in goes["first"]
    assert "failed" not in goes["first"]
    assert "all cells are trained" in goes["second"]


def test_run_of_some_cells_says_how_many_others_are_left(untrained: Checkout) -> None:
    ran = untrained.fggp("run", "few", "--only", "dense")
    assert ran.out.endswith(
        "all cells with 'dense' are trained; 2 cells of the study left: fggp run few\n"
    ), ran


def test_stopped_and_continued_two_at_a_time_is_the_same_as_one_at_a_time(
    by_hand: Checkout, trained: Checkout
) -> None:
    whole = trained.fingerprints()
    assert by_hand.fingerprints("few") == {cell: whole[cell] for cell in FEW_CELLS}


def test_run_without_any_time_trains_nothing_and_says_so(untrained: Checkout) -> None:
    ran = untrained.fggp("run", "tiny", "--minutes", "0", status=STOPPED)
    assert "7 cells left; run the same command to continue" in ran.out, ran
    assert not untrained.fingerprints()
