"""The site: pages at their places, links that lead somewhere, every public name explained."""

import base64
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from markdown_pages import ROOT

import collect
import links

NOTEBOOK: dict[str, Any] = {
    "cells": [
        {"cell_type": "markdown", "source": ["# A notebook\n", "with text"]},
        {
            "cell_type": "code",
            "source": ["print(1)\n", "plot()"],
            "outputs": [
                {"output_type": "stream", "text": ["1\n"]},
                {"data": {"image/png": base64.b64encode(b"png").decode(), "text/plain": ["<F>"]}},
            ],
        },
    ]
}


def site(tmp_path: Path, **pages: str) -> list[str]:
    for name, body in pages.items():
        path = tmp_path / name.replace("__", "/")
        path = path.with_name(f"{path.name}.html")
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"<html><body>{body}</body></html>")
    return links.dead_links(tmp_path)


def test_a_link_of_the_site_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    here = '<h1 id="top">A</h1><a href="#top">1</a><a href="https://example.org/x">2</a>'
    right = f'{here}<a href="below/index.html#far">3</a><a href="below/">4</a>'
    assert (
        site(tmp_path, index=right, below__index='<p id="far"><a href="../index.html">5</a>') == []
    )
    wrong = '<a href="#no">1</a><a href="below/index.html#no">2</a><img src="no.png">'
    dead = ["index.html: #no", "index.html: below/index.html#no", "index.html: no.png"]
    assert site(tmp_path, index=wrong) == dead
    assert links.main(tmp_path) == 1


def test_a_site_without_pages_is_no_success(tmp_path: Path) -> None:
    assert links.main(tmp_path) == 1


def test_a_notebook_becomes_a_page_with_its_outputs(tmp_path: Path) -> None:
    text = collect.notebook_page(NOTEBOOK, tmp_path / "book.ipynb")
    assert text == (
        "# A notebook\nwith text\n\n```python\nprint(1)\nplot()\n```\n\n```text\n1\n```\n\n"
        "![Figure 1](book-1.png)\n"
    )
    assert (tmp_path / "book-1.png").read_bytes() == b"png"


def test_pages_lie_where_they_do_in_the_repository_with_what_they_link_to(tmp_path: Path) -> None:
    collect.main(tmp_path / "pages")
    for name in ("README.md", "docs/methods.md", "config/README.md", "docs/api/library.md"):
        assert (tmp_path / "pages" / name).is_file(), name
    assert (tmp_path / "pages/slurm/config.yaml").is_file(), "docs/cluster.md links to it"
    assert (tmp_path / "pages/style/site.css").is_file()


def test_every_page_of_the_menu_is_collected_and_every_collected_guide_is_in_it(
    tmp_path: Path,
) -> None:
    collect.main(tmp_path)
    menu = (ROOT / "zensical.toml").read_text()
    listed = {line.split('"')[3] for line in menu.splitlines() if '.md"' in line}
    assert [name for name in listed if not (tmp_path / name).is_file()] == []
    docs = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert docs <= listed


@pytest.mark.parametrize(("page", "package"), [("library", "fggp"), ("pruning", "fggp.pruning")])
def test_the_reference_has_every_public_name(page: str, package: str) -> None:
    text = (ROOT / f"docs/api/{page}.md").read_text()
    names = import_module(package).__all__
    assert [it for it in names if f"{package}.{it}" not in text] == []


def test_notebooks_in_the_repository_are_read() -> None:
    for path in (ROOT / "examples").glob("*.ipynb"):
        assert json.loads(path.read_text())["cells"]
