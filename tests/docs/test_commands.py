"""The command blocks of the pages work: they are run, in order, in a copy."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from markdown_pages import EXECUTED, ROOT, Check, Listed, blocks, listed, pages

from fggp.study.config import cells, load
from fggp.study.config_records import Study

PAGES = pages(*EXECUTED)
TEXT = {page: (ROOT / page).read_text() for page in PAGES}
COMMANDS = {
    page: [line for block in blocks(text, "sh") for line in block.commands]
    for page, text in TEXT.items()
}
LISTED = listed()
LANGUAGES = {"sh", "python", "yaml", "text", ""}
KINDS = re.compile(r"dry run|help only|needs \w.+")
MADE = {"results", "figures", "data", "logs", "dist", "build", "site", ".cache"}
TIMEOUT = 600  # seconds; a guard against hanging


def dry(command: str) -> str:
    """Return a command that says what the given one would do."""
    program, _, rest = command.partition(" ")
    quiet = {"make": "", "snakemake": " --quiet rules"}[program]
    return f"{program} {rest} -n{quiet}"


def help_of(command: str) -> str:
    """Return a command that fails where --help does not know an option of the given one."""
    words = shlex.split(command)
    program = words[:4] if words[1] == "-m" else words[:2]
    known = [f"grep -q -e {shlex.quote(word)} help.txt" for word in words if word.startswith("--")]
    return " && ".join([f"{shlex.join([*program, '--help'])} > help.txt", *known])


def checked(command: str, check: Check | None) -> str:
    """Return the line that is run for a command."""
    if check is None:
        return command
    if check.kind == "dry run":
        return dry(command)
    return help_of(command) if check.kind == "help only" else "true"


def script(commands: list[str], checks: dict[str, Check]) -> str:
    """Return a script that runs the commands in one shell and stops at the first that fails."""
    lines = ["set -e"]
    for command in commands:
        lines += [f"echo {shlex.quote(f'$ {command}')}", checked(command, checks.get(command))]
    return "\n".join(lines) + "\n"


def unlisted(commands: dict[str, list[str]], said: dict[str, Listed]) -> list[str]:
    """Return the entries that are no longer on their page, or are listed wrongly."""
    wrong = [page for page in said if page not in commands]
    for page, it in said.items():
        for command, check in it.commands.items():
            if command not in commands.get(page, []):
                wrong.append(f"{page}: no longer there: {command}")
            if not KINDS.fullmatch(check.kind) or not check.why:
                wrong.append(f"{page}: without a kind or a reason: {command}")
    return wrong


def environment(folder: Path) -> dict[str, str]:
    # A make that runs the tests tells its children so; a GPU would be another machine.
    kept = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    own = {"PATH": path, "PYTHONPATH": str(folder / "src"), "FGGP_DEVICE": "cpu"}
    return kept | own | {"HF_HUB_OFFLINE": "1"}


def run(command: list[str], folder: Path) -> None:
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-4000:]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository without what was made in it, and with the environment that tests run in."""
    folder = tmp_path / "copy"
    shutil.copytree(
        ROOT,
        folder,
        ignore=lambda path, names: [
            name
            for name in names
            if name == "__pycache__"
            or name.endswith((".egg-info", "_cache"))
            or (
                Path(path) == ROOT
                and (name in MADE | {".git", ".snakemake"} or name.startswith(".venv"))
            )
        ],
    )
    shutil.copytree(ROOT / "results/reference", folder / "results/reference")
    (folder / "figures").mkdir()
    shutil.copy2(ROOT / "figures/README.md", folder / "figures")
    (folder / ".venv").symlink_to(sys.prefix)
    # No make in the copy takes the environment for outdated, and installs the copy into it.
    for path in (*folder.glob("requirements*.lock"), folder / "pyproject.toml"):
        os.utime(path, (0, 0))
    os.utime(folder / "envs/setup.sh", (0, 0))
    return folder


@pytest.mark.docs
@pytest.mark.parametrize("page", [page for page in PAGES if COMMANDS[page]])
def test_the_commands_of_a_page_work_one_after_the_other(page: str, copy: Path) -> None:
    checks = LISTED[page].commands if page in LISTED else {}
    (copy / "page.sh").write_text(script(COMMANDS[page], checks))
    run(["bash", "page.sh"], copy)


@pytest.mark.docs
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(TEXT[page], "python")])
def test_the_python_of_a_page_works_one_block_after_the_other(page: str, copy: Path) -> None:
    given = LISTED[page].given if page in LISTED else ""
    parts = [given, *(block.text for block in blocks(TEXT[page], "python"))]
    (copy / "page.py").write_text("\n".join(parts))
    run([sys.executable, "page.py"], copy)


def test_there_are_pages_with_commands_in_every_folder_that_has_some() -> None:
    assert {"README.md", "docs/cluster.md", "examples/README.md"} <= set(COMMANDS)
    assert sum(map(len, COMMANDS.values())) > 25
    assert all(COMMANDS[page] or blocks(TEXT[page], "python") for page in LISTED)


def test_what_is_not_run_is_still_there_and_has_a_reason() -> None:
    assert unlisted(COMMANDS, LISTED) == []


@pytest.mark.parametrize("page", PAGES)
def test_no_block_escapes_by_its_language(page: str) -> None:
    assert {block.language for block in blocks(TEXT[page])} <= LANGUAGES
    assert TEXT[page].count("```") == 2 * len(blocks(TEXT[page]))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(TEXT[page], "yaml")])
def test_the_studies_that_a_page_shows_are_studies(page: str, tmp_path: Path) -> None:
    """A block without ``base`` and ``methods`` is a part of a study, whose keys are checked."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    for block in blocks(TEXT[page], "yaml"):
        keys = set(yaml.safe_load(block.text))
        if not keys & {"base", "methods"}:
            assert keys <= set(Study.model_fields), page
            continue
        path = tmp_path / "config/shown.yaml"
        path.write_text(block.text)
        assert cells(load(path))


def test_a_reason_without_its_command_and_a_kind_that_is_none_are_found() -> None:
    gone = {"README.md": Listed({"make gone": Check("dry run", "long")})}
    assert unlisted({"README.md": ["make demo"]}, gone) == ["README.md: no longer there: make gone"]
    odd = {"README.md": Listed({"make demo": Check("skipped", "long")})}
    assert len(unlisted({"README.md": ["make demo"]}, odd)) == 1
    mute = {"README.md": Listed({"make demo": Check("dry run", "")})}
    assert len(unlisted({"README.md": ["make demo"]}, mute)) == 1
    assert unlisted({}, {"README.md": Listed({})}) == ["README.md"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("true\nexport A=1\ntest $A = 1", 0),
        ("cd /\ntest $PWD = /  # still there", 0),
        ("echo a \\\n  b", 0),
        ("false\ntrue", 1),
        ("no-such-program", 127),
    ],
)
def test_a_script_ends_with_the_first_command_that_fails(text: str, status: int) -> None:
    (block,) = blocks(f"```sh\n{text}\n```\n")
    ended = subprocess.run(
        ["bash", "-c", script(block.commands, {})], capture_output=True, check=False
    )
    assert ended.returncode == status


def test_checks_are_what_they_are_called() -> None:
    assert dry("make demo") == "make demo -n"
    assert dry("snakemake --profile slurm") == "snakemake --profile slurm -n --quiet rules"
    assert checked("squeue --me", Check("needs a Slurm", "…")) == "true"
    assert help_of("python -m fggp run mini --jobs 2") == (
        "python -m fggp run --help > help.txt && grep -q -e --jobs help.txt"
    )
    assert help_of("python benchmarks/gpu.py") == "python benchmarks/gpu.py --help > help.txt"
