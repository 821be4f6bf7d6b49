"""A method of one's own in a file beside the study, outside the package: trained and compared."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from checkout import FEW, ROOT, TIMEOUT

METHOD = '''
"""Gradual pruning by gradient alone."""

from fggp.methods.registry import register
from fggp.pruning import Cubic, Largest, PruneTo, Recipe, gradient


@register(paper="of the test", starts="both")
def mine() -> Recipe:
    """Prune the smallest gradients over all layers on a cubic schedule."""
    return Recipe(sparsity=Cubic, rule=PruneTo(Largest(gradient)))
'''
STUDY = FEW | {
    "methods": {"dense": {}, "gmp": {}, "mine": {}},
    "plugins": ["methods.py"],
    "reference": "mine",
}


def fggp(folder: Path, *arguments: str, status: int = 0) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "fggp", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "FGGP_PLUGINS": ""},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ran.returncode == status, ran
    return ran.stdout + ran.stderr


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder of one's own with a study and a file of methods."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work/methods.py").write_text(METHOD)
    (tmp_path / "work/own.yaml").write_text(yaml.safe_dump(STUDY))
    return tmp_path


@pytest.mark.slow
def test_a_method_of_a_file_beside_the_study_is_trained_and_is_what_others_are_compared_with(
    here: Path,
) -> None:
    assert "next: fggp analyse results/own" in fggp(here, "run", "work/own.yaml")
    fggp(here, "analyse", "results/own")
    with (here / "results/own/tables/comparisons.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["reference"], row["rival"]) for row in rows} == {("mine", "gmp")}
    page = (here / "results/own/page.html").read_text()
    assert "reference mine" in page
    listed = json.loads((here / "results/own/cells.json").read_text())["configuration"]
    assert listed["plugins"] == ["work/methods.py"]
    assert "0 errors" in fggp(here, "check-results", "results/own")


@pytest.mark.parametrize(
    ("plugin", "text", "complaint"),
    [
        ("absent.py", "", "work/absent.py: no such file of methods"),
        ("broken.py", "import no_such_module", "cannot be imported (ModuleNotFoundError"),
        ("twice.py", METHOD.replace("mine", "gmp"), "two methods are called 'gmp'"),
        ("nothing.txt", METHOD, "plugins"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_one_line(
    here: Path, plugin: str, text: str, complaint: str
) -> None:
    if text:
        (here / "work" / plugin).write_text(text)
    (here / "work/own.yaml").write_text(yaml.safe_dump(STUDY | {"plugins": [plugin]}))
    said = fggp(here, "plan", "work/own.yaml", status=1)
    assert complaint in said
    assert said.startswith("fggp: work/own.yaml: ")
    assert said.count("\n") == 1


def test_a_reference_that_is_no_label_is_refused_with_the_nearest(here: Path) -> None:
    (here / "work/own.yaml").write_text(yaml.safe_dump(STUDY | {"reference": "min"}))
    said = fggp(here, "plan", "work/own.yaml", status=1)
    assert "reference: 'min' is not a label of this study; did you mean 'mine'?" in said
