"""Epochs go to the writers that are asked for, each once; a writer that fails stops no training."""

import json
import os
import sys
import types
import warnings
from pathlib import Path
from typing import Any, ClassVar

import pytest
from small import cell

from fggp.cli import main
from fggp.foundation.errors import Failure
from fggp.running.epoch_writers import EpochWriters, numbers
from fggp.running.summary_writers import named
from fggp.study.result_file import fingerprint, read
from fggp.training.step import Sizes

CELL = cell("gmp")
OUT = Path("results/tiny/runs") / f"{CELL.id}.json"
SIZES = Sizes(200, 400, 1000)


class Fake:
    """A SummaryWriter that keeps its input, and fails on request."""

    made: ClassVar[list["Fake"]] = []
    fails_at: ClassVar[int | None] = None

    def __init__(self, folder: str) -> None:
        self.folder, self.scalars, self.closed = folder, [], False
        Fake.made.append(self)

    def add_scalar(self, name: str, value: float, epoch: int) -> None:
        if epoch == self.fails_at:
            raise OSError("no space left on device")
        self.scalars.append((name, value, epoch))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("fakeboard")
    module.Writer = Fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fakeboard", module)
    monkeypatch.setattr(Fake, "made", [])
    monkeypatch.setattr(Fake, "fails_at", None)


def row(epoch: int, loss: float | None = 0.5) -> dict[str, Any]:
    counts = {"validation_correct": 100, "test_correct": 300, "kept": 100}
    return {"epoch": epoch, "lr": 0.1, "train_loss": loss, **counts}


def trained(*epochs: int) -> None:
    """A process that trains these epochs."""
    writers = EpochWriters(["fakeboard:Writer"], CELL, OUT)
    for epoch in epochs:
        writers.write(row(epoch), SIZES)
    writers.close()


def written() -> list[int]:
    return [epoch for it in Fake.made for name, _, epoch in it.scalars if name == "accuracy/test"]


def test_the_numbers_of_an_epoch_are_named_and_shares_are_in_percent() -> None:
    shares = {"accuracy/validation": 50, "accuracy/test": 75, "sparsity": 90}
    others = {"loss/train": 0.5, "learning_rate": 0.1, "kept_weights": 100}
    assert numbers(row(1), SIZES) == shares | others
    assert "loss/train" not in numbers(row(1, None), SIZES)
    assert "accuracy/validation" not in numbers(row(1), Sizes(0, 400, 1000))


def test_a_training_that_resumes_writes_no_epoch_twice() -> None:
    trained(1, 2, 3)
    trained(3, 4)  # killed before the checkpoint of epoch 3
    trained(2, 3, 4)  # and once more, far back
    assert written() == [1, 2, 3, 4]
    assert all(it.closed for it in Fake.made)
    assert {it.folder for it in Fake.made} == {f"results/tiny/fakeboard.Writer/{CELL.id}"}


def test_a_training_that_begins_again_replaces_what_was_written() -> None:
    trained(1, 2)
    kept = Path(Fake.made[0].folder, "events")
    kept.touch()
    Fake.made.clear()
    trained(1)
    assert written() == [1]
    assert not kept.exists()


def test_a_writer_that_is_asked_for_in_the_middle_begins_there() -> None:
    trained(5, 6)
    assert written() == [5, 6]


def test_a_writer_that_fails_warns_once_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Other(Fake):
        fails_at = None

    monkeypatch.setattr(sys.modules["fakeboard"], "Other", Other, raising=False)
    monkeypatch.setattr(Fake, "fails_at", 2)
    names = ["fakeboard:Writer", "fakeboard:Other"]
    writers = EpochWriters(names, CELL, OUT)
    writers.write(row(1), SIZES)
    with pytest.warns(
        match="^fakeboard:Writer: OSError: no space left on device; training continues"
    ):
        writers.write(row(2), SIZES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        writers.write(row(3), SIZES)
        writers.close()
    assert [len(it.scalars) for it in Fake.made] == [6, 18]


def test_two_writers_of_one_module_keep_what_the_other_has_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.modules["fakeboard"], "Other", Fake, raising=False)
    writers = EpochWriters(["fakeboard:Writer", "fakeboard:Other"], CELL, OUT)
    for epoch in (1, 2):
        writers.write(row(epoch), SIZES)
        for it in Fake.made:
            Path(it.folder, str(epoch)).touch(exist_ok=False)
    writers.close()
    folders = {f"results/tiny/fakeboard.{name}/{CELL.id}" for name in ("Writer", "Other")}
    assert {it.folder for it in Fake.made} == folders
    for folder in folders:
        names = {path.name for path in Path(folder).iterdir()}
        assert names == {".written.json", "1", "2"}
        assert '"epoch": 2' in Path(folder, ".written.json").read_text()


def test_a_record_that_cannot_be_read_is_a_failure_of_the_writer_alone() -> None:
    path = Path(f"results/tiny/fakeboard.Writer/{CELL.id}/.written.json")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.warns(match="training continues without it"):
        trained(2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("board", "'board' is not a writer; use tensorboard, wandb or module:function"),
        ("nowhere:Writer", "nowhere:Writer cannot be imported"),
        ("fakeboard:Nothing", "fakeboard:Nothing cannot be imported"),
        (":Writer", ":Writer cannot be imported"),
        ("brokenboard:Writer", "brokenboard:Writer cannot be imported"),
        ("wandb", "wandb needs the package wandb: pip install wandb"),
    ],
)
def test_a_writer_that_cannot_be_is_refused_in_one_line(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "brokenboard.py").write_text("def Writer(:")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("fggp.running.summary_writers.find_spec", lambda package: None)
    with pytest.raises(Failure, match=f"^FGGP_WRITERS: {message}"):
        named(text)
    assert named("") == []
    assert named(" fakeboard:Writer, fakeboard:Writer ,") == ["fakeboard:Writer"]


def test_a_writer_in_this_folder_is_found_by_the_script_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``python -m fggp`` searches this folder; the script ``fggp`` searches its own instead."""
    (tmp_path / "board_of_this_folder.py").write_text("Writer = print")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [it for it in sys.path if it])
    assert named("board_of_this_folder:Writer") == ["board_of_this_folder:Writer"]


STUDY = """
data: {kind: digits, name: digits, validation: 0, train: 90}
backbones: {vgg19: {width: 1/32}}
sparsities: [0.8]
initial_sparsities: [0]
seeds: [1]
methods: {dense: {}}
training: {epochs: 2, batch_size: 45, pad: 1}
pruning: {update_every: 2, end_epoch: 2}
"""


def test_a_training_writes_its_epochs_and_its_result_is_the_same_without(data: Path) -> None:
    Path("config").mkdir()
    Path("config/tiny.yaml").write_text(STUDY)
    Path("data").mkdir()
    os.symlink(data, "data/digits.npz")
    path = Path("results/tiny/runs/vgg19/s0/i0/dense/seed1.json")
    command = ["train", "tiny", "vgg19/s0/i0/dense/seed1", "--device", "cpu"]
    assert main([*command, "--writers", "fakeboard:Writer"]) == 0
    first = read(path)
    assert written() == [1, 2]
    values = {name: value for name, value, epoch in Fake.made[0].scalars if epoch == 2}
    last = first["outcome"]["epochs"][-1]
    assert (
        values["accuracy/test"] == 100 * last["test_correct"] / first["outcome"]["images"]["test"]
    )
    for made in path.parent.iterdir():
        made.unlink()
    assert main(command) == 0
    assert fingerprint(read(path)) == fingerprint(first)


def test_tensorboard_shows_each_epoch_of_a_resumed_training_once() -> None:
    pytest.importorskip("tensorboard", reason="pip install tensorboard, which no extra brings")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for epochs in [(1, 2), (2, 3)]:
        writers = EpochWriters(named("tensorboard"), CELL, OUT)
        for epoch in epochs:
            writers.write(row(epoch), SIZES)
        writers.close()
    folder = Path(f"results/tiny/tensorboard/{CELL.id}")
    found = EventAccumulator(str(folder)).Reload().Scalars("accuracy/test")
    assert [(it.step, it.value) for it in found] == [(1, 75), (2, 75), (3, 75)]
    assert json.loads((folder / ".written.json").read_text())["epoch"] == 3
