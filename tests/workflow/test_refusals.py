"""A study that cannot work is refused in one line, before or instead of hours of training."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from checkout import FEW, FEW_CELLS, TIMEOUT, Checkout
from pictures import PICTURES, add_pictures

pytestmark = pytest.mark.long

CELL = "vgg19/s90/i50/fggp/seed1"


def mounts() -> bool:
    """Whether this process may mount a small file system of its own."""
    if os.geteuid() != 0 or sys.platform != "linux":
        return False
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    except OSError:
        return False


needs_mount = pytest.mark.skipif(not mounts(), reason="needs to mount a tmpfs, as root on Linux")


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    """Put a small file system of its own over a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


@pytest.fixture
def pictures(fresh: Checkout) -> Checkout:
    """A study of pictures, prepared: 120 to train on and 20 to test, of 16 pixels."""
    add_pictures(fresh)
    fresh.fggp("prepare", "few")
    return fresh


def refusals(checkout: Checkout) -> set[str]:
    """Return the message of plan, run and Snakemake about the study; they must be the same."""
    dry = checkout.run("snakemake", "-n", "--configfile", "config/few.yaml", status=1)
    ran = checkout.fggp("run", "few", status=1)
    planned = checkout.fggp("plan", "few", status=1)
    return {dry.complaint, ran.complaint, planned.complaint}


TOO_MUCH = {
    "validation": ({"data": PICTURES | {"validation": 120}}, "data.validation: 120 leaves none"),
    "window": (
        {"pruning": {"update_every": 5, "end_epoch": 1}},
        "pruning.update_every: 5 is longer than the pruning window of 4 steps",
    ),
    "border": ({"training": {"epochs": 2, "batch_size": 32, "pad": 16}}, "training.pad: 16 must"),
}


@pytest.mark.parametrize(("changes", "said"), list(TOO_MUCH.values()), ids=list(TOO_MUCH))
def test_a_study_that_does_not_fit_its_prepared_images_is_refused_before_there_are_jobs(
    changes: dict[str, object], said: str, pictures: Checkout
) -> None:
    pictures.study("few", **FEW | {"data": PICTURES} | changes)
    (line,) = refusals(pictures)
    assert line.startswith(f"fggp: config/few.yaml: {said}"), line
    assert "the nearest valid is" in line


def test_images_that_are_too_few_are_noticed_when_they_are_prepared(pictures: Checkout) -> None:
    (pictures / "data/pictures.npz").unlink()
    pictures.study("few", **FEW | {"data": PICTURES | {"validation": 500}})
    complaint = pictures.fggp("prepare", "few", status=1).complaint
    assert "config/few.yaml: data.validation: 500 leaves none of the 120 training" in complaint


def test_the_images_of_another_study_are_never_taken_for_ones_own(pictures: Checkout) -> None:
    before = (pictures / "data/pictures.npz").read_bytes()
    pictures.study("few", **FEW | {"data": PICTURES | {"path": "others"}})
    assert refusals(pictures) == {
        "fggp: data/pictures.npz holds the images of folder pictures, not those of folder others; "
        "give data.name another value, or delete that file"
    }
    assert (pictures / "data/pictures.npz").read_bytes() == before


def test_a_damaged_data_file_is_refused_before_there_are_jobs(pictures: Checkout) -> None:
    path = pictures / "data/pictures.npz"
    path.write_bytes(path.read_bytes()[:5000])
    (line,) = refusals(pictures)
    assert "data/pictures.npz is damaged or not a data file of fggp" in line
    assert "delete it and make it again with `fggp prepare`" in line


def test_a_finished_study_needs_no_data(study_by_hand: Checkout) -> None:
    (study_by_hand / "data/digits.npz").write_bytes(b"damaged")
    assert study_by_hand.dry(study="few").trained == set()


def test_a_result_from_a_clock_that_is_ahead_trains_nothing_and_is_analysed(
    study_by_hand: Checkout,
) -> None:
    before, tomorrow = study_by_hand.fingerprints("few"), time.time() + 86400
    os.utime(study_by_hand.result(CELL, "few"), (tomorrow, tomorrow))
    os.utime(study_by_hand / "results/few/cells.json", (tomorrow, tomorrow))
    ran = study_by_hand.snakemake("results", "--cores", "1", study="few")
    assert ran.trained == set(), ran
    assert study_by_hand.fingerprints("few") == before
    assert study_by_hand.dry("results", study="few").jobs == {}


def test_a_result_from_long_ago_trains_nothing(study_by_hand: Checkout) -> None:
    os.utime(study_by_hand.result(CELL, "few"), (10**6, 10**6))
    assert study_by_hand.dry(study="few").trained == set()


def test_a_study_is_not_run_twice_at_once(fresh: Checkout) -> None:
    fresh.pause(1)
    first = fresh.start(sys.executable, "-m", "fggp", "run", "few")
    deadline = time.monotonic() + TIMEOUT
    while not (fresh / "results/few/logs").exists():
        assert first.poll() is None, first.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert fresh.fggp("run", "few", status=1).complaint == (
        "fggp: results/few: another `fggp run` is training this study; wait for it, or stop it"
    )
    first.terminate()
    text = first.communicate(timeout=TIMEOUT)[0]
    assert first.returncode == 75, text
    fresh.fggp("run", "few", "--minutes", "0", status=75)


@needs_mount
def test_with_the_disk_full_the_old_checkpoint_stays_and_with_room_the_bits_are_the_same(
    undisturbed: Checkout, untrained: Checkout
) -> None:
    command = ("train", "long", CELL)
    path = untrained.result(CELL, "long")
    store = path.with_name(".seed1.ckpt")
    with mounted(untrained / "results", "300k"):
        complaint = untrained.fggp(*command, status=1)
        assert complaint.complaint == (
            f"fggp: {store.relative_to(untrained.path)}: no space left on device; make room; the "
            "same command then continues"
        )
        assert {it.name for it in path.parent.iterdir()} <= {".seed1.lock"}
        remount(untrained / "results", "size=2000k")
        filler = untrained / "results/filler"
        untrained.pause(2)
        process = untrained.start(sys.executable, "-m", "fggp", *command)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch    2/"):
                break
        try:
            with filler.open("wb") as file:
                file.write(b"x" * 2_000_000)
        except OSError:
            pass
        untrained.pause_no_more()
        process.send_signal(signal.SIGUSR2)
        rest = process.communicate(timeout=TIMEOUT)[0]
        assert process.returncode == 1, rest
        assert "no space left on device; make room; the same command then continues" in rest
        assert "Traceback" not in rest
        assert store.stat().st_size > 100_000, "the old checkpoint is gone"
        assert not path.exists()
        filler.unlink()
        ran = untrained.fggp(*command)
        assert "epoch    1/" not in ran.out, "it began from the beginning"
        assert untrained.fingerprints("long") == undisturbed.fingerprints("long")


@needs_mount
def test_results_that_cannot_be_written_are_told_in_one_line(untrained: Checkout) -> None:
    with mounted(untrained / "results", "1m"):
        remount(untrained / "results", "ro")
        for verb in (["train", "tiny", CELL], ["run", "tiny"], ["plan", "tiny", "--write"]):
            complaint = untrained.fggp(*verb, status=1).complaint
            assert "read-only file system; choose a folder that can be written to" in complaint


@needs_mount
def test_a_data_folder_that_is_full_or_read_only_is_told_and_keeps_what_it_has(
    untrained: Checkout,
) -> None:
    data = untrained / "data"
    shutil.rmtree(data)
    with mounted(data, "200k"):
        complaint = untrained.fggp("prepare", "few", status=1).complaint
        assert "data/digits.npz cannot be written (No space left on device); make" in complaint
        assert not list(data.glob("*.npz"))
        assert not list(data.glob(".*.partial"))
        remount(data, "size=9m,ro")
        complaint = untrained.fggp("prepare", "few", status=1).complaint
        assert "read-only file system; choose a folder that can be written to" in complaint
        remount(data, "rw")
        untrained.fggp("prepare", "few")
        remount(data, "ro")
        assert untrained.fggp("run", "few", "--minutes", "0", status=75)
        assert len(FEW_CELLS) == 3


@pytest.mark.slow
@needs_mount
def test_a_result_that_finds_no_room_is_not_left_in_pieces(
    undisturbed: Checkout, untrained: Checkout
) -> None:
    """The checkpoint is deleted last, so that nothing is lost when the result cannot be written."""
    path = untrained.result(CELL, "long")
    size = undisturbed.result(CELL, "long").stat().st_size
    assert size > 8192
    store = path.with_name(".seed1.ckpt")
    untrained.pause(7)
    with mounted(untrained / "results", "3m"):
        process = untrained.start(sys.executable, "-m", "fggp", "train", "long", CELL)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch    7/"):
                process.terminate()
        process.communicate(timeout=TIMEOUT)
        assert process.returncode == 75
        untrained.pause_no_more()
        kept = store.stat().st_size
        # Room for a checkpoint beside the old one, and for no result beside the new one.
        block = 4096
        free = os.statvfs(untrained / "results").f_bavail * block
        filler = untrained / "results/filler"
        filler.write_bytes(b"x" * (free - kept - 2 * block))
        ran = untrained.fggp("train", "long", CELL, status=None)
        filler.unlink()
        if ran.status:
            assert "no space left on device" in ran.complaint
            assert not path.exists()
            assert store.exists()
            untrained.fggp("train", "long", CELL)
        assert untrained.fingerprints("long") == undisturbed.fingerprints("long")
