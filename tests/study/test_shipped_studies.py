"""Shipped results keep their canonical bytes, and studies that are a record still describe them."""

import hashlib
from pathlib import Path

import pytest

from fggp.study.config import cells, load
from fggp.study.result_file import fingerprint, read
from fggp.study.stored_results import finished
from fggp.study.study_folder import read_expected, run_path

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "results/reference"
DIGESTS = {
    "confirm-folder": "06033d2ee88888cd13745b851970ab8ef71771b774e8cdc0ccfbc5a6a01766ec",
    "mini-95-folder": "27276f3e510aec542b2b592b9203efa45c27bc84178eea1db582da3264b3dcb6",
    "mini-all-folder": "53600eb43bdccddaf0addcc3629069c4c6c3144759328137a091c4b7b4171adb",
    "mini-folder": "f11f7223b59d9cd7d9f813b89ad02e26149aaf77156f6fa143da86503401aeca",
    "reading-folder": "6f9788e7e5923a6a0ef0b2258dbe83778fbaa6a342fcaaeaa4fd9a208554bbe0",
}
"""SHA-256 over the paths of a study's results and the SHA-256 of their canonical text."""
ADDED = {
    "mini-all-folder": {
        *("product", "rank-product", "rank-sum"),
        *("ecoflap", "imp-activate", "jackpots"),
    }
}
"""The labels whose results came after the digest."""


@pytest.mark.parametrize("study", DIGESTS)
def test_the_canonical_bytes_of_shipped_results_never_change(study: str) -> None:
    digest = hashlib.sha256()
    for path in sorted((SHIPPED / study / "runs").rglob("seed*.json")):
        if path.parent.name in ADDED.get(study, ()):
            continue
        own = hashlib.sha256(fingerprint(read(path)).encode()).hexdigest()
        digest.update(f"{path.relative_to(SHIPPED).as_posix()} {own}\n".encode())
    assert digest.hexdigest() == DIGESTS[study]


@pytest.mark.parametrize("folder", sorted(SHIPPED.glob("*/")), ids=lambda folder: folder.name)
def test_the_results_that_are_shipped_are_those_of_the_configuration(folder: Path) -> None:
    asked = cells(load(ROOT / f"config/{folder.name}.yaml"))
    _, listed = read_expected(folder)
    assert [cell.canonical() for cell in listed] == [cell.canonical() for cell in asked]
    shipped = {path.relative_to(folder) for path in (folder / "runs").rglob("seed*.json")}
    there = [cell for cell in asked if run_path(folder, cell).relative_to(folder) in shipped]
    assert len(there) == len(shipped)
    assert [cell.id for cell in there if not finished(cell, run_path(folder, cell))] == []


def test_a_shipped_lottery_ticket_without_the_newer_setting_is_the_one_of_today() -> None:
    asked = cells(load(ROOT / "config/mini-all-folder.yaml"))
    (ticket,) = (cell for cell in asked if cell.label == "imp")
    path = run_path(SHIPPED / "mini-all-folder", ticket)
    assert "activate" not in read(path)["cell"]["method"]["settings"]
    assert ticket.method.settings["activate"] == 0
    assert finished(ticket, path)
    (other,) = (cell for cell in asked if cell.label == "imp-activate")
    assert not finished(other, path)
