"""The PBS profile submits trainings, and submits a killed one again, by a stand-in of PBS."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkout import FEW_CELLS, ROOT, TIMEOUT, Checkout

STAND_IN = ROOT / "tests/support/stand_in_pbs"
QUICKLY = ("--jobs", "1", "--seconds-between-status-checks", "1", "--latency-wait", "5")
SHOWN = "Job Id: 1.stand-in\n    job_state = {}\n"


@pytest.fixture
def pbs(fresh: Checkout, tmp_path: Path) -> Checkout:
    pytest.importorskip(
        "snakemake_executor_plugin_cluster_generic", reason="it is of the extra `schedulers`"
    )
    shutil.copytree(ROOT / "pbs", fresh / "pbs")
    folders = [str(STAND_IN), str(Path(sys.executable).parent), os.environ["PATH"]]
    (tmp_path / "jobs").mkdir()
    fresh.environment |= {
        "PATH": os.pathsep.join(folders),
        "STAND_IN_PBS": str(tmp_path / "jobs"),
        "PBS_OPTIONS": "-q long",
    }
    return fresh


def paused(checkout: Checkout, running: subprocess.Popen[str]) -> tuple[str, int]:
    """The cell and the process of the one training that has written its first epoch and pauses.

    Snakemake may begin with any of them.
    """
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        for cell in FEW_CELLS:
            log = checkout.log(cell, "few")
            if log.exists() and "epoch    1/2" in log.read_text():
                owner = checkout.result(cell, "few").with_name(".seed1.owner")
                found = re.match(r"process (\d+) ", owner.read_text())
                assert found is not None
                return cell, int(found[1])
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.1)
    raise AssertionError("no training has begun")


@pytest.mark.long
@pytest.mark.skipif(shutil.which("setsid") is None, reason="there is no setsid here")
def test_a_training_whose_job_was_killed_is_submitted_again_and_resumes(
    pbs: Checkout, tmp_path: Path
) -> None:
    pbs.pause(1)
    running = pbs.start(
        *("snakemake", "--profile", "pbs", "--configfile", "config/few.yaml"), *QUICKLY, "results"
    )
    cell, training = paused(pbs, running)
    pbs.pause_no_more()
    os.kill(training, signal.SIGKILL)
    said, _ = running.communicate(timeout=TIMEOUT)
    assert running.returncode == 0, said
    assert set(pbs.fingerprints("few")) == FEW_CELLS
    submitted = [path.read_text() for path in sorted((tmp_path / "jobs").glob("*.options"))]
    assert len(submitted) == len(FEW_CELLS) + 1, said
    for options in submitted:
        assert options.startswith("-q long -V -N fggp -j oe -o logs/pbs/"), options
        assert re.search(r" -l select=1:ncpus=1:ngpus=0:mem=\d+mb -l walltime=\d+ ", options), (
            options
        )
    more, less = (int(re.search(r"walltime=(\d+)", it)[1]) for it in submitted[1::-1])  # type: ignore[index]
    assert more > less, "the second attempt has more time"
    lines = pbs.log(cell, "few").read_text().splitlines()
    epochs = [line.split()[1] for line in lines if line.startswith("epoch ")]
    assert epochs in (["1/2", "2/2"], ["1/2", "1/2", "2/2"]), lines


@pytest.mark.parametrize(
    ("status", "shown", "word"),
    [
        (0, SHOWN.format("Q"), "running"),
        (0, SHOWN.format("R"), "running"),
        (0, SHOWN.format("F") + "    Exit_status = 0\n", "success"),
        (0, SHOWN.format("F") + "    Exit_status = 1\n", "failed"),
        (0, SHOWN.format("F") + "    Exit_status = -11\n", "failed"),
        (0, SHOWN.format("F"), "failed"),
        (153, "", "failed"),
        (255, "", "running"),
    ],
)
def test_the_state_of_a_job_is_told_in_snakemakes_words(
    status: int, shown: str, word: str, tmp_path: Path
) -> None:
    stub = tmp_path / "qstat"
    stub.write_text(f"#!/bin/sh\ncat <<'END'\n{shown}END\nexit {status}\n")
    stub.chmod(0o755)
    ended = subprocess.run(
        [ROOT / "pbs/status.sh", "1.stand-in"],
        env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == f"{word}\n"
