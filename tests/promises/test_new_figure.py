"""A new figure is one new file: commands, page, list and workflow find it by themselves."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fabricate import fabricate, grid

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
(NEW,) = (it for it in BLOCKS if "@figure" in it)
"""The example of the guide, as a contributor would write it."""
ALT = "Trainings of each label."


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "docs/templates", root / "docs/templates")
    (root / "src/fggp/analysis/figures/trainings.py").write_text(NEW)
    methods: dict[str, dict[str, str]] = {"gmp": {}, "fggp": {}}
    study = grid(sparsities=[0.9], initial_sparsities=[0], seeds=[1, 2], methods=methods)
    fabricate(root / "results/made", study)
    return root


def python(copy: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(copy / "src")}
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran
    return ran.stdout


@pytest.mark.slow
def test_a_new_figure_is_drawn_by_its_name_with_all_others_and_on_the_page(copy: Path) -> None:
    written = python(copy, "-m", "fggp", "analyse", "results/made").split()
    forms = ("pdf", "png", "svg", "csv", "rst")
    new = [f"results/made/figures/trainings.{form}" for form in forms]
    assert set(new) <= set(written)
    assert python(copy, "-m", "fggp", "figure", "trainings", "results/made").split() == new
    assert (copy / new[3]).read_text() == "label,size\nfggp,2\ngmp,2\n"
    assert (copy / new[4]).read_text().startswith(ALT)
    assert f'alt="{ALT}"' in (copy / "results/made/page.html").read_text()


def test_a_new_figure_is_in_the_help_and_in_the_list_of_figures(copy: Path) -> None:
    assert "trainings" in python(copy, "-m", "fggp", "figure", "--help")
    code = (
        "from pathlib import Path\n"
        "from fggp.analysis.page import environment\n"
        "from fggp.publishing.report.report import LISTING, TEMPLATES, catalogued\n"
        "template = environment(TEMPLATES, html=False).get_template(LISTING)\n"
        "print(template.render(catalogued()))\n"
    )
    row = f"| `figures/trainings.{{pdf,png,svg,csv,rst}}` | {ALT.rstrip('.')} |"
    assert row in python(copy, "-c", code)
