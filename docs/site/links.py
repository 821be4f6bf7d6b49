"""Check that the links inside a built site lead to existing pages, files and anchors.

Needs only the standard library.
usage: python docs/site/links.py FOLDER
"""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

NAMED = {"a": "href", "img": "src", "link": "href", "script": "src"}


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links and anchors."""
        values = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := values.get(key))}
        if link := values.get(NAMED.get(tag, "")):
            self.links.append(link)


def dead_links(site: Path) -> list[str]:
    """Return the links that lead nowhere, each as "page: link"."""

    @cache
    def page(path: Path) -> Page:
        return Page(path.read_text(encoding="utf-8"))

    dead = []
    for path in sorted(site.rglob("*.html")):
        if path.name == "404.html":
            continue  # its links begin at the root of a server
        for link in page(path).links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path.parent / unquote(parts.path) if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment)
            if not target.is_file() or (
                anchor and target.suffix == ".html" and anchor not in page(target).anchors
            ):
                dead.append(f"{path.relative_to(site)}: {link}")
    return dead


def main(site: Path) -> int:
    """Print dead links; return 1 if there are any, or if there are no pages."""
    dead, pages = dead_links(site), len([*site.rglob("*.html")])
    for line in dead:
        print(f"dead link: {line}", file=sys.stderr)
    print(f"{site}: {pages} pages, {len(dead)} dead links inside the site")
    return 1 if dead or not pages else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
