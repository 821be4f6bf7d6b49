"""Trainings of seconds: digits, a network of a few channels, three epochs of three steps."""

import json
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
import torch

from fggp.data import Dataset
from fggp.foundation.errors import Failure
from fggp.running.run_cell import run_cell
from fggp.storage.logits import read_logits
from fggp.storage.packing import unpack
from fggp.study.accuracy_views import views
from fggp.study.cell import Cell, Training, canonical
from fggp.study.outcome import Epoch
from fggp.study.result_file import NUMERICS, kept, logits_path, read, weights_path
from fggp.training import checkpoint
from fggp.training.build import network_of
from fggp.training.checkpoint import Checkpoint, Timed
from fggp.training.loop import Run, digest
from fggp.training.torch_settings import arithmetic, autocast
from fggp.training.train import Stopped, train

CPU = torch.device("cpu")
METHODS = ["dense", "gmp", "granet", "fggp"]
STEPS = 9


cell = partial(small.cell, lr_milestones=["1/3"])


@pytest.fixture(scope="module")
def undisturbed(digits: Dataset) -> Callable[[Cell], dict[str, Any]]:
    """The outcome of a cell that is trained in one go; each is trained once."""
    known: dict[str, dict[str, Any]] = {}

    def outcome(wanted: Cell) -> dict[str, Any]:
        text = wanted.canonical()
        if text not in known:
            known[text] = train(wanted, digits, device=CPU, store=small.Forgetful()).plain()
        return known[text]

    return outcome


Undisturbed = Callable[[Cell], dict[str, Any]]


def stop_after(steps: int) -> Callable[[], bool]:
    left = iter(range(steps))
    return lambda: next(left, None) is None


# ---------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize("stops", [[1] * 8, [4], [6], [2, 3, 3]], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_a_training_that_was_stopped_comes_to_the_same_bytes(
    tmp_path: Path, digits: Dataset, undisturbed: Undisturbed, method: str, stops: list[int]
) -> None:
    wanted = cell(method, start=0.5)
    store = Checkpoint(tmp_path / "c.ckpt", wanted, "cpu")
    for steps in stops:
        with pytest.raises(Stopped):
            train(wanted, digits, device=CPU, store=store, stop=stop_after(steps))
    outcome = train(wanted, digits, device=CPU, store=store).plain()
    assert canonical(outcome) == canonical(undisturbed(wanted))


@pytest.mark.parametrize("layout", ["channels_last", "by_stage"])
def test_a_training_that_was_stopped_comes_to_the_same_bytes_in_every_layout(
    tmp_path: Path, digits: Dataset, undisturbed: Undisturbed, layout: str
) -> None:
    wanted = cell(start=0.5, layout=layout)
    store = Checkpoint(tmp_path / "c.ckpt", wanted, "cpu")
    with pytest.raises(Stopped):
        train(wanted, digits, device=CPU, store=store, stop=stop_after(4))
    outcome = train(wanted, digits, device=CPU, store=store).plain()
    assert canonical(outcome) == canonical(undisturbed(wanted))


@pytest.mark.parametrize("step", [2, 5, STEPS])
def test_a_training_that_was_killed_comes_to_the_same_bytes(
    tmp_path: Path, digits: Dataset, undisturbed: Undisturbed, step: int
) -> None:
    store = Checkpoint(tmp_path / "c.ckpt", cell(), "cpu")

    def kill(done: int, steps: int) -> None:
        if done == step:
            raise MemoryError

    with pytest.raises(MemoryError):
        train(cell(), digits, device=CPU, store=store, tick=kill)
    again = train(cell(), digits, device=CPU, store=store).plain()
    assert canonical(again) == canonical(undisturbed(cell()))


def test_a_training_that_was_killed_before_its_result_was_written_trains_no_step_more(
    tmp_path: Path, digits: Dataset, undisturbed: Undisturbed
) -> None:
    store = Checkpoint(tmp_path / "c.ckpt", cell(), "cpu")
    train(cell(), digits, device=CPU, store=store)
    again = train(
        cell(), digits, device=CPU, store=store, stop=lambda: pytest.fail("trained")
    ).plain()
    assert canonical(again) == canonical(undisturbed(cell()))


def test_the_outcome_depends_on_the_seed_of_the_cell_and_on_no_other(
    digits: Dataset, undisturbed: Undisturbed
) -> None:
    before = torch.get_rng_state()
    try:
        torch.manual_seed(99)
        again = train(cell(), digits, device=CPU, store=small.Forgetful()).plain()
    finally:
        torch.set_rng_state(before)
    assert canonical(again) == canonical(undisturbed(cell()))
    assert undisturbed(cell(seed=2))["weights_sha256"] != again["weights_sha256"]


def test_training_leaves_the_global_random_state(digits: Dataset) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    train(cell(start=0.5), digits, device=CPU, store=small.Forgetful())
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()


def test_methods_of_one_seed_start_from_the_same_weights(digits: Dataset) -> None:
    runs = [Run(cell(method), digits, CPU) for method in METHODS]
    states = [run.model.state_dict() for run in runs]
    assert all(torch.equal(s[name], states[0][name]) for s in states for name in s)
    other = Run(cell(seed=2), digits, CPU).model.state_dict()
    assert not torch.equal(other["conv1_1.weight"], states[0]["conv1_1.weight"])


# ----------------------------------------------------------------------------------- outcome


@pytest.mark.parametrize("start", [0, 0.5])
@pytest.mark.parametrize("method", METHODS)
def test_the_fields_of_an_outcome_agree_with_each_other(
    undisturbed: Undisturbed, method: str, start: float
) -> None:
    outcome = undisturbed(cell(method, start=start))
    total = outcome["prunable"]
    target = total - int(total * Fraction(4, 5) + Fraction(1, 2)) if method != "dense" else total
    assert outcome["verdict"] == "completed"
    assert outcome["target"] == target
    assert sum(layer["kept"] for layer in outcome["layers"]) == target
    assert sum(np.prod(layer["shape"]) for layer in outcome["layers"]) == total
    assert all(0 <= layer["nonzero"] <= layer["kept"] for layer in outcome["layers"])
    assert outcome["images"] == {"train": 90, "validation": 147, "test": 600}
    assert outcome["steps_per_epoch"] == 3
    assert json.loads(canonical(outcome)) == outcome


@pytest.mark.parametrize(
    ("method", "steps"),
    [("dense", []), ("gmp", [2, 4, 6]), ("fggp", [2, 4, 6]), ("granet", [2, 4, 6, 8])],
)
def test_every_update_is_recorded_with_its_step_and_counts(
    undisturbed: Undisturbed, method: str, steps: list[int]
) -> None:
    outcome = undisturbed(cell(method))
    assert [row["step"] for row in outcome["updates"]] == steps
    assert [row["update"] for row in outcome["updates"]] == [step // 2 for step in steps]
    totals = [sum(row["kept"]) for row in outcome["updates"]]
    assert totals == sorted(totals, reverse=True)
    assert all(total == outcome["target"] for total in totals[2:])
    assert all(len(row["kept"]) == len(outcome["layers"]) for row in outcome["updates"])


@pytest.mark.parametrize("method", METHODS)
def test_every_epoch_is_recorded(undisturbed: Undisturbed, method: str) -> None:
    outcome = undisturbed(cell(method))
    epochs = outcome["epochs"]
    assert [row["epoch"] for row in epochs] == [1, 2, 3]
    assert [row["lr"] for row in epochs] == [1.0, 0.1, 0.1]
    assert all(0 <= row["validation_correct"] <= 147 for row in epochs)
    assert all(0 <= row["test_correct"] <= 600 for row in epochs)
    assert all(row["train_loss"] > 0 for row in epochs)
    assert [row["kept"] for row in epochs][1:] == [outcome["target"]] * 2
    assert outcome["accuracy"]["last"] == {"epoch": 3, "correct": epochs[2]["test_correct"]}
    assert outcome["accuracy"]["best_test"]["epoch"] == 3
    assert outcome["accuracy"]["best_validation"]["epoch"] >= (1 if method == "dense" else 2)


def test_the_report_gets_every_epoch_and_the_tick_every_step(digits: Dataset) -> None:
    rows: list[dict[str, Any]] = []
    ticks: list[tuple[int, int]] = []
    outcome = train(
        cell(),
        digits,
        device=CPU,
        store=small.Forgetful(),
        report=lambda row, sizes: rows.append(row),
        tick=lambda done, steps: ticks.append((done, steps)),
    )
    assert rows == [epoch.plain() for epoch in outcome.epochs]
    assert ticks == [(done, STEPS) for done in range(1, STEPS + 1)]


@pytest.mark.parametrize(
    ("epochs", "milestones", "rates"),
    [
        (6, ["2/3", "5/6"], [0.1, 0.1, 0.1, 0.1, 0.01, 0.001]),
        (5, [0.5], [0.1, 0.1, 0.01, 0.01, 0.01]),
        (3, [], [0.1, 0.1, 0.1]),
        (4, [0.5, 0.5], [0.1, 0.1, 0.001, 0.001]),
    ],
)
def test_the_learning_rate_falls_after_each_milestone(
    digits: Dataset, epochs: int, milestones: list[Any], rates: list[float]
) -> None:
    run = Run(cell(epochs=epochs, lr=0.1, lr_milestones=milestones), digits, CPU)
    got = []
    for run.epoch in range(1, epochs + 1):
        got.append(float(run.lr))
    assert got == rates


def test_a_training_that_diverges_ends_at_once_with_that_verdict(digits: Dataset) -> None:
    outcome = train(
        cell(lr=1_000_000, epochs=9), digits, device=CPU, store=small.Forgetful()
    ).plain()
    assert outcome["verdict"] == "diverged"
    assert outcome["epochs"][-1]["train_loss"] is None
    assert len(outcome["epochs"]) < 9
    canonical(outcome)  # not a number has no place in it


def test_a_diverged_training_that_is_continued_stays_diverged(
    tmp_path: Path, digits: Dataset
) -> None:
    wanted = cell(lr=1_000_000, epochs=9)
    store = Checkpoint(tmp_path / "c.ckpt", wanted, "cpu")
    first = train(wanted, digits, device=CPU, store=store).plain()
    again = train(
        wanted, digits, device=CPU, store=store, stop=lambda: pytest.fail("trained")
    ).plain()
    assert canonical(again) == canonical(first)


# ------------------------------------------------------------------------------------- views

#                  epoch, validation, test
TABLE = [(1, 90, 99), (2, 70, 50), (3, 80, 60), (4, 80, 70), (5, 75, 70), (6, 75, 65)]
EPOCHS = [
    Epoch(epoch=e, lr=0.1, train_loss=None, validation_correct=v, test_correct=t, kept=0)
    for e, v, t in TABLE
]


@pytest.mark.parametrize(("method", "start"), [("iss", 0.5), ("decaying-mask", None)])
def test_an_epoch_whose_network_sees_pruned_weights_is_not_at_its_target(
    digits: Dataset, method: str, start: float | None
) -> None:
    outcome = train(cell(method, start=start), digits, device=CPU, store=small.Forgetful()).plain()
    final = sum(layer["kept"] for layer in outcome["layers"])
    assert final < outcome["prunable"] / 4
    # The window ends with the second of three epochs.
    assert [row["kept"] for row in outcome["epochs"]] == [outcome["prunable"], final, final]
    assert outcome["accuracy"]["best_validation"]["epoch"] > 1


@pytest.mark.parametrize(
    ("first_full", "window_end", "validation", "test"),
    [
        (1, 0, (1, 99), (1, 99)),  # a static network: all epochs count
        (2, 1, (3, 60), (4, 70)),  # the earlier epoch wins both ties
        (4, 3, (4, 70), (4, 70)),
        (5, 4, (5, 70), (5, 70)),
        (3, 4, (3, 60), (5, 70)),  # at its target inside the window
        (6, 6, (6, 65), (6, 65)),  # nothing after the window: the last epoch
    ],
)
def test_each_view_chooses_its_epoch(
    first_full: int, window_end: int, validation: tuple[int, int], test: tuple[int, int]
) -> None:
    chosen = views(EPOCHS, first_full, window_end)
    assert {name: (view.epoch, view.correct) for name, view in chosen} == {
        "last": (6, 65),
        "best_validation": validation,
        "best_test": test,
    }


# -------------------------------------------------------------------------------- arithmetic


def switches() -> dict[str, Any]:
    return {
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "matmul": torch.get_float32_matmul_precision(),
        "tf32": torch.backends.cudnn.allow_tf32,
        "benchmark": torch.backends.cudnn.benchmark,
        "fill": torch.utils.deterministic.fill_uninitialized_memory,
    }


@pytest.fixture
def unusual() -> Iterator[dict[str, Any]]:
    """Switches as another program may have set them."""
    before = switches()
    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = True
    yield switches()
    torch.set_num_threads(before["threads"])
    torch.use_deterministic_algorithms(before["deterministic"])
    torch.set_float32_matmul_precision(before["matmul"])
    torch.backends.cudnn.allow_tf32 = before["tf32"]
    torch.backends.cudnn.benchmark = before["benchmark"]
    torch.utils.deterministic.fill_uninitialized_memory = before["fill"]


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_the_arithmetic_is_set_inside_and_restored_after_even_a_failure(
    unusual: dict[str, Any], precision: Any
) -> None:
    inside: dict[str, Any] = {}

    def fail() -> None:
        with arithmetic(Training(precision=precision, threads=1)):
            inside.update(switches())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert inside == {
        "threads": 1,
        "deterministic": True,
        "matmul": "high" if precision == "tf32" else "highest",
        "tf32": precision == "tf32",
        "benchmark": False,
        "fill": False,
    }
    assert switches() == unusual


def test_the_arithmetic_restores_determinism_that_only_warns(unusual: dict[str, Any]) -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    with arithmetic(Training()):
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()


@pytest.mark.parametrize(
    ("precision", "kind"),
    [("fp32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)],
)
def test_only_bf16_changes_the_type_of_a_forward_pass(precision: Any, kind: torch.dtype) -> None:
    with autocast(Training(precision=precision), CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == kind


# -------------------------------------------------------------------------------- checkpoint

STATE = {"weights": torch.arange(500.0), "epoch": 3, "rows": [{"loss": None}]}


def stored(folder: Path, wanted: Cell | None = None, device: str = "cpu") -> Checkpoint:
    store = Checkpoint(folder / ".seed1.ckpt", wanted or cell(), device)
    store.save(STATE)
    return store


def test_a_state_comes_back_as_it_was_and_leaves_one_file(tmp_path: Path) -> None:
    loaded = stored(tmp_path).load()
    assert loaded is not None
    assert torch.equal(loaded.pop("weights"), STATE["weights"])
    assert loaded == {"epoch": 3, "rows": [{"loss": None}]}
    assert [path.name for path in tmp_path.iterdir()] == [".seed1.ckpt"]


def test_no_checkpoint_is_no_state_and_no_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Checkpoint(tmp_path / ".seed1.ckpt", cell(), "cpu")
    assert store.load() is None
    store.remove()
    assert capsys.readouterr().err == ""


def test_a_failure_to_save_leaves_the_old_state_and_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stored(tmp_path)

    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        store.save({"epoch": 4})
    monkeypatch.undo()
    loaded = store.load()
    assert loaded is not None
    assert loaded["epoch"] == 3
    assert len(list(tmp_path.iterdir())) == 1


def damaged(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content)


def truncated(share: float) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def foreign(wanted: Cell, device: str = "cpu") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        stored(path.parent, wanted, device)

    return write


def other_content(content: Any) -> Callable[[Path], None]:
    return lambda path: torch.save(content, path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (damaged(b""), "is damaged"),
        (damaged(b"not a checkpoint"), "is damaged"),
        (damaged(b"PK\x03\x04" + b"\x00" * 100), "is damaged"),
        (truncated(0.1), "is damaged"),
        (truncated(0.9), "is damaged"),
        (other_content({"weights": 1}), "is damaged"),
        (other_content([1, 2]), "is damaged"),
        (foreign(cell(seed=2)), "belongs to another"),
        (foreign(cell(epochs=4)), "belongs to another"),
        (foreign(cell().with_data("d" * 64)), "belongs to another"),
        (foreign(cell(), "cuda"), "belongs to another"),
    ],
)
def test_a_damaged_or_foreign_checkpoint_is_set_aside_with_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], None], reason: str
) -> None:
    store = stored(tmp_path)
    change(store.path)
    content = store.path.read_bytes()
    assert store.load() is None
    message = capsys.readouterr().err
    assert message.startswith(f"{store.path} {reason}")
    assert message.count("\n") == 1
    assert not store.path.exists()
    assert (tmp_path / ".seed1.rejected").read_bytes() == content
    assert store.load() is None


def test_a_checkpoint_that_cannot_be_read_now_is_not_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")

    def refused(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    store = stored(tmp_path)
    content = store.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", no_memory)
        with pytest.raises(RuntimeError, match="can't allocate memory"):
            store.load()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refused)
        message = r"the checkpoint cannot be read \(Permission denied\); check its permissions"
        with pytest.raises(Failure, match=message):
            store.load()
    assert store.path.read_bytes() == content
    assert store.load() is not None


@pytest.mark.parametrize("version", ["NUMERICS", "CONTENT"])
def test_a_checkpoint_of_another_version_is_set_aside(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    version: str,
) -> None:
    monkeypatch.setattr(checkpoint, version, getattr(checkpoint, version) + 1)
    stored(tmp_path)
    monkeypatch.undo()
    assert Checkpoint(tmp_path / ".seed1.ckpt", cell(), "cpu").load() is None
    assert "belongs to another cell, device or version" in capsys.readouterr().err


def test_after_a_rejected_checkpoint_training_starts_afresh(
    tmp_path: Path, digits: Dataset, undisturbed: Undisturbed, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Checkpoint(tmp_path / ".seed1.ckpt", cell(), "cpu")
    with pytest.raises(Stopped):
        train(cell(), digits, device=CPU, store=store, stop=stop_after(4))
    truncated(0.5)(store.path)
    outcome = train(cell(), digits, device=CPU, store=store).plain()
    assert "training from the beginning" in capsys.readouterr().err
    assert canonical(outcome) == canonical(undisturbed(cell()))


class Attack:
    """Makes a folder where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("how", ["pickle", "torch", "store"])
def test_code_inside_a_checkpoint_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    store = stored(tmp_path)
    content = {"owner": store.owner, "state": Attack(tmp_path / "attacked")}
    if how == "pickle":
        store.path.write_bytes(pickle.dumps(content, protocol=2))
    elif how == "store":
        store.save(content)
    else:
        torch.save(content, store.path)
    assert store.load() is None
    assert not (tmp_path / "attacked").exists()
    assert "is damaged" in capsys.readouterr().err


def test_a_flipped_bit_is_never_taken_for_a_state(tmp_path: Path) -> None:
    store = stored(tmp_path)
    content = store.path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        flipped = bytearray(content)
        flipped[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        store.path.write_bytes(flipped)
        loaded = store.load()
        if loaded is not None:
            assert torch.equal(loaded["weights"], STATE["weights"])
            assert loaded["epoch"] == 3


def test_the_seconds_of_earlier_attempts_are_carried_over(tmp_path: Path) -> None:
    first = Timed(tmp_path / "c.ckpt", cell(), "cpu")
    first.before = 1000.0
    first.save({"epoch": 1})
    second = Timed(tmp_path / "c.ckpt", cell(), "cpu")
    assert second.seconds < 1000
    assert second.load() is not None
    assert second.seconds >= 1000


# --------------------------------------------------------------------------------------- job


FINISHED = {"seed1.json", ".seed1.kept.json", "seed1.logits.npz", "seed1.weights.fggp"}


def files(out: Path) -> set[str]:
    return {path.name for path in out.parent.iterdir()} - {f".{out.stem}.lock"}


def test_a_cell_is_trained_once_and_its_result_is_left_alone(
    tmp_path: Path, data: Path, undisturbed: Undisturbed, digits: Dataset
) -> None:
    out = tmp_path / "runs" / "seed1.json"
    assert run_cell(cell(), data, out, device="cpu")
    result, time = read(out), out.stat().st_mtime_ns
    tied = cell().with_data(digits.sha256)
    assert result["cell"] == tied.plain()
    assert canonical(result["outcome"]) == canonical({"numerics": NUMERICS} | undisturbed(tied))
    assert result["provenance"]["device"] == "cpu"
    assert files(out) == FINISHED
    assert not run_cell(cell(), data, out, device="cpu", tick=lambda *_: pytest.fail("trained"))
    assert out.stat().st_mtime_ns == time


@pytest.mark.parametrize("method", ["dense", "gmp"])
def test_beside_a_result_lie_its_test_logits_and_its_weights(
    tmp_path: Path, data: Path, digits: Dataset, method: str
) -> None:
    out = tmp_path / "seed1.json"
    run_cell(cell(method), data, out, device="cpu")
    outcome = read(out)["outcome"]
    logits, labels = read_logits(logits_path(out))
    assert logits.shape == (len(digits.test_labels), 10)
    assert np.array_equal(labels, digits.test_labels)
    assert (logits.argmax(1) == labels).sum() == outcome["accuracy"]["last"]["correct"]
    state = unpack(weights_path(out))
    network = network_of(cell(method), 10, CPU)
    network.load_state_dict(state)
    kept = {layer["name"]: layer["nonzero"] for layer in outcome["layers"]}
    assert {name: int(state[name].count_nonzero()) for name in kept} == kept
    # Off the masks training leaves zeros of either sign; the file has but one kind.
    same = digest(state) == outcome["weights_sha256"]
    assert same == (method == "dense")
    assert not any(bool(torch.signbit(state[name][state[name] == 0]).any()) for name in kept)


def test_a_deleted_result_comes_back_without_training_or_data(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "seed1.json"
    run_cell(cell(), data, out, device="cpu")
    result = read(out)
    out.unlink()
    assert not run_cell(cell(), tmp_path / "no-data.npz", out, device="cpu")
    assert read(out) == result == read(kept(out))


@pytest.mark.parametrize(("seconds", "there"), [(-1, False), (1, True)])
def test_a_checkpoint_that_a_kill_left_beside_its_result_goes_and_a_newer_one_stays(
    tmp_path: Path, data: Path, seconds: int, there: bool
) -> None:
    out = tmp_path / "seed1.json"
    run_cell(cell(), data, out, device="cpu")
    left, moment = tmp_path / ".seed1.ckpt", kept(out).stat().st_mtime + seconds
    left.write_text("of a training that was killed after its result was written, or of another")
    os.utime(left, (moment, moment))
    assert not run_cell(cell(), data, out, device="cpu")
    assert left.exists() == there


def test_a_changed_cell_is_trained_anew(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "seed1.json"
    run_cell(cell(), data, out, device="cpu")
    assert run_cell(cell(lr=0.01), data, out, device="cpu")
    assert read(out)["cell"]["training"]["lr"] == 0.01


def test_a_cell_in_training_is_refused_to_others_by_the_process_that_trains_it(
    tmp_path: Path, data: Path
) -> None:
    out = tmp_path / "seed1.json"
    complaints: list[str] = []

    def meanwhile(done: int, steps: int) -> None:
        with pytest.raises(Failure) as refusal:
            run_cell(cell(), data, out, device="cpu")
        complaints.append(str(refusal.value))

    assert run_cell(cell(), data, out, device="cpu", tick=meanwhile)
    assert len(complaints) == STEPS
    assert complaints[0].startswith(f"{out}: process {os.getpid()} on ")
    assert "is training this cell; wait for it, or stop it" in complaints[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_stops_with_a_checkpoint_and_the_next_call_continues(
    tmp_path: Path, data: Path, undisturbed: Undisturbed, digits: Dataset, number: int
) -> None:
    out, done_steps = tmp_path / "seed1.json", []
    before = signal.getsignal(number)

    def interrupt(done: int, steps: int) -> None:
        done_steps.append(done)
        if done == 4:
            signal.raise_signal(number)

    with pytest.raises(Stopped):
        run_cell(cell(), data, out, device="cpu", tick=interrupt)
    assert signal.getsignal(number) == before
    assert files(out) == {".seed1.ckpt"}
    assert run_cell(cell(), data, out, device="cpu", tick=lambda d, _: done_steps.append(d))
    assert done_steps == list(range(1, STEPS + 1))
    expected = undisturbed(cell().with_data(digits.sha256))
    assert canonical(read(out)["outcome"]) == canonical({"numerics": NUMERICS} | expected)
    assert files(out) == FINISHED


def test_a_diverged_training_has_a_result_of_that_verdict(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "seed1.json"
    assert run_cell(cell(lr=1_000_000), data, out, device="cpu")
    assert read(out)["outcome"]["verdict"] == "diverged"
    assert not run_cell(cell(lr=1_000_000), data, out, device="cpu")


def test_missing_data_is_named_and_leaves_nothing_but_the_lock(tmp_path: Path) -> None:
    out = tmp_path / "seed1.json"
    with pytest.raises(Failure, match=r"digits\.npz does not exist"):
        run_cell(cell(), tmp_path / "digits.npz", out, device="cpu")
    assert files(out) == set()


def test_a_window_without_an_update_is_a_failure_of_one_line(tmp_path: Path, data: Path) -> None:
    rare = cell().model_copy(update={"pruning": cell().pruning.model_copy(
        update={"update_every": 1000})})  # fmt: skip
    with pytest.raises(Failure, match="would never prune"):
        run_cell(rare, data, tmp_path / "seed1.json", device="cpu")
