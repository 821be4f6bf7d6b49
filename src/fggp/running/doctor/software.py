"""Checks of Python, of the packages, and of the source that runs."""

from __future__ import annotations

import importlib
import io
import platform
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import fggp
from fggp.running.doctor.context import Place
from fggp.running.doctor.finding import Finding, ok, warning, wrong

if TYPE_CHECKING:  # a package that may be missing itself
    from packaging.requirements import Requirement

PARTS, WORKFLOW = ("study", "analysis"), "workflow"
"""The extras of pyproject.toml for trainings and figures, and that of Snakemake and its plugin."""
IMPORTED_BY_THE_PROBE = {"torch", "torchvision"}
IMPORT_NAMES = {
    "nvidia-ml-py": "pynvml",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "snakemake-executor-plugin-slurm": "snakemake_executor_plugin_slurm",
}


def python(place: Place) -> Iterator[Finding]:
    """Check the version of Python."""
    from packaging.specifiers import SpecifierSet

    have, _, wanted = platform.python_version(), *_declared()
    if wanted and not SpecifierSet(wanted).contains(have, prereleases=True):
        yield wrong("python", f"{have}, not {wanted}", "make setup PYTHON=python3.12")
    else:
        yield ok("python", f"{have} at {sys.executable}")


def packages(place: Place) -> Iterator[Finding]:
    """Check that every required package is installed in a valid version and can be imported."""
    requirements, _ = _declared()
    if not requirements:
        fix = "run in the repository root, or install the package"
        yield warning("packages", "the requirements are not declared here", fix)
        return
    wanted = [it for it in requirements if _concerns(it, place)]
    faults = {it.name: fault for it in wanted if (fault := _fault(it))}
    for name, fault in faults.items():
        yield wrong(f"package {name}", fault, _setup())
    if not faults:
        names = {it.name for it in wanted}
        yield ok("packages", f"{len(names)} are installed, in the versions required")


def source(place: Place) -> Iterator[Finding]:
    """Check that the source that runs is the one of this checkout, if this is one."""
    here, used = Path("src/fggp").absolute(), Path(fggp.__file__).parent
    if here.is_dir() and here.resolve() != used.resolve():
        fix = "pip install -e . here, or export PYTHONPATH=src"
        yield warning("source", f"{used} runs instead of {here}", fix)
    else:
        yield ok("source", str(used))


def _declared() -> tuple[list[Requirement], str]:
    """Return the requirements, including Python's: from pyproject.toml, or as installed.

    An editable installation keeps the requirements from the time of its installation.
    """
    file = Path(fggp.__file__).parents[2] / "pyproject.toml"
    if file.is_file():
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        extras = project["optional-dependencies"].items()
        more = (f"{it}; extra == '{extra}'" for extra, texts in extras for it in texts)
        return _parsed([*project["dependencies"], *more]), project["requires-python"]
    try:
        wanted = metadata.metadata("fggp")["Requires-Python"]
        return _parsed(metadata.requires("fggp") or []), wanted
    except metadata.PackageNotFoundError:
        return [], ""


def _parsed(texts: Sequence[str]) -> list[Requirement]:
    from packaging.requirements import Requirement

    found = map(Requirement, texts)
    return [it for it in found if it.name != "fggp"]  # an extra may name others of the package


def _concerns(requirement: Requirement, place: Place) -> bool:
    marker = requirement.marker
    if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *PARTS)):
        return True
    if not marker.evaluate({"extra": WORKFLOW}):
        return False
    return place.on_slurm if "slurm" in requirement.name else place.with_snakemake


def _setup() -> str:
    """Return how to install missing packages, in a checkout or for an installed package."""
    if Path("Makefile").is_file() and Path("src/fggp").is_dir():
        return "run `make setup` and `. .venv/bin/activate`, or `pip install -e '.[workflow]'`"
    return "pip install 'fggp[workflow]', or 'fggp[study,analysis]' without Snakemake"


def _fault(requirement: Requirement) -> str:
    """Return the problem of an installed package, or nothing if it is as required."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"is not installed; {requirement.specifier} is needed"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"{version} is installed; {requirement.specifier} is needed"
    if requirement.name in IMPORTED_BY_THE_PROBE:
        return ""
    name = IMPORT_NAMES.get(requirement.name, requirement.name.replace("-", "_"))
    try:
        # Some print missing parts to stderr; only whether they can be imported matters.
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            importlib.import_module(name)
    except BaseException as error:  # a broken package can raise anything
        reason = " ".join(str(error).split())[:150]
        return f"{version} cannot be imported ({type(error).__name__}: {reason})"
    return ""
