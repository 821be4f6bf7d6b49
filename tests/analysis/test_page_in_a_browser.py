import json
from itertools import product
from pathlib import Path

import pytest
from analysed_study import Analysed
from browser import needs_browser, probed, shown
from fabricate import analysed
from markup import Element, csvs, parsed, rows, table

from fggp.analysis.catalogue import FIGURES
from fggp.analysis.page import write_page

pytestmark = [needs_browser, pytest.mark.long]

POLICY = {"http-equiv": "Content-Security-Policy"}

KEYS = {
    "backbone": ("vgg19", "resnet50"),
    "sparsity": ("0.9", "0.95"),
    "start": ("0", "0.5", "any"),
}
NAMES = {"0.9": "s90", "0.95": "s95", "0": "i0", "0.5": "i50", "any": "iany"}
SETTINGS = "Every method in every setting"
INSIDE = "fggp minus each rival inside"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = analysed(
        tmp_path_factory.mktemp("pages") / "small",
        description="A description that is long enough to need several lines where room is scarce",
        backbones={"vgg19": {}, "resnet50": {"width": "1/8"}},
        seeds=[1, 2, 3, 4, 5],
        methods={"dense": {}, "random": {}, "gmp": {}, "granet": {}, "fggp": {}},
    )
    return write_page(folder)[0]


def template(page: Path, **part: str) -> Element:
    asked = {f"data-{kind}": part.get(kind, "") for kind in KEYS}
    return parsed(page.read_text()).first("template", **asked)


def test_an_address_with_a_part_shows_that_part_and_no_other(page: Path, tmp_path: Path) -> None:
    found = shown(page, tmp_path, fragment="#backbone=vgg19&sparsity=0.95&start=0.5")
    assert found.first("p", id="status").text == "Shown: vgg19, 95 %, 50 % sparse start."
    wanted = template(page, backbone="vgg19", sparsity="0.95", start="0.5")
    view = found.first("div", id="view")
    for caption in ("Average rank over backbone, s", "Average rank over backbone a", "fggp minus"):
        assert rows(table(view, caption)) == rows(table(wanted, caption))
    assert {row["method"] for row in rows(table(found, SETTINGS))} == {
        *("dense", "random", "gmp", "granet", "fggp")
    }
    assert len(rows(table(found, SETTINGS))) == 5
    assert {row["setting"] for row in rows(table(found, INSIDE))} == {
        *("vgg19, 95 %, 50 % sparse start", "vgg19, 95 %")
    }
    assert "small-vgg19-s95-i50-settings.csv" in csvs(found, templates=False)


def test_without_a_part_everything_is_shown_and_can_be_chosen(page: Path, tmp_path: Path) -> None:
    found = shown(page, tmp_path)
    still = parsed(page.read_text())
    assert "hidden" not in found.first("form").attributes
    for caption in (
        "Average rank over backbone, s",
        "fggp minus each rival, mean",
        SETTINGS,
        INSIDE,
    ):
        assert rows(table(found, caption)) == rows(table(still, caption))
    assert csvs(found, templates=False) == csvs(still, templates=False)


def test_every_part_that_is_chosen_by_hand_has_its_csv_and_is_put_into_the_address(
    page: Path, tmp_path: Path
) -> None:
    parts = [
        dict(zip(KEYS, keys, strict=True)) for keys in product(*(("", *it) for it in KEYS.values()))
    ]
    copy = probed(
        page,
        f"""
        const form = document.getElementById("parts"), found = [];
        for (const part of {json.dumps(parts)}) {{
          for (const kind in part) form.elements[kind].value = part[kind];
          form.dispatchEvent(new Event("change"));
          const links = [...document.querySelectorAll("a[download]")];
          const shown = [...document.querySelectorAll("tbody tr[data-csv]")]
            .filter((row) => row.offsetParent !== null).length;
          found.push([location.hash, shown, links.map((link) => [link.download, link.href])]);
        }}
        const pre = document.createElement("pre");
        pre.textContent = JSON.stringify(found);
        document.body.replaceChildren(pre);
        """,
        page.with_name("probe.html"),
    )
    found = json.loads(shown(copy, tmp_path).first("pre").text)
    still = parsed(page.read_text())
    whole = {
        name: [line for line in table(still, caption).all("tr") if "data-csv" in line.attributes]
        for name, caption in (("settings", SETTINGS), ("per_setting", INSIDE))
    }
    first = {name: csvs(still)[f"small-all-{name}.csv"].splitlines(True)[0] for name in whole}
    assert len(found) == len(parts) == 36
    for part, (address, visible, links) in zip(parts, found, strict=True):
        query = "&".join(f"{kind}={key}" for kind, key in part.items() if key)
        assert address == (f"#{query}" if query else "")
        name = "-".join(NAMES.get(key, key) for key in part.values() if key) or "all"
        held = csvs(Element("", {}, [Element("a", {"download": a, "href": b}) for a, b in links]))
        stood = 0
        for which, lines in whole.items():
            inside = [
                line["data-csv"]
                for line in lines
                if all(not key or key in line[f"data-{kind}"].split() for kind, key in part.items())
            ]
            stood += len(inside)
            assert held[f"small-{name}-{which}.csv"] == "".join([first[which], *inside]), part
        assert visible == stood, part
        if name != "all":
            wanted = csvs(template(page, **part))
            assert wanted.items() <= held.items(), part


def test_an_address_that_names_what_is_not_there_shows_all_and_says_so(
    page: Path, tmp_path: Path
) -> None:
    found = shown(page, tmp_path, fragment="#backbone=alexnet&start=0")
    said = found.first("p", id="status").text
    assert said == "There is no backbone alexnet to choose here. Shown: dense start."


def test_without_javascript_the_page_shows_all_settings(page: Path, tmp_path: Path) -> None:
    frame = page.with_name("frame.html")
    # A frame that may not run scripts, read by a page that may.
    frame.write_text(
        """<!doctype html><html><body><pre></pre>
        <iframe sandbox="allow-same-origin" src="page.html#start=0"></iframe><script>
        document.querySelector("iframe").addEventListener("load", (event) => {
          const root = event.target.contentDocument.documentElement;
          const shown = (name) => root.querySelector(name).offsetParent !== null;
          document.querySelector("pre").textContent = JSON.stringify(
            [shown("form"), shown("noscript p"), root.outerHTML]);
        });
        </script></body></html>"""
    )
    text = shown(frame, tmp_path, "--allow-file-access-from-files").first("pre").text
    form, words, html = json.loads(text)
    assert (form, words) == (False, True)
    found = parsed(html)
    still = parsed(page.read_text())
    assert rows(table(found, SETTINGS)) == rows(table(still, SETTINGS))
    assert found.first("p", id="status").text == "Shown: all settings."
    assert "small-all.csv" in csvs(found, templates=False)


@pytest.mark.parametrize("fragment", ["", "#backbone=resnet50&start=0"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_never_scrolls_sideways_and_tables_do(
    page: Path, tmp_path: Path, width: int, fragment: str
) -> None:
    probed(
        page,
        """
        addEventListener("load", () => {
          const root = document.documentElement;
          const tables = [...document.querySelectorAll(".scroll")];
          const wide = tables.filter((it) => it.scrollWidth > it.clientWidth).length;
          const past = [...document.body.querySelectorAll("body > *, main > *")].filter(
            (it) => it.getBoundingClientRect().right > root.clientWidth && it.className !== "skip");
          parent.postMessage([root.clientWidth, root.scrollWidth, wide, past.length], "*");
        });
        """,
        page.with_name("probe.html"),
    )
    frame = page.with_name("frame.html")
    frame.write_text(
        f"""<!doctype html><html><body><pre></pre><script>
        addEventListener("message", (event) => {{
          document.querySelector("pre").textContent = JSON.stringify(event.data);
        }});
        </script><iframe width="{width}" height="800" style="border: 0"
        src="probe.html{fragment}"></iframe></body></html>"""
    )
    found = shown(frame, tmp_path).first("pre").text
    room, needed, wide, past = json.loads(found)
    assert room in range(width - 20, width + 1)  # a scroll bar may take some
    assert (needed, past) == (room, 0)
    assert (wide > 0) or width == 1280


def test_on_paper_there_are_no_controls_and_no_table_is_cut(page: Path, tmp_path: Path) -> None:
    probed(
        page,
        """
        addEventListener("load", () => {
          const room = document.documentElement.clientWidth;
          const pre = document.createElement("pre");
          pre.textContent = JSON.stringify([
            room,
            ["nav", "form", ".csv"].filter((name) => document.querySelector(name).offsetParent),
            [...document.querySelectorAll(".scroll")].map((it) => getComputedStyle(it).overflow),
            [...document.querySelectorAll("table")].map((it) => it.getBoundingClientRect().right),
            [...document.querySelectorAll("tbody tr")].filter((it) => !it.offsetParent).length,
          ]);
          document.body.prepend(pre);
        });
        """,
        page.with_name("paper.html"),
    )
    paper = page.with_name("paper.html")
    paper.write_text(paper.read_text().replace("@media print", "@media all"))
    found = shown(paper, tmp_path, "--window-size=1032,800").first("pre").text  # A4, 12 mm off
    room, controls, overflow, right, hidden = json.loads(found)
    assert (controls, set(overflow), hidden) == ([], {"visible"}, 0)
    assert max(right) <= room


def test_what_a_description_or_a_label_holds_is_never_run(tmp_path: Path) -> None:
    hostile = '</script><script>document.title="run"</script><img src=x onerror="document.title=1">'
    folder = analysed(tmp_path / "study", description=hostile)
    runs = folder / "runs.csv"
    label = hostile.replace('"', '""')
    runs.write_text(runs.read_text().replace(",gmp,gmp,", f',"{label}",gmp,'))
    found = shown(write_page(folder)[0], tmp_path, fragment="#start=0")
    assert found.first("title").text == f"study: {hostile}"
    assert not list(found.all("img"))
    assert hostile in [row["method"] for row in rows(table(found, "Average rank over backbone, s"))]


def test_the_page_alone_in_an_empty_folder_shows_every_figure(
    analysed_once: Analysed, tmp_path: Path
) -> None:
    (tmp_path / "alone").mkdir()
    copy = probed(
        analysed_once.out / "page.html",
        """
        addEventListener("load", () => {
          const pre = document.createElement("pre");
          pre.textContent = JSON.stringify([...document.images].map(
            (it) => [it.alt, it.complete && it.naturalWidth > 100 && it.offsetWidth > 100]));
          document.body.prepend(pre);
        });
        """,
        tmp_path / "alone/page.html",
    )
    assert [path.name for path in copy.parent.iterdir()] == ["page.html"]
    found = dict(json.loads(shown(copy, tmp_path).first("pre").text))
    assert found == {it.alt: True for it in FIGURES.values()}
    policy = parsed((analysed_once.out / "page.html").read_text()).first("meta", **POLICY)
    assert "img-src data:;" in policy["content"]


@pytest.mark.parametrize("width", [360, 1280])
def test_the_filter_stays_in_sight(page: Path, tmp_path: Path, width: int) -> None:
    probed(
        page,
        """
        addEventListener("load", () => {
          const form = document.getElementById("parts");
          const found = [0.3, 0.6, 1].map((share) => {
            scrollTo(0, share * document.documentElement.scrollHeight);
            const box = form.getBoundingClientRect();
            return [scrollY > 500, box.top, box.height];
          });
          parent.postMessage(found, "*");
        });
        """,
        page.with_name("probe.html"),
    )
    frame = page.with_name("frame.html")
    frame.write_text(
        f"""<!doctype html><html><body><pre></pre><script>
        addEventListener("message", (event) => {{
          document.querySelector("pre").textContent = JSON.stringify(event.data);
        }});
        </script><iframe width="{width}" height="800" style="border: 0"
        src="probe.html"></iframe></body></html>"""
    )
    for scrolled, top, height in json.loads(shown(frame, tmp_path).first("pre").text):
        assert scrolled
        assert top == 0
        assert height < 160  # of 800: what is filtered has most of the room
