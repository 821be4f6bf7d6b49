"""A result contains the cost of its training, summed over attempts; it changes nothing else."""

import ast
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import small
import torch
from fabricate import grid, result_of

import fggp
from fggp.running.run_cell import run_cell
from fggp.study.config import cells
from fggp.study.outcome import Outcome
from fggp.study.result_file import fingerprint, read
from fggp.study.stored_results import StoredResult
from fggp.training import speed as speeds
from fggp.training.checkpoint import Checkpoint, Timed
from fggp.training.energy.meter import SECONDS, Meter, Reading
from fggp.training.provenance import BESIDE, code_digest
from fggp.training.speed import flop, peak_gflops, speed
from fggp.training.train import Stopped

CPU = torch.device("cpu")
PACKAGE = Path(fggp.__file__).parent


cell = partial(small.cell, epochs=2, end=1)


class Steady:
    """A counter of a device that is not shared, which rises by as much with each reading."""

    def since(self) -> Reading:
        return Reading(3, shared=False)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fggp.training.checkpoint.packages", Steady)


def stopping(at: int) -> Any:
    def tick(done: int, steps: int) -> None:
        if done == at:
            raise Stopped

    return tick


def test_a_training_says_how_fast_it_was_and_what_it_took(data: Path, tmp_path: Path) -> None:
    run_cell(cell(), data, tmp_path / "seed1.json", device="cpu")
    result = read(tmp_path / "seed1.json")
    origin = result["provenance"]
    assert origin["images_per_second"] == pytest.approx(180 / origin["seconds"], rel=1e-3)
    assert origin["peak_gflops"] > 0
    work = flop(cell(), StoredResult.read(tmp_path / "seed1.json").outcome)
    share = work / origin["seconds"] / origin["peak_gflops"] / 1e9
    assert origin["share_of_peak"] == pytest.approx(share, rel=0.01)
    assert {"energy_joules", "counter_joules", "energy_shared"} <= set(origin)


def test_measuring_changes_no_bit_and_no_random_number(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steady: None
) -> None:
    threads = torch.get_num_threads()
    state = torch.get_rng_state()
    assert peak_gflops(cell(threads=2).training, CPU) is not None
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    run_cell(cell(), data, tmp_path / "one.json", device="cpu")
    monkeypatch.undo()
    monkeypatch.setattr(speeds, "peak_gflops", lambda training, device: None)
    run_cell(cell(), data, tmp_path / "other.json", device="cpu")
    one, other = read(tmp_path / "one.json"), read(tmp_path / "other.json")
    assert fingerprint(one) == fingerprint(other)
    assert one["provenance"]["peak_gflops"] is not None
    assert other["provenance"]["peak_gflops"] is None
    assert other["provenance"]["share_of_peak"] is None
    assert other["provenance"]["images_per_second"] > 0


def test_a_device_that_cannot_make_the_product_loses_no_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> float:
        raise torch.OutOfMemoryError("no memory is left")

    monkeypatch.setattr(speeds, "_best", full)
    assert run_cell(cell(), data, tmp_path / "seed1.json", device="cpu")
    assert read(tmp_path / "seed1.json")["provenance"]["share_of_peak"] is None


def test_a_peak_that_was_none_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    content = result_of(next(iter(cells(grid()))), 1)["outcome"]
    content |= {
        "images": {"train": 100, "validation": 10, "test": 20},
        "epochs": content["epochs"][:2],
        "dense_macs": 10**9,
        "inference_macs": 10**8,
    }
    outcome = Outcome.model_validate(content)
    done = 2 * 10**9 * (3 * 200 + 2 * 30 + 20)
    assert flop(cell(), outcome) == done
    assert flop(cell("small-dense"), outcome) == done // 10, "it has no zeros to multiply"
    for gflops, share in ((done / 1e9, 0.5), (done / 2e9, 1.0), (done / 3e9, None)):
        monkeypatch.setattr(speeds, "peak_gflops", lambda *_, gflops=gflops: gflops)
        found = speed(cell(), outcome, 2.0, CPU)
        assert found["images_per_second"] == 100
        assert found["share_of_peak"] == share
        assert (found["peak_gflops"] is None) == (share is None)


def test_the_energy_of_every_attempt_is_in_the_result(
    data: Path, tmp_path: Path, steady: None
) -> None:
    out = tmp_path / "seed1.json"
    with pytest.raises(Stopped):
        run_cell(cell(), data, out, device="cpu", tick=stopping(4))
    content = BytesIO((tmp_path / ".seed1.ckpt").read_bytes()[32:])  # after its checksum
    state = torch.load(content, weights_only=True)["state"]
    before, shared = state["energy"]
    assert before > 0
    assert not shared
    run_cell(cell(), data, out, device="cpu")
    origin = read(out)["provenance"]
    assert origin["counter_joules"] == origin["energy_joules"] > before
    assert origin["energy_shared"] is False


def test_joules_add_up_over_attempts_as_seconds_do(tmp_path: Path, steady: None) -> None:
    first = Timed(tmp_path / "c.ckpt", cell(), "cpu")
    first.save({"epoch": 1})
    first.save({"epoch": 2})
    second = Timed(tmp_path / "c.ckpt", cell(), "cpu")
    assert second.load() is not None
    assert second.meter.record() == {
        "energy_joules": 9,
        "counter_joules": 9,
        "energy_shared": False,
    }


def test_an_attempt_without_a_counter_leaves_the_energy_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = dict.fromkeys(("energy_joules", "counter_joules", "energy_shared"))
    Checkpoint(tmp_path / "c.ckpt", cell(), "cpu").save({"epoch": 1, "seconds": 5.0})  # an old one
    monkeypatch.setattr("fggp.training.checkpoint.packages", Steady)
    counted = Timed(tmp_path / "c.ckpt", cell(), "cpu")
    assert counted.load() is not None
    assert counted.seconds >= 5
    assert counted.meter.record() == unknown
    counted.save({"epoch": 2})
    again = Timed(tmp_path / "c.ckpt", cell(), "cpu")
    assert again.load() is not None
    assert again.meter.record() == unknown


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("pruning/topk.py", True),
        ("training/checkpoint.py", True),
        ("methods/gmp.py", True),
        ("study/costs.py", False),
        ("training/energy/meter.py", False),
        ("training/provenance.py", False),
        ("foundation/docstrings.py", False),
        ("analysis/plan.py", False),
    ],
)
def test_the_digest_of_the_code_changes_with_what_can_change_a_training(
    file: str, changes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_digest()
    real = Path.read_bytes
    assert (PACKAGE / file).is_file()

    def edited(self: Path) -> bytes:
        return real(self) + (b"# a comment\n" if self == PACKAGE / file else b"")

    monkeypatch.setattr(Path, "read_bytes", edited)
    assert (code_digest() != before) == changes


def imported(file: Path) -> set[Path]:
    """Return the files of the package that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fggp"):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            paths = [PACKAGE.joinpath(*str(name).split(".")[1:]) for name in names]
            found |= {path.with_suffix(".py") for path in paths} | {
                p / "__init__.py" for p in paths
            }
    return {path for path in found if path.is_file()}


# What these give a training changes no number in it: messages, names, the form in which data sets
# and results are described and written, and the version of the numerics, which results hold anyway.
HARMLESS = {
    *("foundation/docstrings", "foundation/errors", "foundation/files", "foundation/validation"),
    *("foundation/quantities", "data/sizes", "methods/plugins"),
    *("study/cell_name", "study/outcome", "study/result_file"),
}


def test_a_training_imports_no_file_that_the_digest_leaves_out_but_harmless_ones() -> None:
    reached: set[Path] = set()
    todo = {PACKAGE / "training" / "train.py", *(PACKAGE / "methods").glob("*.py")}
    while todo:
        reached |= todo
        todo = set().union(*map(imported, todo)) - reached
    names = {"/".join(path.relative_to(PACKAGE).with_suffix("").parts[:2]) for path in reached}
    assert names & BESIDE <= HARMLESS
    assert len(reached) > 60
    files = {"/".join(p.relative_to(PACKAGE).with_suffix("").parts[:2]) for p in PACKAGE.rglob("*")}
    assert files >= BESIDE


def test_a_long_training_reads_its_counter_on_the_way(tmp_path: Path, steady: None) -> None:
    now, seen = [0.0], []
    store = Timed(tmp_path / "c.ckpt", cell(), "cpu")
    store.meter = Meter(Steady(), lambda: now[0])
    tick = store.ticking(lambda done, steps: seen.append((done, steps)))
    for step in range(4):
        now[0] = step * SECONDS / 2  # due at the third step
        tick(step, 4)
    assert seen == [(step, 4) for step in range(4)]
    assert store.meter.read() == Reading(6, False)
