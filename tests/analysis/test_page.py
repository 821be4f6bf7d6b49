import hashlib
import re
import shutil
import tomllib
from base64 import b64decode
from fnmatch import fnmatch
from itertools import product
from pathlib import Path

import pytest
from fabricate import analysed
from markup import Element, csvs, heads, parsed, rows, table
from once import made_once
from pandas import DataFrame

import fggp
from fggp.analysis.collect.runs_csv import read_runs
from fggp.analysis.figures import FIGURES
from fggp.analysis.page import HERE, page, write_page
from fggp.analysis.page.contents import RESAMPLES
from fggp.analysis.page.facts import finding
from fggp.analysis.plan import default_plan
from fggp.analysis.tables import tabulate, write_table
from fggp.analysis.tables.comparisons import comparisons
from fggp.analysis.tables.formats import Table
from fggp.cli import main
from fggp.foundation.errors import ResultError

pytestmark = pytest.mark.long

GRID = {
    "backbones": {"vgg19": {}, "resnet50": {"width": "1/8"}},
    "seeds": [1, 2, 3, 4, 5],
    "methods": {"dense": {}, "random": {}, "rigl": {}, "gmp": {}, "granet": {}, "fggp": {}},
    "description": "Two backbones",
}
KEYS = (("", "vgg19", "resnet50"), ("", "0.9", "0.95"), ("", "0", "0.5", "any"))
PARTS = list(product(*KEYS))
QUICK = PARTS[::5]  # each key at least once
BY_PART = ("ranking", "ranking_all", "comparisons")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with its page; not to be changed."""

    def make(path: Path) -> None:
        write_page(analysed(path / "small", **GRID))

    return made_once(tmp_path_factory, "pages", make) / "small"


@pytest.fixture(scope="module")
def root(folder: Path) -> Element:
    return parsed((folder / "page.html").read_text())


def part_of(runs: DataFrame, backbone: str, sparsity: str, start: str) -> DataFrame:
    """The trainings of a part, said once more in words of its own."""
    dense, one = runs["label"] == "dense", runs["starts"] == "one"
    kept = dense | True
    if backbone:
        kept &= runs["backbone"] == backbone
    if sparsity:
        kept &= dense | (runs["sparsity"] == float(sparsity))
    if start == "any":
        kept &= dense | one
    elif start:
        kept &= dense | one | (runs["initial_sparsity"] == float(start))
    return runs[kept]


def file_of(backbone: str, sparsity: str, start: str) -> str:
    signs = {"": "", "0.9": "s90", "0.95": "s95", "0": "i0", "0.5": "i50", "any": "iany"}
    parts = [backbone, signs[sparsity], signs[start]]
    return f"small-{'-'.join(filter(None, parts)) or 'all'}"


def exact(made: Table) -> str:
    return made.data.to_csv(index=False, lineterminator="\n")


def view_of(root: Element, backbone: str, sparsity: str, start: str) -> Element:
    asked = {"data-backbone": backbone, "data-sparsity": sparsity, "data-start": start}
    found = next(root.all("div", id="view")) if not any(asked.values()) else None
    return found or root.first("template", **asked)


def test_the_page_of_the_whole_study_has_the_numbers_of_the_tables(
    folder: Path, root: Element, tmp_path: Path
) -> None:
    again = shutil.copytree(folder, tmp_path / "small")
    found = csvs(root, templates=False)
    names = {"ranking": "small-all.csv"} | {
        name: f"small-all-{name}.csv"
        for name in ("ranking_all", "comparisons", "settings", "per_setting")
    }
    names |= {name: f"small-{name}.csv" for name in ("claims", "costs", "provenance")}
    assert set(found) == set(names.values())
    for name, file in names.items():
        write_table(name, again)
        assert found[file] == (again / f"tables/{name}.csv").read_text(), name


@pytest.mark.parametrize(
    "part",
    [pytest.param(it, marks=() if it in QUICK else pytest.mark.slow) for it in PARTS],
    ids="-".join,
)
def test_every_part_has_the_numbers_that_the_tables_give_for_its_trainings(
    folder: Path, root: Element, part: tuple[str, str, str]
) -> None:
    fewer = {} if part == ("", "", "") else {"resamples": RESAMPLES}
    plan = default_plan().model_copy(update=fewer)
    runs = part_of(read_runs(folder), *part)
    view = view_of(root, *part)
    held = csvs(view)
    for name in BY_PART:
        made = tabulate(name, runs, plan)
        file = file_of(*part) + (".csv" if name == "ranking" else f"-{name}.csv")
        if made.data.empty:
            assert file not in held
        else:
            assert held[file] == exact(made)
        assert made.note in view.text


def test_there_is_a_part_for_every_choice_and_no_other(root: Element) -> None:
    kinds = ("data-backbone", "data-sparsity", "data-start")
    found = [tuple(it[kind] for kind in kinds) for it in root.all("template")]
    assert sorted(found) == sorted(set(PARTS) - {("", "", "")})
    for kind, keys in zip(("backbone", "sparsity", "start"), KEYS, strict=True):
        select = root.first("select", name=kind)
        assert tuple(it["value"] for it in select.all("option")) == keys
        assert root.first("label", **{"for": kind}).text == kind.capitalize()


def test_what_is_shown_is_the_text_of_the_tables(folder: Path, root: Element) -> None:
    runs, plan = read_runs(folder), default_plan()
    captions = {
        "ranking": "Average rank over backbone, sparsity and start: all settings",
        "ranking_all": "Average rank over backbone and sparsity",
        "comparisons": "fggp minus each rival, mean",
        "settings": "Every method in every setting",
        "per_setting": "fggp minus each rival inside",
        "claims": "Claims",
        "costs": "Cost of the trainings",
        "provenance": "Machines and versions",
    }
    for name, caption in captions.items():
        made, shown = tabulate(name, runs, plan), table(root, caption)
        texts = made.shown.to_dict("records")
        assert len(rows(shown)) == len(texts) > 0
        for row, wanted in zip(rows(shown), texts, strict=True):
            both = row.keys() & wanted.keys()
            assert len(both) >= len(wanted) - 5, (name, heads(shown))
            assert {head: row[head] for head in both} == {head: wanted[head] for head in both}


def test_every_ranking_and_comparison_says_how_many_settings_and_seeds(root: Element) -> None:
    for caption in ("Average rank over backbone, s", "Average rank over backbone a", "fggp minus"):
        shown = rows(table(root, caption))
        assert {row["seeds"] for row in shown} == {"5"}
        assert {row["settings"] for row in shown} <= {"4", "8"}
    assert {row["n"] for row in rows(table(root, "Every method"))} == {"5"}
    assert {row["seeds"] for row in rows(table(root, "fggp minus each rival inside"))} == {"5"}


def test_a_p_stands_beside_the_smallest_that_is_possible(root: Element) -> None:
    over, inside = (table(root, f"fggp minus each rival{it}") for it in (", mean", " inside"))
    assert {"Wilcoxon p (smallest)", "Holm p (smallest)"} <= set(heads(over))
    assert {row["smallest p of ranks"] for row in rows(inside)} == {"0.062"}


def test_best_and_not_separable_are_marked_as_in_the_tables(folder: Path, root: Element) -> None:
    made = tabulate("settings", read_runs(folder), default_plan())
    shown = table(root, "Every method in every setting")
    texts = [row["accuracy (%)"] for row in rows(shown)]
    for tag, marked in (("strong", made.bold), ("u", made.underlined)):
        marks = marked["accuracy (%)"]
        wanted = [text for text, mark in zip(texts, marks, strict=True) if mark]
        assert [it.text for it in shown.all(tag)] == wanted
        assert wanted


def test_rows_of_settings_know_the_parts_that_they_stand_in(folder: Path, root: Element) -> None:
    runs = read_runs(folder)
    lines = list(table(root, "Every method in every setting").all("tr", **{}))
    lines = [line for line in lines if "data-csv" in line.attributes]
    for part in PARTS:
        held = part_of(runs, *part).drop_duplicates(["backbone", "sparsity", "start", "label"])
        wanted = held["backbone"] + " " + held["label"] + " " + held["sparsity"].astype(str)
        found = [
            f"{line['data-backbone']} {name} {line['data-csv'].split(',')[1]}"
            for line in lines
            for name in [line["data-csv"].split(",")[4]]
            if all(
                key == "" or key in line[f"data-{kind}"].split()
                for kind, key in zip(("backbone", "sparsity", "start"), part, strict=True)
            )
        ]
        assert sorted(found) == sorted(wanted), part


def test_the_page_opens_with_its_finding_and_the_n_of_it(root: Element, tmp_path: Path) -> None:
    said = root.first("p", **{"class": "finding"}).text
    assert re.match(r"fggp, with average rank \d\.\d\d \((shared )?place \d of 3 methods\)", said)
    assert "over 8 settings, n = 5 seeds, is " in said
    assert said.endswith("(Wilcoxon's test over settings, Holm, alpha 0.05).")
    few = parsed(page(analysed(tmp_path / "few"))).first("p", **{"class": "finding"}).text
    assert "n = 2 seeds; fewer than 3 seeds decide nothing" in few
    alone = analysed(tmp_path / "alone", methods={"dense": {}, "gmp": {}})
    words = parsed(page(alone)).first("p", **{"class": "finding"}).text
    assert words.startswith("Nothing is decided. ")


def test_a_finding_names_whom_the_test_separates(tmp_path: Path) -> None:
    order = {"dense": 950, "fggp": 940, "gmp": 920, "granet": 945}
    folder = analysed(
        tmp_path, lambda cell: order[cell.label] + cell.seed % 2, seeds=[1, 2, 3],
        backbones={"vgg19": {}, "resnet50": {}}, sparsities=[0.9, 0.95, 0.98],
        methods={name: {} for name in order},
    )  # fmt: skip
    data = comparisons(read_runs(folder), default_plan()).set_index("rival")
    assert (data["wilcoxon_p_holm"] < 0.05).all()
    said = finding(read_runs(folder), default_plan())
    assert "average rank 2.00 (place 2 of 3 methods) over 12 settings, n = 3 seeds" in said
    assert "is better than gmp, worse than granet (" in said


def test_the_head_says_size_data_and_plan(root: Element) -> None:
    said = dict(zip(*([it.text for it in root.all(tag)] for tag in ("dt", "dd")), strict=True))
    assert root.first("h1").text == "small"
    assert said["Trainings"] == "170 of 170, 5 seeds"
    assert said["Data"].startswith("digits (digits), 1000 test images, SHA-256 dddddddddddd")
    assert all(word in said["Plan"] for word in ("alpha 0.05", "0.1 points", "ROPE", "last epoch"))
    assert not list(root.all("p", **{"class": "mark"}))
    assert re.search(
        r"80% power a mean difference .* at least 0\.\d\d to 0\.\d\d points", root.text
    )


def test_an_unfinished_study_says_so_loudly(tmp_path: Path) -> None:
    folder = analysed(tmp_path, partial=True, skip=lambda cell: cell.id.endswith("gmp/seed2"))
    root = parsed(page(folder))
    first, part, few = [it.text for it in root.all("p", **{"class": "mark"})]
    assert first == "PARTIAL: results are missing"
    assert part.endswith("of every label, and leaves 7 other results out.")
    assert few.startswith("n = 1 seed: values only")
    assert root.first("dd").text == "18 of 22, 2 seeds"


def test_a_study_without_any_result_is_told_and_no_failure(tmp_path: Path) -> None:
    root = parsed(page(analysed(tmp_path, partial=True, skip=lambda cell: True)))
    assert root.first("dd").text == "0 of 22, 2 seeds"
    assert "Nothing to rank" in root.text
    assert "Nothing to show" in root.text
    assert not list(root.all("select"))


def test_a_study_of_one_setting_has_nothing_to_choose(tmp_path: Path) -> None:
    small = {"sparsities": [0.9], "initial_sparsities": [0], "seeds": [1]}
    methods = {"dense": {}, "gmp": {}, "fggp": {}}
    root = parsed(page(analysed(tmp_path, **small, methods=methods)))
    assert not list(root.all("select"))
    assert not list(root.all("template"))
    assert [row["method"] for row in rows(table(root, "Average rank"))][-1] == "dense (reference)"
    assert "not computable: 1 seed" in root.text


def test_a_part_without_rivals_says_that_there_is_nothing_to_rank(tmp_path: Path) -> None:
    folder = analysed(tmp_path, methods={"dense": {}, "fggp": {}})
    view = view_of(parsed(page(folder)), "", "0.95", "0")
    assert "Nothing to rank" in view.text
    assert "Nothing to compare" in view.text


def test_signs_of_markup_in_names_stay_text(tmp_path: Path) -> None:
    hostile = '</script><script>document.title="no"</script><b>&amp; "it\'s"'
    folder = analysed(tmp_path, description=hostile)
    runs = folder / "runs.csv"
    label = hostile.replace('"', '""')
    runs.write_text(runs.read_text().replace(",gmp,gmp,", f',"{label}",gmp,'))
    root = parsed(page(folder))
    assert root.first("p", **{"class": "lead"}).text == hostile
    assert hostile in [row["method"] for row in rows(table(root, "Average rank"))]
    assert len(list(root.all("script"))) == 1
    assert not list(root.all("b"))


def test_the_same_results_give_the_same_bytes(folder: Path) -> None:
    assert page(folder).encode() == (folder / "page.html").read_bytes()


def test_the_page_needs_no_network_and_runs_nothing_but_its_own_script(root: Element) -> None:
    for element in root.all(""):
        for name in ("src", "href"):
            address = element.attributes.get(name, "#")
            assert address[0] == "#" or address.startswith(("data:image/", "data:text/csv;")), (
                address
            )
        assert not [name for name in element.attributes if name.startswith("on")]
        assert "style" not in element.attributes
    policy = root.first("meta", **{"http-equiv": "Content-Security-Policy"})["content"]
    allowed = dict(re.findall(r"(script|style)-src '(.*?)'", policy))
    assert policy.startswith("default-src 'none';")
    for tag in ("script", "style"):
        digest = hashlib.sha256(root.first(tag).text.encode()).digest()
        assert b64decode(allowed[tag].removeprefix("sha256-")) == digest
    assert "http" not in root.first("script").text
    assert "url(" not in root.first("style").text


def test_figures_that_are_there_are_shown_under_their_heads_with_words_for_all(
    root: Element, tmp_path: Path
) -> None:
    assert not list(root.all("img"))
    folder = analysed(tmp_path, sparsities=[0.9], initial_sparsities=[0])
    (folder / "figures").mkdir()
    contents = {
        "seed_pairs.png": b"picture", "forest.png": b"long picture", "forest.svg": b"<svg/>",
        "forest.pdf": b"", "forest.rst": b"Shows it.\n\nThe ``fggp`` of n = 2 seeds.\n",
    }  # fmt: skip
    for name, content in contents.items():
        (folder / "figures" / name).write_bytes(content)
    root = parsed(page(folder))
    shown = {it["alt"]: it["src"].partition(";base64,") for it in root.all("img")}
    assert {alt: (form, b64decode(held)) for alt, (form, _, held) in shown.items()} == {
        FIGURES["forest"].alt: ("data:image/svg+xml", b"<svg/>"),  # the smaller one
        FIGURES["seed_pairs"].alt: ("data:image/png", b"picture"),
    }
    captions = [it.text for it in root.all("figcaption")]
    assert "The fggp of n = 2 seeds." in captions[0]
    assert "figures/forest (.pdf, .png, .rst, .svg)" in captions[0]
    titles = [it.text for it in root.all("h2")]
    assert titles[-4:-2] == ["Results in figures", "Diagnostics in figures"]
    assert titles[-2:] == ["Costs", "Provenance"]


def test_tables_and_controls_are_made_for_readers_who_do_not_see_them(root: Element) -> None:
    assert root.first("html")["lang"] == "en"
    for found in root.all("table"):
        assert found.first("caption").text
        assert {cell["scope"] for cell in found.all("th")} <= {"col", "row", "rowgroup"}
        for line in found.first("thead").all("tr"):
            assert not list(line.all("td"))
        for group in found.all("tbody"):
            assert all(
                next(line.all("th"))["scope"] in ("row", "rowgroup") for line in group.all("tr")
            )
    for region in root.all("div", role="region"):
        assert region["tabindex"] == "0"
        assert region["aria-label"]
    ids = [it["id"] for it in root.all("", templates=False) if "id" in it.attributes]
    assert len(ids) == len(set(ids))
    for link in root.all("a", templates=False):
        if link["href"].startswith("#"):
            assert link["href"][1:] in ids


def test_text_stands_out_in_the_light_and_in_the_dark() -> None:
    css = (HERE / "page.css").read_text()
    light, dark, _ = (
        dict(re.findall(r"--([a-z-]+): (#\w+);", it)) for it in css.split(":root {")[1:]
    )
    for colours in (light, dark):
        for ink in ("ink", "quiet", "link"):
            assert contrast(colours[ink], colours["paper"]) >= 4.5
        assert contrast(colours["loud"], colours["loud-band"]) >= 4.5
        assert contrast(colours["ink"], colours["band"]) >= 4.5


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2: from 1 to 21."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in shares]
    return sum(weight * it for weight, it in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_an_installed_package_has_every_file_of_the_page() -> None:
    root = Path(fggp.__file__).parent
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    patterns = pyproject["tool"]["setuptools"]["package-data"]["fggp"]
    files = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    data = [name for name in files if not name.endswith((".py", ".pyc"))]
    assert {"analysis/page/page.html", "analysis/page/page.js"} <= set(data)
    assert not [name for name in data if not any(fnmatch(name, it) for it in patterns)]


def test_the_command_line_writes_the_page_of_an_aggregated_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = analysed(tmp_path / "small", sparsities=[0.9], initial_sparsities=[0], seeds=[1])
    assert main(["page", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}/page.html\n"
    (folder / "runs.csv").unlink()
    assert main(["page", str(folder)]) == 1
    assert "runs.csv: missing; write it with `fggp aggregate" in capsys.readouterr().err
    with pytest.raises(ResultError, match=r"cells\.json: not the list of a study's cells"):
        write_page(tmp_path / "nowhere")
