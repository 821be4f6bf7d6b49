"""pyproject.toml, the conda environments and the lock file say the same."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import fggp

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
}
LOCK = (ROOT / "requirements.lock").read_text()


def bounds(*extras: str) -> dict[str, SpecifierSet]:
    texts = [*PROJECT["dependencies"]]
    for extra in extras:
        texts += PROJECT["optional-dependencies"][extra]
    requirements = [Requirement(text) for text in texts]
    assert len({r.name for r in requirements}) == len(requirements)
    return {r.name: r.specifier for r in requirements}


def conda(name: str) -> dict[str, SpecifierSet]:
    content = yaml.safe_load((ROOT / name).read_text())
    requirements = [Requirement(text) for text in content["dependencies"]]
    assert len({r.name for r in requirements}) == len(requirements)
    return {r.name: r.specifier for r in requirements}


ENVIRONMENTS = ["environment.yml", *(f"envs/{p.name}" for p in sorted(ROOT.glob("envs/*.yml")))]
EVERYTHING = {CONDA_NAMES.get(n, n): bound for n, bound in bounds("workflow", "dev").items()}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_bound_of_a_conda_environment_is_that_of_the_project(name: str) -> None:
    found = conda(name)
    python = found.pop("python")
    assert found == {package: EVERYTHING.get(package) for package in found}
    assert set(SpecifierSet(PROJECT["requires-python"])) <= set(python)
    assert python == conda("environment.yml")["python"]


def test_the_whole_environment_holds_every_dependency() -> None:
    wanted = {CONDA_NAMES.get(name, name) for name in bounds("workflow")}
    assert set(conda("environment.yml")) == {"python", *wanted}


def test_the_parts_hold_every_dependency_between_them() -> None:
    parts = {package for name in ENVIRONMENTS[1:] for package in conda(name)}
    assert parts == {"python", *(CONDA_NAMES.get(name, name) for name in bounds())}
    assert "pytorch" not in conda("envs/analysis.yml")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_environment_takes_packages_from_where_it_does_not_say(name: str) -> None:
    channels = yaml.safe_load((ROOT / name).read_text())["channels"]
    assert channels[0] == "conda-forge"
    assert channels[-1] == "nodefaults"


def locked() -> list[tuple[Requirement, str]]:
    """Each locked requirement with the rest of its entry: its hashes."""
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    pairs = [entry.partition("\\\n") for entry in entries]
    return [(Requirement(first.strip()), rest) for first, _, rest in pairs]


def test_the_lock_satisfies_every_bound() -> None:
    pinned: dict[str, list[Requirement]] = {}
    for requirement, _ in locked():
        pinned.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    for name, bound in bounds("workflow", "dev", "examples").items():
        pins = pinned[canonicalize_name(name)]
        versions = [spec.version for pin in pins for spec in pin.specifier]
        assert versions, name
        assert all(bound.contains(version, prereleases=True) for version in versions), name


def test_the_lock_pins_every_package_to_one_version_with_hashes() -> None:
    entries = locked()
    assert len(entries) > 50
    for requirement, rest in entries:
        assert [spec.operator for spec in requirement.specifier] == ["=="], requirement
        hashes = re.findall(r"--hash=(\S+)", rest)
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), requirement


def test_the_lock_names_no_address() -> None:
    assert "://" not in LOCK
    assert "--index-url" not in LOCK
    assert " @ " not in LOCK


def test_the_version_of_the_package_is_that_of_the_project() -> None:
    assert fggp.__version__ == PROJECT["version"]


IMAGES = {
    "envs/Dockerfile": r"^FROM (\S+)$",
    "envs/apptainer.def": r"^From: (\S+)$",
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_begins_with_the_python_that_the_lock_is_made_for(name: str) -> None:
    text = (ROOT / name).read_text()
    (base,) = re.findall(IMAGES[name], text, re.MULTILINE)
    version = re.fullmatch(r"python:(3\.\d+)-slim", base).group(1)  # type: ignore[union-attr]
    assert SpecifierSet(PROJECT["requires-python"]).contains(version)
    assert f"--python-version {version} " in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_takes_its_packages_from_the_lock_and_says_no_version_itself(name: str) -> None:
    lines = [it for it in (ROOT / name).read_text().splitlines() if not it.startswith("#")]
    text = "\n".join(lines)
    assert "make setup" in text
    assert "pip install" not in text
    assert not re.findall(r"[\w-]+[=<>~]=\d", text)
    assert "--require-hashes" in (ROOT / "envs/setup.sh").read_text()


def test_an_image_gets_every_file_that_its_environment_is_made_from() -> None:
    copied = re.findall(
        r"^    (\S+) /opt/fggp/\S+$", (ROOT / "envs/apptainer.def").read_text(), re.MULTILINE
    )
    assert all((ROOT / name).exists() for name in copied)
    needed = {"Makefile", "pyproject.toml", "requirements.lock", "envs", "src"}
    assert needed | {PROJECT["readme"], *PROJECT["license-files"]} <= set(copied)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".venv", "data", "!results/reference"} <= set(ignored)
    assert not needed & set(ignored)
