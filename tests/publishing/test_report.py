"""The texts with numbers come from files, and say what those say."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from fabricate import analysed, grid
from once import made_once

from fggp.analysis.catalogue import FIGURES, TABLES
from fggp.analysis.collect.aggregate import aggregate
from fggp.analysis.page import environment
from fggp.analysis.plan import default_plan
from fggp.analysis.tables import write_table
from fggp.cli import main
from fggp.foundation.errors import Failure
from fggp.foundation.quantities import duration
from fggp.publishing.check.study import check
from fggp.publishing.report import readme, report
from fggp.publishing.report.training_conditions import conditions, networks
from fggp.study.config import cells

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TEMPLATES = sorted(set((DOCS / "templates").glob("*.j2")) - {DOCS / "templates" / report.STUDY})
STUDIES = sorted(path.parent for path in (ROOT / "results/reference").glob("*/cells.json"))
SOURCES = (
    *("README.md", "pyproject.toml"),
    *("docs", "config", "results/reference", "benchmarks/reference"),
)
"""The files and folders from which the pages are written, apart from the tables."""
STEPS: list[dict[str, str]] = yaml.safe_load((DOCS / "steps.yaml").read_text())
MEASURED: dict[str, Any] = {
    "machine": {"processor": "a processor", "cores": 2, "system": "Linux", "python": "3.11.0"},
    "steps": [
        {
            "id": step["id"],
            "command": step["command"],
            "date": "2026-11-22",
            "seconds": 100.0 * number,
            "cpu_seconds": 77.0,
            "peak_memory_mb": 321,
            "disk_mb": 12.0,
            "load_before": 0.5,
        }
        for number, step in enumerate(STEPS, start=1)
    ],
}


@pytest.fixture
def root(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two made-up studies, to change."""
    made = made_once(tmp_path_factory, "repository", with_studies)
    return shutil.copytree(made, tmp_path / "repository")


def with_studies(path: Path) -> None:
    path.mkdir()
    measured = [
        f"benchmarks/reference/{it}"
        for it in ("inference.csv", "inference.md", "inference-two-threads.csv")
    ]
    for name in (
        "pyproject.toml",
        "docs/templates",
        "docs/authors-comparison.md",
        "docs/steps.yaml",
        "README.md",
        "config",
        *measured,
    ):
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    declared = default_plan().default_reading
    for study, other in ((declared.study, "fggp-active"), (declared.confirm, "fggp-kept")):
        pools = ["active", "kept"] if study == declared.confirm else ["kept", "active"]
        methods = {"dense": {}, "fggp": {"pool": pools[0]}}
        methods[other] = {"method": "fggp", "pool": pools[1]}
        analysed(path / "figures" / study, methods=methods)
    made = path / "results/reference/made"
    analysed(made, partial=True, skip=lambda cell: cell.seed == 2)
    tables = path / "figures/made/tables"
    aggregate(made, tables.parent, partial=True)
    for name in ("ranking", "ranking_all", "power", "comparisons", "claims"):
        write_table(name, tables.parent)
    (tables / "ranking.md").write_text("| method |\n|---|\n| fggp |\n\nA caption.\n")
    (path / "docs/measured.json").write_text(json.dumps(MEASURED))


def texts(root: Path) -> list[Path]:
    return [path for path in report.write_reports(root) if path.suffix == ".md"]


def test_every_template_is_filled_in_from_files_alone(root: Path) -> None:
    found = texts(root)
    made = root / "results/reference/made/README.md"
    pages = {root / report.page_of(path.name) for path in TEMPLATES}
    assert set(found) == {made, root / "README.md", *pages}
    written = {path.name: path.read_text() for path in found}
    for text in written.values():
        assert "{{" not in text
        assert "{%" not in text
        assert "make report" in text
    told = written["reproducibility-report.md"]
    assert "| FGGP has the highest ranking over all settings | undecided |" in told
    assert "| fggp |" in told
    assert "A caption" not in told
    assert "11 of 22 trainings" in told.replace("**", "")
    assert "| fggp-active | pool active" in written["fidelity.md"]
    appendix = written["artifact-appendix.md"]
    for step in MEASURED["steps"]:
        shows = next(it["shows"] for it in STEPS if it["id"] == step["id"])
        assert (
            f"| {shows} | `{step['command']}` | {duration(step['seconds'])} | 77 s | 321 MB"
            in appendix
        )
    hours = 11 * 60.5 / 3600
    assert f"{hours:.1f} hours" in appendix


def test_each_claim_is_told_from_the_study_that_decides_it(root: Path) -> None:
    """A study that decides nothing has a line in the table; one that decides leads the page."""
    results = root / report.page_of("results.md.j2")
    report.write_reports(root)
    before = results.read_text()
    assert "| FGGP has the highest ranking over all settings | no results yet |" in before
    assert "## made\n" not in before
    claims = root / "config/claims.yaml"
    claims.write_text(claims.read_text().replace("study: small-folder", "study: made"))
    shutil.copy(root / "config/demo.yaml", root / "config/made.yaml")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(root)
        report.write_reports()
    after = results.read_text()
    assert "| FGGP has the highest ranking over all settings | undecided |" in after
    assert "## made\n" in after
    assert "| Two stages are better than the sum of ranks | no results yet |" in after


def test_a_training_that_is_in_two_studies_counts_once(root: Path) -> None:
    once = report.material(root)
    for name in ("results/reference", "figures"):
        shutil.copytree(root / name / "made", root / name / "again")
    twice = report.material(root)
    assert [study["results"] for study in twice["studies"]] == [11, 11]
    assert twice["total"] == once["total"]
    assert once["total"]["trainings"] == 11
    assert once["total"]["hours"] == pytest.approx(11 * 60.5 / 3600)
    assert once["total"]["gpu_hours"] == 0


def test_hours_on_gpus_are_told_apart(root: Path) -> None:
    path = next((root / "results/reference/made").glob("runs/**/seed1.json"))
    path.write_text(path.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    total = report.material(root)["total"]
    assert total["gpu_hours"] == pytest.approx(60.5 / 3600)


def test_tables_in_the_texts_are_whole(root: Path) -> None:
    for path in texts(root):
        blocks = re.findall(r"(?:^\|.*\n)+", path.read_text(), re.MULTILINE)
        assert blocks
        for block in blocks:
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, f"{path.name}: {block}"


def test_the_readme_shows_the_closest_rivals_between_its_comments(root: Path) -> None:
    before = (root / "README.md").read_text()
    report.write_reports(root)
    after = (root / "README.md").read_text()
    begin, _, rest = after.partition(readme.BEGIN)
    text, _, end = rest.partition(readme.END)
    assert begin == before.partition(readme.BEGIN)[0]
    assert end == before.partition(readme.END)[2]
    table = root / "figures/made/tables/comparisons.csv"
    rivals = [row["rival"] for row in csv.DictReader(table.read_text().splitlines())]
    shown = re.findall(r"`([\w-]+)` [+-]\d+\.\d\d", text)
    assert shown
    assert set(shown) <= set(rivals)
    (root / "README.md").write_text(before.replace(readme.END, ""))
    with pytest.raises(Failure, match="comments around the result are missing"):
        report.write_reports(root)


def test_what_is_missing_is_named_with_its_fix(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert main(["report"]) == 0
    assert capsys.readouterr().out.count(".md") == len(TEMPLATES) + 2
    (root / "docs/templates/wrong.md.j2").write_text("{{ nothing.here }}")
    with pytest.raises(Failure, match=r"wrong\.md\.j2: 'nothing' is undefined"):
        report.write_reports(root)
    claims = root / "figures/made/tables/claims.csv"
    before = claims.read_text()
    claims.unlink()
    assert main(["report"]) == 1
    assert "make paper" in capsys.readouterr().err
    (root / "docs/measured.json").unlink()
    claims.write_text(before)
    assert main(["report"]) == 1
    assert "make measure" in capsys.readouterr().err


def test_the_shipped_texts_are_of_the_shipped_measurements() -> None:
    measured = json.loads((DOCS / "measured.json").read_text())
    assert [step["id"] for step in measured["steps"]] == [step["id"] for step in STEPS]
    assert [step["command"] for step in measured["steps"]] == [step["command"] for step in STEPS]
    appendix = (DOCS / "artifact-appendix.md").read_text()
    for step in measured["steps"]:
        row = f"| `{step['command']}` | {duration(step['seconds'])} |"
        assert row in appendix


OPTIONAL = r"^{% if [^%]*%}$.*?^{% endif %}$"
"""Paragraphs of a template that depend on the results, such as those about unfinished studies."""


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_the_shipped_texts_are_those_of_the_templates(template: Path) -> None:
    text = (ROOT / report.page_of(template.name)).read_text()
    always = re.sub(OPTIONAL, "", template.read_text(), flags=re.DOTALL | re.MULTILINE)
    fixed = [line for line in always.splitlines() if line and not re.search(r"[{}]", line)]
    assert len(fixed) > 5
    assert [line for line in fixed if line not in text.splitlines()] == []


def test_the_list_of_tables_and_figures_is_that_of_their_docstrings() -> None:
    template = environment(DOCS / "templates", html=False).get_template(report.LISTING)
    shipped = (ROOT / report.page_of(report.LISTING)).read_text()
    assert shipped == template.render(report.catalogued()), "write it with `make report`"
    for name in (*FIGURES, *TABLES):
        assert f"/{name}.{{" in shipped


def test_the_page_of_a_study_says_what_its_files_do(root: Path) -> None:
    notes = {"data": {"digits": "small ones"}, "studies": {"made": "Made up."}}
    (root / report.NOTES).write_text(yaml.safe_dump(notes))
    path = root / "results/reference/made/README.md"
    assert path in texts(root)
    page = path.read_text()
    assert "**partial**: 11 of 22" in page
    assert page.startswith("# made\n")
    assert "Made up." in page
    assert "| Sparsity | 90, 95 % |\n| Starts | dense, 50 % sparse |" in page
    assert "| `fggp` | fggp |  | 4 of 4 | 0 of 4 |" in page
    assert "| `dense` | dense |  | 1 of 1 | 0 of 1 |" in page
    assert "`digits`: small ones |" in page
    assert "analyse results/reference/made --partial --out figures/made\n" in page


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_the_page_of_a_shipped_study_is_of_its_present_results(study: Path) -> None:
    # What `make report` would write, without the tables of `make paper`.
    found = conditions(check(study))
    page = (study / "README.md").read_text()
    for row in found["labels"]:
        told = " | ".join(row["seeds"].values())
        assert f"| `{row['label']}` | {row['method']} | {row['apart']} | {told} |" in page
    for machine, number in found["machines"].items():
        assert f"{number} on {machine}" in page
    notes = yaml.safe_load((ROOT / report.NOTES).read_text())
    assert notes["studies"][study.name] in page


def test_networks_of_one_width_are_named_together() -> None:
    narrow = grid(backbones={name: {"width": "1/8"} for name in ("vgg19", "resnet50")})
    wide = grid(backbones={"vgg19": {}})
    assert networks(it for study in (wide, narrow) for it in cells(study)) == [
        "resnet50 and vgg19 at width 1/8",
        "vgg19 at width 1",
    ]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_every_file_that_a_text_names_is_there(template: Path) -> None:
    text = (ROOT / report.page_of(template.name)).read_text()
    named = re.findall(r"`((?:config|src|envs|docs|results/reference)/[\w./-]+)`", text)
    there = (name.replace("STUDY", "mini-folder") for name in named)
    assert [name for name in there if not (ROOT / name).exists()] == []


def test_outside_the_repository_the_error_names_the_folder_to_be_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 1
    wanted = f"must be run in the root of the repository: there is no pyproject.toml in {tmp_path}"
    assert wanted in capsys.readouterr().err


@pytest.mark.slow
def test_the_shipped_texts_are_those_of_the_shipped_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)  # where the declarations of the analysis are
    for name in SOURCES:
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    for study in STUDIES:
        out = tmp_path / "figures" / study.name
        arguments = ["analyse", str(study), "--partial", "--out", str(out)]
        assert main(arguments) == 0
    for path in texts(tmp_path):
        assert path.read_text() == (ROOT / path.relative_to(tmp_path)).read_text(), path
