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
from packaging.version import Version

import fggp
from fggp.cli.verbs import ANALYSIS, STUDY
from fggp.running.doctor.software import IMPORT_NAMES
from fggp.running.doctor.torch_builds import CUDA12

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
}
LOCKS = {
    name: (ROOT / name).read_text() for name in ("requirements.lock", "requirements-cuda12.lock")
}
GPU_STACK = re.compile(r"torch|torchvision|triton|cuda-.*|nvidia-(?!ml-py$).*")


def bounds(*extras: str) -> dict[str, SpecifierSet]:
    texts = [*PROJECT["dependencies"]]
    for extra in extras:
        texts += PROJECT["optional-dependencies"][extra]
    found: dict[str, SpecifierSet] = {}
    for requirement in map(Requirement, texts):
        if requirement.name == "fggp":
            found |= bounds(*requirement.extras)
            continue
        # A part may need a newer one than the pruner alone does.
        floors = [found.get(requirement.name, SpecifierSet("")), requirement.specifier]
        found[requirement.name] = max(floors, key=lowest)
    return found


def lowest(bound: SpecifierSet) -> Version:
    return max((Version(it.version) for it in bound if it.operator == ">="), default=Version("0"))


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


@pytest.mark.parametrize(("extra", "imported"), [("study", STUDY), ("analysis", ANALYSIS)])
def test_the_command_line_names_the_extra_of_every_package(extra: str, imported: set[str]) -> None:
    core = {Requirement(text).name for text in PROJECT["dependencies"]}
    packages = {Requirement(text).name for text in PROJECT["optional-dependencies"][extra]} - core
    names = {IMPORT_NAMES.get(name, name) for name in packages}
    assert imported <= names
    assert names <= STUDY | ANALYSIS


def test_the_whole_environment_holds_every_dependency() -> None:
    wanted = {CONDA_NAMES.get(name, name) for name in bounds("workflow")}
    assert set(conda("environment.yml")) == {"python", *wanted}


def test_the_parts_hold_every_dependency_between_them() -> None:
    parts = {package for name in ENVIRONMENTS[1:] for package in conda(name)}
    assert parts == {
        "python",
        *(CONDA_NAMES.get(name, name) for name in bounds("study", "analysis")),
    }
    assert "pytorch" not in conda("envs/analysis.yml")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_environment_takes_packages_from_where_it_does_not_say(name: str) -> None:
    channels = yaml.safe_load((ROOT / name).read_text())["channels"]
    assert channels[0] == "conda-forge"
    assert channels[-1] == "nodefaults"


def locked(lock: str) -> list[tuple[Requirement, str]]:
    """Each requirement of a lock file with the rest of its entry: its hashes."""
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    pairs = [entry.partition("\\\n") for entry in entries]
    return [(Requirement(first.strip()), rest) for first, _, rest in pairs]


def versions(lock: str) -> dict[str, list[str]]:
    """The versions of each package: one for all systems, or one for each marker."""
    found: dict[str, list[str]] = {}
    for requirement, _ in locked(lock):
        name = canonicalize_name(requirement.name)
        found.setdefault(name, []).extend(spec.version for spec in requirement.specifier)
    return found


@pytest.mark.parametrize("lock", [*LOCKS, "requirements-optimizers.lock"])
def test_a_lock_satisfies_every_bound(lock: str) -> None:
    pinned = versions(lock)
    beside = {"optimizers", "foreign"}
    others = PROJECT["optional-dependencies"].keys() - beside
    for name, bound in bounds(*(others if lock in LOCKS else beside)).items():
        pins = pinned[canonicalize_name(name)]
        assert pins, name
        assert all(bound.contains(version, prereleases=True) for version in pins), name


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_package_to_one_version_with_hashes(lock: str) -> None:
    entries = locked(lock)
    assert len(entries) > 50
    for requirement, rest in entries:
        assert [spec.operator for spec in requirement.specifier] == ["=="], requirement
        hashes = re.findall(r"--hash=(\S+)", rest)
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text()
    assert "--index-url" not in (ROOT / lock).read_text()
    assert " @ " not in (ROOT / lock).read_text()


@pytest.mark.parametrize(
    ("lock", "cuda", "other"),
    [("requirements.lock", "cu13", "cu12"), ("requirements-cuda12.lock", "cu12", "cu13")],
)
def test_each_lock_has_the_libraries_of_one_cuda(lock: str, cuda: str, other: str) -> None:
    names = versions(lock)
    assert f"nvidia-cudnn-{cuda}" in names
    assert f"nvidia-nccl-{cuda}" in names
    assert [name for name in names if name.endswith(f"-{other}")] == []


def test_the_locks_differ_in_pytorch_and_its_gpu_libraries_alone() -> None:
    newest, older = map(versions, LOCKS)
    names = newest.keys() | older.keys()
    assert {it for it in names if newest.get(it) != older.get(it)} >= {"torch", "torchvision"}
    others = {it for it in names if not GPU_STACK.fullmatch(it)}
    assert {it: older.get(it) for it in others} == {it: newest.get(it) for it in others}


def test_the_older_pytorch_is_that_of_its_constraints_and_of_the_lowest_bound() -> None:
    text = (ROOT / "envs/cuda12.txt").read_text()
    asked = dict(re.findall(r"^([\w-]+)==(\S+)$", text, re.MULTILINE))
    assert asked.keys() == {"torch", "torchvision"}
    pinned = versions("requirements-cuda12.lock")
    assert {name: pinned[name] for name in asked} == {n: [it] for n, it in asked.items()}
    assert CUDA12.pip.split() == [f"{name}=={it}" for name, it in asked.items()]
    for name, version in asked.items():
        assert str(bounds("study")[name]) == f">={version.rpartition('.')[0]}"


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
    needed = {"Makefile", "pyproject.toml", *LOCKS, "envs", "src"}
    assert needed | {PROJECT["readme"], *PROJECT["license-files"]} <= set(copied)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".venv", "data", "!results/reference"} <= set(ignored)
    assert not needed & set(ignored)
