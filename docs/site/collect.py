"""Collect the pages of the documentation site, each at its place in the repository.

So the relative links between pages work as they do on a code host. Files that pages link to or
show are also copied; notebooks become pages. Needs only the standard library.
usage: python docs/site/collect.py FOLDER
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "config/README.md", "figures/README.md"),
    *("docs/*.md", "docs/api/*.md", "examples/*.md", "benchmarks/README.md"),
    *("benchmarks/reference/*.md", "results/reference/*/README.md"),
)
NOTEBOOKS = ("examples/*.ipynb",)
LINK = re.compile(r"(\[(?:[^\[\]]|\[[^\]]*\])*\])\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def main(folder: Path) -> None:
    """Fill a folder, which is emptied first, with the pages and the files that they link to."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in _found(PAGES)}
    for path in _found(NOTEBOOKS):
        name = path.relative_to(ROOT)
        pages[name.with_suffix(".md")] = notebook_page(json.loads(path.read_text()), folder / name)
    files: set[Path] = set()
    for name, text in pages.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_with_links(name, text, set(pages), files), encoding="utf-8")
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    shutil.copytree(ROOT / "docs/site/style", folder / "style")


def notebook_page(content: dict[str, Any], place: Path) -> str:
    """Return a notebook as Markdown; its pictures are written next to ``place``."""
    parts: list[str] = []
    for cell in content["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            shown = output.get("data", {})
            text = output.get("text") or shown.get("text/plain") or ()
            if "image/png" in shown:
                number = sum("![" in part for part in parts) + 1
                picture = place.with_name(f"{place.stem}-{number}.png")
                picture.parent.mkdir(parents=True, exist_ok=True)
                picture.write_bytes(base64.b64decode("".join(shown["image/png"])))
                parts.append(f"![Figure {number}]({picture.name})")
            elif text:
                parts.append(f"```text\n{''.join(text).rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def _found(patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(ROOT.glob(pattern))


def _with_links(name: Path, text: str, pages: set[Path], files: set[Path]) -> str:
    """Return a page whose links lead to pages, or to files, which are added to ``files``."""

    def placed(found: re.Match[str]) -> str:
        words, link, anchor = found[1], found[2], found[3] or ""
        target = (ROOT / name.parent / link).resolve()
        if not target.is_relative_to(ROOT) or not target.exists():
            return found[0]  # a page made here, such as that of a notebook, or a dead link
        inside = target.relative_to(ROOT)
        if target.is_dir():
            # A folder is replaced by its page; without a page, the link is removed.
            index = inside / "README.md"
            return (
                f"{words}({link.rstrip('/')}/README.md{anchor})" if index in pages else words[1:-1]
            )
        if inside.with_suffix(".md") in pages and inside.suffix == ".ipynb":
            return f"{words}({link.removesuffix('.ipynb')}.md{anchor})"
        if inside not in pages:
            files.add(inside)
        return found[0]

    parts = FENCED.split(text)  # the text between blocks of code, and the blocks
    return "".join(part if k % 2 else LINK.sub(placed, part) for k, part in enumerate(parts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
