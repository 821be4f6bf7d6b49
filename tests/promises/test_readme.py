import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from checkout import ROOT, Checkout
from markdown_pages import EXECUTED, blocks, pages

from fggp.cli import main

TEXT = {page: (ROOT / page).read_text() for page in ["CHANGELOG.md", *pages(*EXECUTED)]}
ALL = "\n".join(TEXT.values())
NO_STUDIES = {"colours.yaml", "stats.yaml", "claims.yaml"}
SHELL = [line for text in TEXT.values() for it in blocks(text, "sh") for line in it.commands]
CODE = [*SHELL, *re.findall(r"`([^`\n]+)`", ALL)]
LINES = sorted({it[1] for line in CODE if (it := re.search(r"\bfggp ([a-z][a-z-]*( .*)?$)", line))})
VERBS = sorted({line.split()[0] for line in LINES})
WORDS = 1200
"""The most words of the README."""
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):(?!=)", MAKEFILE, re.MULTILINE))

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def help_of(verb: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0, verb
    return capsys.readouterr().out


def test_the_readme_links_to_its_neighbours() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT["README.md"])
    assert {"config/README.md", "CONTRIBUTING.md", "LICENSE"} <= set(links)


def test_the_first_two_commands_of_the_readme_are_the_demo_and_the_tests() -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", TEXT["README.md"], re.MULTILINE | re.DOTALL)
    assert [block.strip() for block in blocks[:2]] == ["make demo", "make test"]


def test_the_readme_is_short_and_its_first_screen_shows_the_result() -> None:
    readme = TEXT["README.md"]
    assert len(readme.split()) <= WORDS
    first = "\n".join(readme.splitlines()[:25])
    assert "](docs/differences.png)" in first
    assert re.search(r"`\w[\w-]*` \+?-?\d+\.\d\d \(", first), "a difference with its interval"
    assert "git clone" in readme


def test_the_claims_that_the_readme_points_at_are_declared() -> None:
    named = re.findall(r'"([A-Z][^"]+)"', " ".join(TEXT["README.md"].split()))
    declared = (ROOT / "config/claims.yaml").read_text()
    assert len(named) >= 2
    assert [it for it in named if it not in declared] == []


def test_nothing_in_the_pages_is_still_to_be_filled_in() -> None:
    assert not re.findall(r"\b(?:[A-Z]+_MINUTES|TODO|FIXME|TBD|XXX)\b", ALL)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_is_mentioned_has_help_with_an_example(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = help_of(verb, capsys)
    assert f"example:\n  fggp {verb}" in text


def test_the_pages_mention_verbs_and_options_at_all() -> None:
    assert {"run", "plan", "methods"} & set(VERBS)
    assert any("--minutes" in line for line in LINES)


@pytest.mark.parametrize("line", LINES)
def test_every_option_of_a_command_that_is_mentioned_exists(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = help_of(line.split(maxsplit=1)[0], capsys)
    unknown = [word for word in re.findall(r"--[a-z-]+", line) if word not in text]
    assert not unknown


def test_every_make_target_that_is_mentioned_exists() -> None:
    mentioned = set(re.findall(r"(?:`|^)make ([a-z-]+)", ALL, re.MULTILINE))
    assert {"demo", "test", "check", "setup"} <= mentioned
    assert mentioned <= TARGETS


def test_every_configuration_that_is_mentioned_exists() -> None:
    by_path = re.findall(r"\bconfig/[\w.*-]+\.yaml", ALL)
    names = re.findall(r"`([\w*-]+\.yaml)`", TEXT["config/README.md"])
    by_name = [f"config/{name}" for name in names]
    assert "config/paper.yaml" in by_path
    assert "config/demo.yaml" in by_name
    named = [name for name in by_path + by_name if "STUDY" not in name]
    assert not [name for name in named if not list(ROOT.glob(name))]


def test_every_study_is_listed_in_the_readme_of_its_folder() -> None:
    listed = re.findall(r"^\| `([\w*-]+\.yaml)`", TEXT["config/README.md"], re.MULTILINE)
    studies = {path for path in (ROOT / "config").glob("*.yaml") if path.name not in NO_STUDIES}
    found = {path for name in listed for path in (ROOT / "config").glob(name)}
    assert studies == found


def test_every_folder_that_the_readme_explains_is_there() -> None:
    table = TEXT["README.md"].partition("## Where things are")[2].partition("\n\n##")[0]
    first = re.findall(r"^\|([^|]*)\|", table, re.MULTILINE)
    names = re.findall(r"`([^`]+)`", " ".join(first))
    assert len(names) > 5
    assert not [name for name in names if not (ROOT / name).exists()]


@pytest.mark.long
def test_every_output_in_the_table_of_figures_is_made_by_the_workflow(trained: Checkout) -> None:
    patterns = re.findall(r"^\| `([^`]+)`", TEXT["figures/README.md"], re.MULTILINE)
    assert patterns
    for pattern in patterns:
        stem, _, kinds = pattern.replace("STUDY", "tiny").rpartition(".")
        for kind in kinds.strip("{}").split(","):
            assert (trained / f"results/tiny/{stem}.{kind}").is_file(), pattern


@needs_make
def test_a_bare_make_prints_the_targets_and_sets_nothing_up(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    # A make that runs the tests tells its children to announce their folders.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    ended = subprocess.run(
        ["make"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended
    assert ended.stdout.startswith("usage: make TARGET"), ended
    shown = set(re.findall(r"^  ([a-z-]+) +\S", ended.stdout, re.MULTILINE))
    assert {"help", "setup", "demo", "test", "check"} <= shown == TARGETS - {"all"}
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


CI_TARGETS = (
    *("check", "lock-check", "test", "test-long", "test-extending", "test-docs", "site"),
    *("gpu-check", "DEVICE=cpu", "test-light", "test-older-torch", "test-optimizers"),
)


@pytest.mark.parametrize(
    ("broken", "called", "tries"),
    [
        ("", CI_TARGETS, 1),
        ("check", CI_TARGETS[:1], 0),
        ("test-light", CI_TARGETS[:10], 1),
        ("test-cluster", CI_TARGETS, 2),
    ],
)
def test_ci_runs_the_checks_and_then_the_tests_and_fails_with_them(
    broken: str, called: tuple[str, ...], tries: int, tmp_path: Path
) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy2(ROOT / ".ci/run", tmp_path / ".ci/run")
    assert os.access(tmp_path / ".ci/run", os.X_OK)
    stub = tmp_path / "bin/make"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/called"\n[ "$1" != "{broken}" ]\n')
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    shutil.copy2(stub, stub.with_name("slurmctld"))  # so that no package is looked for
    path = os.pathsep.join([str(stub.parent), os.environ["PATH"]])
    ended = subprocess.run(
        [tmp_path / ".ci/run"], cwd="/", env=os.environ | {"PATH": path}, timeout=60, check=False
    )
    seen = (tmp_path / "called").read_text().split()
    assert [each for each in seen if each != "test-cluster"] == list(called)
    assert seen.count("test-cluster") == tries, "next to the others, and again if that fails"
    assert (ended.returncode == 0) == (not broken)
