"""Every kind of damage to a sound study is found, in the file where it is."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricate import grid, measured
from sound import sound_study, tensors, with_files

from fggp.cli import main
from fggp.foundation.errors import Failure
from fggp.foundation.files import write_text
from fggp.publishing.check.convergence import _classes
from fggp.publishing.check.problems import Item, Problem
from fggp.publishing.check.study import check, studies
from fggp.publishing.check.summary import plain, text
from fggp.storage.logits import read_logits, write_logits
from fggp.storage.packed_file import to_bytes
from fggp.study.config import cells
from fggp.study.result_file import fingerprint, kept, logits_path, read, weights_path, write
from fggp.study.study_folder import run_path

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
SHIPPED = sorted(path.parent for path in REFERENCE.glob("*/cells.json"))
METHODS: dict[str, Any] = {"dense": {}, "random": {}, "gmp": {}, "granet": {}, "fggp": {}}
GMP, FGGP = "vgg19/s90/i0/gmp/seed1", "vgg19/s90/i0/fggp/seed1"
CELL = cells(grid(methods=METHODS))[0]
Result = dict[str, Any]
Damage = Callable[[Result], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = sound_study(tmp_path_factory.mktemp("made") / "made", methods=METHODS)
    for cell in cells(grid(methods=METHODS)):
        if cell.id in {GMP, FGGP, "vgg19/s0/i0/dense/seed1"}:
            with_files(folder, cell, read(run_path(folder, cell)))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "made"))


def path_of(folder: Path, cell: str = GMP) -> Path:
    return folder / "runs" / f"{cell}.json"


def damage(folder: Path, how: Damage, cell: str = GMP) -> Path:
    path = path_of(folder, cell)
    result = read(path)
    how(result)
    if isinstance(result["provenance"], dict):  # else there is no place for a checksum
        write(result, path)
    else:
        write_text(path, json.dumps(result))
    return path


def found(folder: Path, level: str = "error") -> list[Problem]:
    return [problem for problem in check(folder).problems if problem.level == level]


@pytest.mark.parametrize("study", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_results_are_green(study: Path) -> None:
    report = check(study)
    assert report.green, "\n".join(map(str, report.problems))
    assert len(report.items) == len(list(study.glob("runs/**/[!.]*.json"))) > 0


def test_all_shipped_studies_are_checked() -> None:
    assert studies(REFERENCE) == SHIPPED
    assert len(SHIPPED) >= 3


def test_a_sound_study_is_green_and_without_a_warning(made: Path) -> None:
    report = check(made, complete=True)
    assert report.problems == []
    assert len(report.items) == report.cells == 30


def outcome(*keys: str | int, to: Any) -> Damage:
    """Return a damage that sets one value of the outcome; a function changes the old value."""

    def change(result: Result) -> None:
        here: Any = result["outcome"]
        for key in keys[:-1]:
            here = here[key]
        here[keys[-1]] = to(here[keys[-1]]) if callable(to) else to

    return change


def provenance(**values: Any) -> Damage:
    return lambda result: result["provenance"].update(values)


def gone(block: str, key: str) -> Damage:
    return lambda result: result[block].pop(key)


def exchange(before: Result, update: Result) -> None:
    """Let one layer gain a weight, and another one lose as many."""
    gained = before["kept"][1] + 1 - update["kept"][1]
    update["kept"][1] += gained
    update["kept"][2] -= gained


DAMAGES: dict[str, tuple[Damage, str]] = {
    "a key is missing": (gone("outcome", "prunable"), "outcome.prunable"),
    "a key of the provenance is missing": (gone("provenance", "device"), "provenance.device"),
    "a count is a text": (outcome("target", to="many"), "outcome.target"),
    "a count is a truth": (outcome("images", "train", to=True), "outcome.images.train"),
    "a count is negative": (outcome("layers", 0, "kept", to=-1), "outcome.layers"),
    "an unknown verdict": (outcome("verdict", to="lucky"), "'lucky' is not one of completed"),
    "a finished training that was stopped": (
        outcome("stopped", to={"epochs": 4, "empty_layers": []}),
        "it was stopped",
    ),
    "a loss is below zero": (outcome("epochs", 0, "train_loss", to=-1.0), "train_loss"),
    "a digest is short": (outcome("weights_sha256", to="c0ffee"), "weights_sha256"),
    "an unknown device": (provenance(device="tpu"), "provenance.device"),
    "a block is a list": (lambda result: result.update(provenance=[]), "provenance"),
    "another schema": (lambda result: result.update(schema=2), "schema is 2"),
    "an unknown key in the cell": (lambda r: r["cell"].update(colour=1), "cell.colour"),
    "a cell that is not canonical": (
        lambda result: result["cell"].update(sparsity="9/10"),
        "canonical",
    ),
    "the seed of another cell": (lambda result: result["cell"].update(seed=2), "move it to"),
    "other settings": (
        lambda result: result["cell"]["training"].update(epochs=5),
        "other settings than cells.json",
    ),
    "a setting that the method has not": (
        lambda result: result["cell"]["method"]["settings"].update(colour=1),
        "settings are not valid for gmp",
    ),
    "a method of which nothing is known": (
        lambda result: result["cell"]["method"].update(name="magic"),
        "unknown method 'magic'",
    ),
    "another target": (outcome("target", to=lambda n: n + 1), "target is"),
    "fewer prunable weights": (outcome("prunable", to=lambda n: n - 1), "but prunable is"),
    "one weight too few": (outcome("layers", 0, "kept", to=lambda n: n - 1), "the target is"),
    "one weight too many": (outcome("layers", 0, "kept", to=lambda n: n + 1), "the target is"),
    "a layer above its size": (outcome("layers", 0, "kept", to=10**6), "conv1.weight keeps"),
    "weights off the mask": (
        outcome("layers", 1, "nonzero", to=lambda n: n + 1),
        "nonzero weights",
    ),
    "another count in the last epoch": (outcome("epochs", -1, "kept", to=7), "last epoch keeps 7"),
    "other multiplications": (outcome("inference_macs", to=lambda n: n + 1), "inference_macs"),
    "half of the diagnostics": (gone("outcome", "training_macs"), "only these diagnostics"),
    "less explored than kept": (outcome("explored", to=1), "1 weights were ever active"),
    "an update off its schedule": (
        outcome("updates", 2, "kept", to=lambda kept: [kept[0] - 1, *kept[1:]]),
        "its schedule gives",
    ),
    "an update at another step": (outcome("updates", 1, "step", to=21), "was not due"),
    "updates in another order": (
        outcome("updates", to=lambda updates: updates[::-1]),
        "not in order",
    ),
    "an update is missing": (outcome("updates", to=lambda it: it[:2] + it[3:]), "updates are rec"),
    "the last update is missing": (outcome("updates", to=lambda it: it[:-1]), "keep different"),
    "weights come back where nothing grows": (
        lambda result: exchange(*result["outcome"]["updates"][1:3]),
        "gained weights",
    ),
    "counts of dropped weights that do not fit": (
        outcome("updates", 3, "dropped", to=lambda n: n + 1),
        "its counts differ",
    ),
    "an update without all layers": (
        outcome("updates", 0, "kept", to=lambda kept: kept[1:]),
        "does not list",
    ),
    "an epoch is missing": (outcome("epochs", to=lambda it: it[:1] + it[2:]), "not consecutive"),
    "epochs after the last": (
        outcome("epochs", to=lambda it: [*it, {**it[-1], "epoch": 5}]),
        "5 epochs of 4",
    ),
    "another learning rate": (outcome("epochs", 3, "lr", to=0.1), "learning rate"),
    "a loss that is not finite": (outcome("epochs", 1, "train_loss", to=None), "finite loss"),
    "a last loss that is not finite": (
        outcome("epochs", -1, "train_loss", to=None),
        "finite loss",
    ),
    "more correct than images": (outcome("epochs", 2, "test_correct", to=1001), "1001 correct"),
    "another accuracy": (outcome("accuracy", "last", "correct", to=lambda n: n + 1), "last is"),
    "a view of another epoch": (
        outcome("accuracy", "best_validation", "epoch", to=3),
        "best_validation",
    ),
    "other validation images": (outcome("images", "validation", to=101), "validation images"),
    "other steps per epoch": (outcome("steps_per_epoch", to=41), "steps per epoch"),
    "an end before its beginning": (
        provenance(finished="2024-12-31T00:00:00+00:00"),
        "finished before",
    ),
    "a time without a zone": (provenance(started="2025-01-01T00:00:00"), "not times with a zone"),
    "an energy below zero": (
        provenance(energy_joules=-1.0, counter_joules=1.0),
        "provenance.energy_joules",
    ),
    "a speed below zero": (provenance(images_per_second=-1.0), "provenance.images_per_second"),
    "a speed in words": (provenance(peak_gflops="fast"), "provenance.peak_gflops"),
    "more than its peak": (provenance(share_of_peak=1.21), "provenance.share_of_peak"),
    "more energy than its device": (
        provenance(energy_joules=3.0, counter_joules=2.0),
        "3.0 joules of a counter that rose by 2.0",
    ),
    "energy without its device": (
        provenance(energy_joules=3.0, counter_joules=None),
        "3.0 joules of a counter",
    ),
    "a device that ended it and is not the last": (
        provenance(device_names=["NVIDIA A100", "NVIDIA H100"]),
        "ended it, and NVIDIA H100 is listed",
    ),
    "no device at all": (provenance(device_names=[]), "provenance.device_names"),
    "steps of a graph in words": (
        provenance(gpu={"driver": None, "peak_memory_mb": 1, "replayed_steps": "all"}),
        "provenance.gpu.replayed_steps",
    ),
    "a numerics version of the future": (outcome("numerics", to=99), "but this program has"),
    "another numerics version": (outcome("numerics", to=2), "numerics versions are mixed"),
    "another device": (provenance(device="cuda"), "devices are mixed"),
    "other data": (
        lambda result: result["cell"]["data"].update(sha256="e" * 64),
        "data checksums are mixed",
    ),
}


def test_a_training_that_moved_between_types_of_devices_is_a_warning(folder: Path) -> None:
    names = ["NVIDIA A100", "NVIDIA H100"]
    moved = provenance(device_names=names, device_name=names[-1])
    path = damage(folder, moved)
    assert not found(folder)
    (problem,) = [it for it in found(folder, "warning") if it.kind == "devices"]
    assert problem.path == path
    assert problem.text.endswith("several types of devices: NVIDIA A100, then NVIDIA H100")


@pytest.mark.parametrize(
    "name", ["images_per_second", "peak_gflops", "share_of_peak", "energy_joules"]
)
@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity"])
def test_a_cost_that_is_not_finite_is_found(folder: Path, name: str, number: str) -> None:
    path = damage(folder, lambda result: measured(CELL, result))
    text = path.read_text()
    path.write_text(re.sub(rf'"{name}": [\d.]+', f'"{name}": {number}', text))
    assert path.read_text() != text
    assert path in {problem.path for problem in found(folder)}


def test_results_that_say_what_they_cost_are_as_good_as_those_that_do_not(folder: Path) -> None:
    damage(folder, lambda result: measured(CELL, result))
    unknown = dict.fromkeys(("energy_joules", "counter_joules", "energy_shared", "share_of_peak"))
    damage(folder, provenance(images_per_second=12, **unknown), FGGP)
    for cell in (GMP, FGGP):
        hidden = kept(path_of(folder, cell))
        if hidden.exists():
            hidden.write_bytes(path_of(folder, cell).read_bytes())
    assert found(folder) == []


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_to_a_result_is_found_in_its_file(folder: Path, name: str) -> None:
    how, words = DAMAGES[name]
    path = damage(folder, how)
    problems = found(folder)
    assert [str(p) for p in problems if p.path == path and words in p.text + p.fix], problems
    assert {problem.path for problem in problems} <= {path, logits_path(path), weights_path(path)}
    assert all(problem.text and problem.fix for problem in problems)


def test_there_are_many_kinds_of_damage() -> None:
    assert len(DAMAGES) >= 40


def test_a_checksum_in_a_result_has_to_be_that_of_its_numbers(folder: Path) -> None:
    path = path_of(folder)
    result = read(path)
    seal = hashlib.sha256(fingerprint(result).encode()).hexdigest()
    for value, expected in ((seal, []), ("0" * 64, [path])):
        result["provenance"]["sha256"] = value
        for file in (path, kept(path)):
            file.write_text(json.dumps(result))
        assert [p.path for p in found(folder) if p.kind == "schema"] == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "Expecting value"),
        ('{"schema": 1}', "blocks"),
        ("[]", "blocks"),
        ('{"schema": 1, "schema": 1}', "duplicate key"),
        ('{"schema": NaN}', "NaN"),
    ],
)
def test_a_file_that_is_no_result_is_named(folder: Path, content: str, words: str) -> None:
    path = path_of(folder)
    path.write_text(content)
    assert [p for p in found(folder) if p.path == path and words in p.text]


def test_a_stray_result_is_found(folder: Path) -> None:
    path = damage(folder, lambda result: result["cell"].update(seed=9))
    stray = path.with_name("seed9.json")
    path.rename(stray)
    assert [p.path for p in found(folder) if p.kind == "stray"] == [stray]


def test_a_second_file_of_a_cell_is_found(folder: Path) -> None:
    copy = path_of(folder).with_name("seed1-again.json")
    shutil.copy(path_of(folder), copy)
    assert {p.kind for p in found(folder) if p.path == copy} >= {"path", "twice"}


def test_equal_weights_of_two_seeds_are_found(folder: Path) -> None:
    digest = read(path_of(folder))["outcome"]["weights_sha256"]
    other = "vgg19/s90/i0/gmp/seed2"
    damage(folder, outcome("weights_sha256", to=digest), other)
    assert [p.path for p in found(folder) if p.kind == "twice"] == [path_of(folder, other)]


def test_equal_outcomes_of_two_seeds_are_found(folder: Path) -> None:
    epochs = read(path_of(folder))["outcome"]["epochs"]
    other = "vgg19/s90/i0/gmp/seed2"
    damage(folder, outcome("epochs", to=epochs), other)
    assert [p.text for p in found(folder) if p.path == path_of(folder, other)][-1].endswith("seed")


def test_equal_curves_of_one_seed_are_no_copies(folder: Path) -> None:
    # As with two networks that are cut through: their remainders learn the same.
    epochs = read(path_of(folder))["outcome"]["epochs"]
    damage(folder, outcome("epochs", to=epochs), FGGP)
    assert [p.kind for p in found(folder) if p.path == path_of(folder, FGGP)] == ["accuracy"] * 3


def test_equal_weights_of_two_methods_are_found_but_not_at_a_limit(tmp_path: Path) -> None:
    variants = {
        "whole": {"rho": 1},
        "none": {"rho": 0},
        "exact": {"pool": "quota", "kappa": 1},
        "floor": {"floor": 0.001},
        "fggp": {},
    }
    read_after = {"method": "fggp", "weights": "stepped"}  # as gmp reads them
    methods = {label: read_after | settings for label, settings in variants.items()}
    folder = sound_study(tmp_path / "made", methods={"gmp": {}} | methods, seeds=[1])
    for one, other in (("gmp", "whole"), ("none", "exact"), ("fggp", "floor")):
        digest = read(path_of(folder, f"vgg19/s90/i0/{one}/seed1"))["outcome"]["weights_sha256"]
        same = outcome("weights_sha256", to=digest)
        damage(folder, same, f"vgg19/s90/i0/{other}/seed1")
    assert found(folder) == []
    told = [p.path for p in found(folder, "warning")]
    assert told == [path_of(folder, "vgg19/s90/i0/floor/seed1")] or told == [path_of(folder, FGGP)]
    digest = read(path_of(folder))["outcome"]["weights_sha256"]
    damage(folder, outcome("weights_sha256", to=digest), FGGP)
    assert [p.kind for p in found(folder)] == ["twice"]


def test_a_missing_cell_is_partial_and_with_complete_an_error(folder: Path) -> None:
    path = path_of(folder, "vgg19/s90/i0/gmp/seed2")
    path.unlink()
    kept(path).unlink()
    assert check(folder).green
    assert any("29 of 30 results, partial" in line for line in text([check(folder)]))
    problems = check(folder, complete=True).problems
    assert [(p.kind, p.path.name) for p in problems] == [("missing", "seed2.json")]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (lambda it: it["cells"].append(it["cells"][0]), "duplicate cell"),
        (lambda it: it["cells"].pop(), "not those of its configuration"),
        (lambda it: it["configuration"].update(seeds=[1, 2, 3]), "not those of its configuration"),
        (
            lambda it: it["configuration"]["training"].update(epochs=5),
            "not those of its configuration",
        ),
        (lambda it: it["configuration"].update(colour=1), "colour"),
        (lambda it: it["configuration"].update(methods={"gmp": {}}), "names an unknown method"),
        (lambda it: it.pop("cells"), "not the list"),
    ],
)
def test_a_damaged_list_of_cells_is_found(folder: Path, how: Damage, words: str) -> None:
    path = folder / "cells.json"
    listing = json.loads(path.read_text())
    how(listing)
    path.write_text(json.dumps(listing))
    assert [p for p in found(folder) if p.path == path and words in p.text]


def test_a_hidden_copy_that_differs_is_found(folder: Path) -> None:
    copy = kept(path_of(folder))
    copy.write_text(copy.read_text().replace("60.5", "61.5"))
    assert [(p.path, p.kind) for p in found(folder)] == [(copy, "neighbouring files")]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize("where", [logits_path, weights_path])
@pytest.mark.parametrize("how", [flip, cut])
def test_a_damaged_file_beside_a_result_is_found(
    folder: Path, where: Callable[[Path], Path], how: Callable[[Path], None]
) -> None:
    path = where(path_of(folder))
    how(path)
    assert [(p.path, p.kind) for p in found(folder)] == [(path, "neighbouring files")]


def test_logits_of_another_training_are_found_and_ties_are_not_held_against_them(
    folder: Path,
) -> None:
    path = logits_path(path_of(folder))
    logits, labels = read_logits(path)
    write_logits(path, np.zeros_like(logits), labels)
    assert found(folder) == []
    sure = np.eye(10, dtype=np.float16)[labels]
    for wrong in (np.roll(logits, 1, axis=1), sure):
        write_logits(path, wrong, labels)
        assert [p.path for p in found(folder)] == [path]
    write_logits(path, logits[1:], labels[1:])
    assert [p.path for p in found(folder)] == [path]


@pytest.mark.parametrize("change", ["value", "shape", "name"])
def test_packed_weights_of_another_network_are_found(folder: Path, change: str) -> None:
    path = weights_path(path_of(folder))
    state = tensors(read(path_of(folder))["outcome"])
    raw = state.pop("conv1.weight")
    words = raw.words.copy()
    words[0] = 0x80000000  # the other zero
    if change == "value":
        state["conv1.weight"] = replace(raw, words=words)
    elif change == "shape":
        state["conv1.weight"] = replace(raw, shape=(raw.words.size,))
    path.write_bytes(to_bytes(state))
    assert [(p.path, p.kind) for p in found(folder)] == [(path, "neighbouring files")]


def test_dense_weights_are_compared_by_their_checksum(folder: Path) -> None:
    path = path_of(folder, "vgg19/s0/i0/dense/seed1")
    state = tensors(read(path)["outcome"])
    state["conv1.weight"].words[0] += 1
    weights_path(path).write_bytes(to_bytes(state))
    problems = [(p.path, p.text) for p in found(folder)]
    assert problems == [
        (weights_path(path), "its checksum differs from weights_sha256 of its result")
    ]


def test_files_that_belong_to_no_result_are_found(folder: Path) -> None:
    path_of(folder).unlink()
    assert found(folder) == []  # the hidden copy is there
    kept(path_of(folder)).unlink()
    assert {p.path for p in found(folder)} == {
        logits_path(path_of(folder)),
        weights_path(path_of(folder)),
    }


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (outcome("verdict", to="diverged"), "after 4 epochs is diverged"),
        (provenance(seconds=10), "60 seconds apart"),
        (provenance(finished="2999-01-01T00:00:00+00:00", seconds=1e12), "in the future"),
        (lambda r: r["provenance"]["versions"].update(torch="9.9"), "versions of PyTorch"),
    ],
)
def test_what_is_odd_but_possible_is_told_and_stays_green(
    folder: Path, how: Damage, words: str
) -> None:
    path = damage(folder, how)
    report = check(folder)
    assert report.green
    assert [p for p in report.problems if p.path == path and words in p.text]


def test_a_training_that_failed_early_is_told_and_stays_green(folder: Path) -> None:
    def cut_through(result: Result) -> None:
        outcome = result["outcome"] | {"verdict": "disconnected"}
        outcome["stopped"] = {"epochs": 4, "empty_layers": ["conv2.weight"]}
        outcome["epochs"] = outcome["epochs"][:3]
        last = {"epoch": 3, "correct": outcome["epochs"][-1]["test_correct"]}
        outcome["accuracy"] = dict.fromkeys(("last", "best_validation", "best_test"), last)
        result["outcome"] = outcome

    logits_path(path_of(folder)).unlink()
    path = damage(folder, cut_through)
    assert [(p.path, p.level, p.kind) for p in check(folder).problems] == [
        (path, "warning", "convergence")
    ]
    damage(folder, outcome("stopped", "epochs", to=9))
    assert [p.path for p in found(folder)] == [path]


@pytest.mark.parametrize("verdict", ["disconnected", "chance"])
def test_a_failed_training_keeps_no_fewer_weights_than_its_target(
    folder: Path, verdict: str
) -> None:
    def fail(result: Result) -> None:
        result["outcome"]["verdict"] = verdict
        for name in ("kept", "nonzero"):
            result["outcome"]["layers"][1][name] -= 1

    damage(folder, fail)
    assert any("fewer than the target of" in problem.text for problem in found(folder))


def curve(result: Result, correct: list[int]) -> None:
    for record, count in zip(result["outcome"]["epochs"], correct, strict=True):
        record["test_correct"] = count
        record["validation_correct"] = count // 10
    for view, epoch in (("last", 4), ("best_validation", 3), ("best_test", 3)):
        result["outcome"]["accuracy"][view] = {"epoch": epoch, "correct": correct[epoch - 1]}


def test_the_best_validation_epoch_is_one_at_the_target_sparsity(folder: Path) -> None:
    def best_at_first(result: Result) -> None:
        result["outcome"]["epochs"][0]["validation_correct"] = 100

    damage(folder, best_at_first)
    assert found(folder) == []


@pytest.mark.parametrize(
    ("correct", "words"),
    [([60, 60, 70, 60], "guessing"), ([500, 600, 900, 840], "best validation")],
)
def test_a_training_outside_of_the_bands_is_told_and_stays_green(
    folder: Path, correct: list[int], words: str
) -> None:
    logits_path(path_of(folder)).unlink()
    path = damage(folder, lambda result: curve(result, correct))
    report = check(folder)
    assert report.green, report.problems
    assert [p for p in report.problems if p.path == path and words in p.text]


def test_mixed_devices_that_a_study_allows_are_told(tmp_path: Path) -> None:
    folder = sound_study(tmp_path / "made", allow_mixed_device=True)
    path = damage(folder, provenance(device="cuda"))
    assert [(p.path, p.level) for p in check(folder).problems] == [(path, "warning")]


def test_the_command_prints_lines_json_and_its_status(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-results", str(folder.parent)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("green: 1 study, 30 results")
    path = damage(folder, outcome("target", to=1))
    assert main(["check-results", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"error: {path}: target is 1; ") or "target" in lines[0]
    assert lines[-1].startswith("red: ")
    assert main(["check-results", "--json", str(folder)]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["green"] is False
    assert {problem["file"] for problem in content["studies"][0]["problems"]} == {str(path)}
    assert content == plain([check(folder)])


def test_studies_are_found_at_any_depth_and_by_their_runs_alone(tmp_path: Path) -> None:
    for name in ("runs/shared/one/runs/vgg19/runs", "runs/two/runs", "runs/three"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "runs/three/cells.json").touch()
    wanted = ["shared/one", "three", "two"]
    assert studies(tmp_path / "runs") == [tmp_path / "runs" / name for name in wanted]


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    for name in (".", "nowhere"):
        with pytest.raises(Failure, match="name"):
            studies(tmp_path / name)


def test_a_result_that_only_its_copy_has_is_checked_and_counted(folder: Path) -> None:
    """Snakemake removes a finished result if another cell of its job fails."""
    path = path_of(folder)
    path.unlink()
    report = check(folder, complete=True)
    assert report.complete
    assert (report.green, len(report.items)) == (True, 30)


def test_a_stray_result_does_not_stand_for_a_missing_one(folder: Path) -> None:
    path = path_of(folder)
    copy = kept(path)
    damage(folder, lambda result: result["cell"].update(seed=9))
    path.rename(path.with_name("seed9.json"))
    copy.unlink(missing_ok=True)
    (found,) = plain([check(folder)])["studies"]
    assert (found["results"], found["complete"]) == (found["cells"], False)


def test_guessing_is_judged_by_the_classes_of_a_foreign_network(folder: Path) -> None:
    path = path_of(folder)
    item = Item.read(path)
    foreign = item.cell.backbone.model_copy(update={"source": "mynet:build"})
    item = replace(item, cell=item.cell.model_copy(update={"backbone": foreign}))
    write_logits(logits_path(path), np.zeros((1000, 250), np.float16), np.zeros(1000, np.int64))
    assert _classes(item) == 250
    logits_path(path).unlink()
    assert _classes(item) is None


def test_a_copy_that_cannot_be_read_does_not_end_the_check(folder: Path) -> None:
    path = path_of(folder)
    path.unlink()
    result = json.loads(kept(path).read_text())
    kept(path).write_text(json.dumps(result | {"schema": 99}))
    report = check(folder)
    assert len(report.items) == 29
    assert [p.path for p in report.problems if p.level == "error"] == [kept(path)]
