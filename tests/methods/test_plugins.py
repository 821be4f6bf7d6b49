"""Files of methods from outside the package, and those that register none."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fggp.foundation.errors import Failure
from fggp.methods import METHODS, plugins

METHOD = """
from fggp.methods.registry import register
from fggp.pruning import Cubic, Largest, PruneTo, Recipe, gradient

@register(paper="of the test", starts="both")
def {name}() -> Recipe:
    \"\"\"Prune the smallest gradients.\"\"\"
    return Recipe(sparsity=Cubic, rule=PruneTo(Largest(gradient)))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for files of methods, which are forgotten afterwards."""
    monkeypatch.setattr(plugins, "_LOADED", [])
    monkeypatch.setenv(plugins.VARIABLE, "")
    known = set(METHODS)
    yield tmp_path
    for name in METHODS.keys() - known:
        del METHODS[name]


def test_a_file_is_imported_once_and_named_for_the_trainings(here: Path) -> None:
    (here / "own.py").write_text(METHOD.format(name="own_one") + METHOD.format(name="own_two"))
    for _ in range(2):
        plugins.load_plugins([here / "own.py"])
    assert {"own-one", "own-two"} <= METHODS.keys()
    assert plugins.plugin_files() == [here / "own.py"]
    assert os.environ[plugins.VARIABLE] == str(here / "own.py")


def test_a_folder_may_have_a_colon_in_its_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "12:30").mkdir()
    files = [here / "12:30" / f"{name}.py" for name in ("own_early", "own_late")]
    for file in files:
        file.write_text(METHOD.format(name=file.stem))
    plugins.load_plugins(files)
    monkeypatch.setattr(plugins, "_LOADED", [])  # as in a process that this one starts
    for file in files:
        del METHODS[file.stem.replace("_", "-")]
    plugins.load_given_plugins()
    assert plugins.plugin_files() == files


@pytest.mark.parametrize(
    "text",
    [
        "",
        '"""Nothing."""',
        METHOD.format(name="undecorated").replace("@register", "# "),
        "from fggp.methods.gmp import gmp\nfrom fggp.methods.registry import register",
    ],
)
@pytest.mark.parametrize("others", [[], ["own.py"]])
def test_a_file_that_registers_no_method_is_refused_in_one_line(
    here: Path, text: str, others: list[str]
) -> None:
    (here / "own.py").write_text(METHOD.format(name="own_one"))
    (here / "empty.py").write_text(text)
    for _ in range(2):
        said = r"empty\.py: registers no method; decorate .*, or take the file out of plugins$"
        with pytest.raises(Failure, match=said) as caught:
            plugins.load_plugins(here / it for it in [*others, "empty.py"])
        assert "\n" not in str(caught.value)
    assert here / "empty.py" not in plugins.plugin_files()
    (here / "empty.py").write_text(METHOD.format(name="own_later"))
    plugins.load_plugins([here / "empty.py"])
    assert "own-later" in METHODS
