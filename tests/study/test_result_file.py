import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from fabricate import grid, result_of

from fggp.foundation.errors import IntactResultError, ResultError
from fggp.foundation.files import write_text
from fggp.study import result_file as results
from fggp.study import stored_results as matching
from fggp.study.cell import Cell
from fggp.study.config import cells
from fggp.study.outcome import Outcome
from fggp.study.result_file import NUMERICS, fingerprint, kept, make, read, write
from fggp.study.stored_results import cell_of, finished, holds, restore

CELL, OTHER = cells(grid())[:2]
RESULT = result_of(CELL, 900)


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read_and_a_copy_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "seed1.json"
    write(RESULT, path)
    assert fingerprint(read(path)) == fingerprint(RESULT)
    assert read(path)["provenance"].items() >= RESULT["provenance"].items()
    assert listed(path.parent) == [".seed1.kept.json", "seed1.json"]
    assert path.read_text() == kept(path).read_text()


def test_equal_results_are_equal_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    write(RESULT, one)
    write(copy.deepcopy(RESULT), other)
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("step", ["write", "replace"])
def test_a_failure_leaves_the_old_file_and_no_partial_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "file.json"
    write_text(path, "old")

    def fail(*_: Any) -> None:
        raise OSError("no space left")

    def half(self: Path, content: bytes) -> None:
        with self.open("wb") as file:
            file.write(content[:1])
        fail()

    if step == "write":
        monkeypatch.setattr(Path, "write_bytes", half)
    else:
        monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert listed(tmp_path) == ["file.json"]


def test_a_result_that_json_cannot_hold_is_not_written_at_all(tmp_path: Path) -> None:
    bad = RESULT | {"outcome": {"numerics": NUMERICS, "loss": float("nan")}}
    with pytest.raises(ValueError, match="JSON"):
        write(bad, tmp_path / "seed1.json")
    assert listed(tmp_path) == []


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("{")])
def test_from_the_copy_a_lost_or_damaged_result_is_restored(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "seed1.json"
    write(RESULT, path)
    damage(path)
    assert not finished(CELL, path)
    assert restore(CELL, path)
    assert fingerprint(read(path)) == fingerprint(RESULT)


def test_restoring_completes_a_lost_copy_and_leaves_the_result_untouched(tmp_path: Path) -> None:
    path = tmp_path / "seed1.json"
    write(RESULT, path)
    before = path.stat().st_mtime_ns
    kept(path).unlink()
    assert restore(CELL, path)
    assert kept(path).read_text() == path.read_text()
    assert path.stat().st_mtime_ns == before


def test_a_restored_result_is_its_copy_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "seed1.json"
    kept(path).write_text(json.dumps(RESULT, indent=3))
    assert restore(CELL, path)
    assert path.read_text() == json.dumps(RESULT, indent=3)


def test_a_result_counts_for_its_own_cell_alone(tmp_path: Path) -> None:
    path = tmp_path / "seed1.json"
    write(RESULT, path)
    assert finished(CELL, path)
    assert not finished(OTHER, path)
    assert not restore(OTHER, path)
    assert not finished(CELL, tmp_path / "seed2.json")
    assert fingerprint(read(path)) == fingerprint(RESULT)


def test_a_result_of_other_numerics_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "seed1.json"
    write(RESULT, path)
    monkeypatch.setattr(matching, "NUMERICS", NUMERICS + 1)
    assert not finished(CELL, path)
    assert not restore(CELL, path)


def test_the_checksum_of_the_data_does_not_keep_a_result_from_its_cell() -> None:
    assert RESULT["cell"]["data"]["sha256"] == "d" * 64
    assert cell_of(RESULT) == CELL


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[]", "its blocks are not schema, cell, outcome and provenance"),
        ("{}", "its blocks are not schema, cell, outcome and provenance"),
        (json.dumps(RESULT | {"more": 1}), "its blocks are not"),
        (json.dumps(RESULT | {"cell": {}}), "cell.backbone: is missing | "),
        (json.dumps(RESULT | {"outcome": {}}), "outcome.numerics: is missing"),
        (json.dumps(RESULT | {"provenance": {}}), "provenance.started: is missing"),
        (json.dumps(RESULT).replace('"kept": ', '"kept": 1, "kept": ', 1), "duplicate key 'kept'"),
        (json.dumps(RESULT | {"cell": []}), "cell is not a mapping"),
        (json.dumps(RESULT | {"outcome": None}), "outcome is not a mapping"),
        (json.dumps(RESULT | {"provenance": "x"}), "provenance is not a mapping"),
        (json.dumps(RESULT)[:-40], "Unterminated string"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_damaged_file_gives_one_line_with_path_reason_and_fix(
    tmp_path: Path, content: str, reason: str
) -> None:
    path = tmp_path / "seed1.json"
    path.write_text(content)
    with pytest.raises(ResultError) as refusal:
        read(path)
    message = str(refusal.value)
    assert message.startswith(f"{path}: not a result (")
    assert reason in message
    assert "; delete it and " in message
    assert "\n" not in message
    assert not finished(CELL, path)
    assert not restore(CELL, path)


@pytest.mark.parametrize(
    "change",
    [
        lambda result: result | {"schema": 99},
        lambda result: result | {"cell": result["cell"] | {"priority": 1}},
        lambda result: (
            result | {"cell": result["cell"] | {"training": result["cell"]["training"] | {"x": 1}}}
        ),
    ],
)
def test_a_file_of_a_newer_version_is_not_to_be_deleted(tmp_path: Path, change: Any) -> None:
    path = tmp_path / "seed1.json"
    path.write_text(json.dumps(change(RESULT)))
    with pytest.raises(ResultError, match="; read it with the version that wrote it") as refusal:
        read(path)
    assert "delete" not in str(refusal.value)
    before = path.read_bytes()
    for question in (finished, restore):
        with pytest.raises(IntactResultError, match="read it with the version that wrote it"):
            question(CELL, path)
    assert path.read_bytes() == before
    write(RESULT, tmp_path / "other/seed1.json")
    kept(path).write_bytes((tmp_path / "other/seed1.json").read_bytes())
    assert restore(CELL, path)
    assert finished(CELL, path)


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")]
)
def test_a_result_that_the_system_does_not_give_out_is_neither_damaged_nor_missing(
    tmp_path: Path, error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "seed1.json"
    write(RESULT, path)
    allowed, hidden = Path.read_text, {path, kept(path)}

    def guarded(self: Path, **named: Any) -> str:
        if self in hidden:
            raise error
        return allowed(self, **named)

    monkeypatch.setattr(Path, "read_text", guarded)
    for question in (finished, restore, lambda cell, path: holds(path, cell)):
        with pytest.raises(IntactResultError) as refusal:
            question(CELL, path)
        reason = f"{path}: cannot be read ({error.strerror}); check its permissions and the disk"
        assert str(refusal.value) == reason
    hidden.remove(kept(path))
    assert restore(CELL, path)


EDITS = {
    "a count": ("outcome", "steps_per_epoch", 7),
    "the label": ("cell", "label", "another"),
    "the seed": ("cell", "seed", 9),
}


@pytest.mark.parametrize("edit", list(EDITS.values()), ids=list(EDITS))
@pytest.mark.parametrize("which", ["result", "copy"])
def test_numbers_edited_by_hand_are_noticed_and_the_other_file_holds(
    tmp_path: Path, edit: tuple[str, str, Any], which: str
) -> None:
    path = tmp_path / "seed1.json"
    write(RESULT, path)
    edited = path if which == "result" else kept(path)
    content = json.loads(edited.read_text())
    block, key, value = edit
    content[block][key] = value
    edited.write_text(json.dumps(content))
    with pytest.raises(ResultError, match="its numbers were changed after it was written"):
        read(edited)
    assert restore(CELL, path)
    assert fingerprint(read(path)) == fingerprint(RESULT)
    assert fingerprint(read(kept(path))) == fingerprint(RESULT)


def test_edited_in_both_places_a_result_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "seed1.json"
    write(RESULT, path)
    for file in (path, kept(path)):
        file.write_text(file.read_text().replace('"verdict": "completed"', '"verdict": "edited"'))
        assert "edited" in file.read_text()
    assert not restore(CELL, path)


def test_a_result_from_before_there_was_a_checksum_is_read(tmp_path: Path) -> None:
    path = tmp_path / "seed1.json"
    path.write_text(json.dumps(RESULT))
    assert read(path) == RESULT
    assert finished(CELL, path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / "seed1.json"
    path.write_text(json.dumps(RESULT | {"outcome": {"loss": 5}}).replace("5}", f"{number}}}"))
    with pytest.raises(ResultError, match=f"it holds {number}, which is not a number"):
        read(path)


def test_a_file_of_other_bytes_gives_one_line(tmp_path: Path) -> None:
    path = tmp_path / "seed1.json"
    path.write_bytes(b"\xff\x00\xfe")
    with pytest.raises(ResultError, match="not a result"):
        read(path)


def test_an_outcome_without_a_numerics_version_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "seed1.json"
    path.write_text(json.dumps(RESULT | {"outcome": {}}))
    assert not finished(CELL, path)


def test_provenance_does_not_enter_a_comparison() -> None:
    elsewhere = RESULT | {"provenance": {"device": "cuda", "seconds": 1.0}}
    assert fingerprint(elsewhere) == fingerprint(RESULT)
    assert fingerprint(elsewhere) == fingerprint(RESULT)


@pytest.mark.parametrize(
    "changed",
    [
        RESULT | {"outcome": RESULT["outcome"] | {"verdict": "diverged"}},
        RESULT | {"cell": RESULT["cell"] | {"seed": 9}},
        RESULT | {"outcome": {k: v for k, v in RESULT["outcome"].items() if k != "epochs"}},
    ],
)
def test_everything_else_enters_it(changed: dict[str, Any]) -> None:
    assert fingerprint(changed) != fingerprint(RESULT)


def test_key_order_does_not_enter_a_comparison() -> None:
    turned = {key: dict(reversed(RESULT[key].items())) for key in ("outcome", "cell")}
    assert fingerprint(RESULT | turned) == fingerprint(RESULT)


def test_a_made_result_carries_schema_and_numerics() -> None:
    made = make(CELL, Outcome.model_validate(RESULT["outcome"]), {"device": "cpu"})
    assert made["schema"] == results.SCHEMA
    assert made["outcome"]["numerics"] == NUMERICS
    assert made["outcome"] == RESULT["outcome"]
    assert Cell(**made["cell"]) == CELL


def test_a_setting_that_came_later_leaves_a_result_valid_and_a_changed_value_does_not() -> None:
    fggp = next(cell for cell in cells(grid()) if cell.label == "fggp")
    known = {"pool": "active", "rho": 0.5, "weights": "forward"}
    newer = fggp.plain() | {"method": {"name": "fggp", "settings": known}}
    assert cell_of(RESULT | {"cell": newer}) == fggp
    other = fggp.plain() | {"method": {"name": "fggp", "settings": known | {"rho": 0.25}}}
    assert cell_of(RESULT | {"cell": other}) != fggp


def test_a_result_that_lacks_a_setting_has_what_was_the_default_then() -> None:
    fggp = next(cell for cell in cells(grid()) if cell.label == "fggp")
    older = fggp.plain() | {"method": {"name": "fggp", "settings": {"rate": 0.25}}}
    settings = cell_of(RESULT | {"cell": older}).method.settings
    assert (settings["pool"], settings["rate"]) == ("kept", 0.25)
    assert fggp.method.settings["pool"] == "active"


def test_a_result_of_a_method_or_setting_that_is_not_here_keeps_its_own_cell() -> None:
    for method in ({"name": "gone", "settings": {}}, {"name": "fggp", "settings": {"gone": 1}}):
        stored = cell_of(RESULT | {"cell": CELL.plain() | {"method": method}})
        assert stored.method.model_dump() == method
