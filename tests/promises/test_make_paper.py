"""`make paper`: the shipped studies in, one folder of figures for each out."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from checkout import ROOT

STUDIES = sorted(path.parent.name for path in ROOT.glob("results/reference/*/cells.json"))
# Notes what it is asked for, and makes the one file that the recipe reads.
STUB = """#!/bin/sh
echo "$@" >> called
[ "$4" != "$BROKEN" ] || exit 1
if [ "$3" = analyse ]; then
    mkdir -p "$7/tables" && echo "claims of $7" > "$7/tables/claims.md"
fi
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def make_paper(folder: Path, broken: str = "") -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "envs", folder / "envs")
    for name in ("requirements.lock", "requirements-cuda12.lock", "pyproject.toml"):
        (folder / name).touch()
    for study in STUDIES:
        (folder / "results/reference" / study).mkdir(parents=True)
        (folder / "results/reference" / study / "cells.json").touch()
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(STUB)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    (folder / ".venv/.ready-cuda13").touch()
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    return subprocess.run(
        ["make", "paper"],
        cwd=folder,
        env=environment | {"BROKEN": broken},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_shipped_study_is_checked_and_analysed_into_its_own_folder(tmp_path: Path) -> None:
    ended = make_paper(tmp_path)
    assert ended.returncode == 0, ended
    first, *others = (tmp_path / "called").read_text().splitlines()
    assert first == "-m fggp check-results results/reference"
    assert sorted(others) == [
        f"-m fggp analyse results/reference/{study} --partial --out figures/{study}"
        for study in STUDIES
    ]
    for study in STUDIES:
        assert f"claims of figures/{study}" in ended.stdout
        assert [path.name for path in (tmp_path / "results/reference" / study).iterdir()] == [
            "cells.json"
        ]


@pytest.mark.parametrize("broken", ["results/reference", f"results/reference/{STUDIES[0]}"])
def test_it_fails_where_a_study_is_red_or_cannot_be_analysed(tmp_path: Path, broken: str) -> None:
    assert make_paper(tmp_path, broken).returncode != 0
