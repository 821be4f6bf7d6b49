"""The notebook runs from its first cell to its last, and shows what its text announces."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples/prune.ipynb"


def outputs(notebook: dict[str, Any]) -> tuple[str, int]:
    """Return what the cells of a notebook print, and the number of their pictures."""
    shown = [it for cell in notebook["cells"] for it in cell.get("outputs", ())]
    printed = "".join("".join(it.get("text", "")) for it in shown)
    return printed, sum("image/png" in it.get("data", {}) for it in shown)


def check(notebook: dict[str, Any]) -> None:
    printed, pictures = outputs(notebook)
    assert pictures == 2
    assert "sparsity 0.9500" in printed
    accuracies = [
        float(line.split()[1].rstrip(","))
        for line in printed.splitlines()
        if line[:9] == "accuracy "
    ]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.9


def test_the_notebook_is_stored_with_its_outputs() -> None:
    check(json.loads(NOTEBOOK.read_text()))


def test_the_notebook_runs_again_and_leaves_nothing_behind(tmp_path: Path) -> None:
    absent = [it for it in ("nbclient", "ipykernel", "matplotlib") if find_spec(it) is None]
    if absent:
        pytest.skip(f"{', '.join(absent)} not installed: pip install -e '.[examples,analysis]'")
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    check(notebook)
    assert list(tmp_path.iterdir()) == []
