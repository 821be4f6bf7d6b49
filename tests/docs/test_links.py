"""Every link inside the repository leads to a file that is there, and to a heading that it has."""

import re

import pytest
from markdown_pages import LINKED, ROOT, anchors, links, pages

PAGES = pages(*LINKED)
OUTSIDE = re.compile(r"[a-z][a-z+.-]*:")


def dead(page: str, text: str) -> list[str]:
    """Return the links of a page that lead nowhere."""
    wrong = []
    for link in links(text):
        if OUTSIDE.match(link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name
        there = not name or target.exists()
        if not there or (anchor and anchor not in anchors(target.read_text() if name else text)):
            wrong.append(link)
    return wrong


def test_there_are_pages_with_links_and_anchors() -> None:
    assert {"README.md", "docs/methods.md", "examples/MIGRATING.md"} <= set(PAGES)
    assert "results/reference/mini-folder/README.md" in PAGES
    inside = [link for page in PAGES for link in links((ROOT / page).read_text())]
    assert len([link for link in inside if not OUTSIDE.match(link)]) > 40
    assert len([link for link in inside if "#" in link]) > 20


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    assert dead(page, (ROOT / page).read_text()) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[one](docs/none.md)", ["docs/none.md"]),
        ("[one](docs/cluster.md#arrays)", []),
        ("[one](docs/cluster.md#no-such-heading)", ["docs/cluster.md#no-such-heading"]),
        ("# A `b` & c\n[one](#a-b--c) [two](#a)", ["#a"]),
        ("# A\n# A\n[one](#a-1) [two](#a-2)", ["#a-2"]),
        ("![one](docs/none.png)", ["docs/none.png"]),
        ("`[one](none)` <https://example.org>\n```text\n[two](none)\n```", []),
        ("[one](https://example.org/none) [two](mailto:none)", []),
        ("[one][1]\n\n[1]: none.md", ["none.md"]),
    ],
)
def test_a_dead_link_is_found(text: str, wrong: list[str]) -> None:
    assert dead("README.md", text) == wrong
