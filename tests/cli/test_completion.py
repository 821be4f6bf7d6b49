"""The script of a shell completes verbs, options and files; without shtab one line says so."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fggp.cli import main
from fggp.cli.completion import SHELLS
from fggp.cli.verbs import MODULES

COMPLETE = """
source "$1"
COMP_WORDS=({line}) COMP_CWORD={place}
_shtab_fggp
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(script: Path, *words: str) -> list[str]:
    """Return the completions of bash for the last of the words."""
    line = " ".join(f"'{word}'" for word in ("fggp", *words))
    program = COMPLETE.format(line=line, place=len(words))
    ended = subprocess.run(
        ["bash", "-c", program, "bash", str(script)],
        cwd=script.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ended.stdout.split()


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    pytest.importorskip("shtab", reason="shtab is of the extra `completion`")
    assert main(["completion", "bash"]) == 0
    path = tmp_path / "fggp.bash"
    path.write_text(capsys.readouterr().out)
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_verbs_options_values_and_files(script: Path) -> None:
    (script.parent / "mine.yaml").touch()
    assert set(MODULES) <= set(completed(script, ""))
    assert completed(script, "compl") == ["completion"]
    assert "--minutes" in completed(script, "run", "--")
    assert set(completed(script, "completion", "")) == set(SHELLS)
    assert completed(script, "plan", "mi") == ["mine.yaml"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script_that_names_all_verbs(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("shtab", reason="shtab is of the extra `completion`")
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert [name for name in MODULES if name not in text] == []


def test_without_its_package_one_line_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    monkeypatch.setattr("fggp.cli.verbs.CHECKOUT", tmp_path / "none")
    assert main(["completion", "bash"]) == 1
    said = capsys.readouterr().err
    assert said == "fggp: this needs the package shtab: pip install 'fggp[completion]'\n"
