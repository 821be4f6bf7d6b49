"""The pages that are written from files: ``docs/templates``, rendered."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from jinja2 import UndefinedError

from fggp.analysis import catalogue
from fggp.analysis.default_choice import default_choice
from fggp.analysis.fggp_variants import apart
from fggp.analysis.page import environment
from fggp.analysis.plan import read_plan
from fggp.analysis.study_tables import Material as Tables
from fggp.analysis.tables.claims import of_planned, read_claims, verdict_in_words
from fggp.foundation.errors import Failure
from fggp.foundation.files import write_text
from fggp.foundation.quantities import count, duration, size
from fggp.methods import METHODS
from fggp.methods.registry import ordered
from fggp.publishing.check.problems import Item
from fggp.publishing.check.study import Report, check, studies
from fggp.publishing.report.discussion import across, scales
from fggp.publishing.report.inference_times import TWO_THREADS, inference_times, measured_on
from fggp.publishing.report.method_facts import described
from fggp.publishing.report.published_figures import published_figures
from fggp.publishing.report.readme import write_result
from fggp.publishing.report.shipped_results import (
    headline,
    least_p,
    pictures,
    places,
    points,
    power,
    rows,
    shown,
    smallest,
    standing,
    told,
    widest,
)
from fggp.publishing.report.training_conditions import conditions, networks
from fggp.study.result_file import fingerprint
from fggp.study.yaml_files import read_study
from fggp.study.yaml_files import studies as declared

TEMPLATES = Path("docs/templates")
STUDY = "study.md.j2"
"""The template of the page of a study, which is next to its results."""
LISTING = "figures.md.j2"
"""The template of ``figures/README.md``."""
NOTES = TEMPLATES / "studies.yaml"
REFERENCE = Path("results/reference")
FIGURES = Path("figures")
CONFIG = Path("config")
FULL_STUDY = "paper"
"""The study of the whole grid at full size."""
MEASURED = Path("docs/measured.json")
AUTHORS = Path("docs/authors-comparison.md")
Material = dict[str, Any]


def write_reports(root: Path = Path()) -> list[Path]:
    """Render every template and draw the pictures; returns the paths of the written files.

    Raises:
        Failure: where tables or measurements are missing, or a template uses an undefined value.

    """
    known = material(root)
    tables = _tables(known, root)
    decisive = [study["name"] for study in known["leading"]]
    best = headline(tables, decisive)
    drawn = known["pictures"] = pictures(tables, best, root)
    written = [root / TEMPLATES.parent / path for path in drawn.values()]
    templates = environment(root / TEMPLATES, html=False)
    templates.filters |= {word.__name__: word for word in WORDS}
    notes = yaml.safe_load((root / NOTES).read_text(encoding="utf-8"))
    for name, path, facts in _pages(templates.list_templates(["j2"]), known, notes, root):
        try:
            text = templates.get_template(name).render(facts)
        except UndefinedError as error:
            raise Failure(f"{root / TEMPLATES / name}: {error}; remove it, or define it") from None
        write_text(path, text)
        written.append(path)
    facts = {
        "facts": next(study for study in known["studies"] if study["name"] == best),
        "verdicts": Counter(claim["verdict"] for claim in known["decided"]),
        "notes": notes,
    }
    return [*written, write_result(templates, root / FIGURES / best, facts, root)]


def _pages(
    templates: Sequence[str], known: Material, notes: Material, root: Path
) -> Iterator[tuple[str, Path, Material]]:
    """Yield each template with its page and the data available to the page."""
    for name in sorted(templates):
        if name == STUDY:
            for study in known["studies"]:
                page = root / REFERENCE / study["name"] / "README.md"
                yield name, page, known | {"study": study, "notes": notes}
        else:
            yield name, root / page_of(name), known


def page_of(template: str) -> Path:
    """Return the page that a template fills; not for `STUDY`, which fills several."""
    if template == LISTING:
        return FIGURES / "README.md"
    return TEMPLATES.parent / template.removesuffix(".j2")


def material(root: Path = Path()) -> Material:
    """Return the data of the templates: the project, the studies, and the measurements."""
    if not (root / "pyproject.toml").exists():
        raise Failure(
            "`fggp report` must be run in the root of the repository: there is no pyproject.toml "
            f"in {root.resolve()}"
        )
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    reports = [check(path) for path in studies(root / REFERENCE)]
    labels = _labels(root)
    known: Material = {
        "project": project,
        **catalogued(),
        "methods": [described(it, labels) for it in ordered()],
        "studies": [_study(report, root) for report in reports],
        "total": _total([item for report in reports for item in report.items]),
        "measured": _measured(root / MEASURED),
        "plan": read_plan()[0],
        "published": published_figures(reports),
        "choice": default_choice(root / FIGURES),
        "authors": _authors(root / AUTHORS),
        "inference": inference_times(root),
        "two_threads": inference_times(root, TWO_THREADS),
        "speed_machine": measured_on(root),
    }
    tables = _tables(known, root)
    known |= _verdicts(known["studies"]) | {"widest": widest(tables)}
    deciders = list(dict.fromkeys(it["study"] for it in known["decided"] if it["study"]))
    return known | {
        "deciders": deciders,
        "scales": scales([*deciders, FULL_STUDY], root / CONFIG),
        "across": partial(across, known["studies"]),
    }


def _verdicts(studies: list[Material]) -> Material:
    """Return ``decided``, each claim as in the study that decides it, and ``leading``.

    The latter are the studies that decide claims, in the order of the claims.
    """
    by_name = {study["name"]: study for study in studies}
    decided, leading = [], {}
    for name, claim in read_claims()[0].claims.items():
        if claim.study in by_name:
            study = leading[claim.study] = by_name[claim.study]
            row = next(row for row in study["claims"] if row["claim"] == name)
        else:
            row = {
                "so_far": "",
                **dict.fromkeys(("verdict", "shown"), "no results yet"),
                "figure": "",
                **dict.fromkeys(("settings", "seeds"), ""),
            }
        decided.append(row | {"says": claim.says, "study": claim.study or ""})
    return {"decided": decided, "leading": list(leading.values())}


def catalogued() -> Material:
    """Return the data of the list of tables and figures, which needs no results."""
    return {
        "declared_tables": list(catalogue.TABLES.values()),
        "declared_figures": list(catalogue.FIGURES.values()),
    }


def megabytes(amount: float) -> str:
    """Write an amount of memory or disk: 12 MB, 6.1 GB."""
    return size(1e6 * amount)


def one(noun: str, number: int) -> str:
    """Write a noun with its number: 1 study, 2 studies."""
    return count(number, noun)


WORDS = (duration, megabytes, one, told, places, smallest, points, shown)
"""The filters of templates, which put numbers and tables into words."""


def _tables(known: Material, root: Path) -> list[Path]:
    return [root / FIGURES / study["name"] for study in known["studies"]]


def _labels(root: Path) -> Material:
    """Return the labels of every declared study."""
    return {path.stem: read_study(path).get("methods", {}) for path in declared(root / CONFIG)}


def _measured(path: Path) -> Material:
    """Return the measured steps with the titles of `steps.yaml` beside the file, and the dates."""
    try:
        content: Material = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Failure(f"{path}: no measurements; make them with `make measure`") from None
    declared_steps = yaml.safe_load(path.with_name("steps.yaml").read_text(encoding="utf-8"))
    titles = {step["id"]: step for step in declared_steps}
    steps = [titles[step["id"]] | step for step in content["steps"]]
    dates = sorted({step["date"] for step in steps})
    return content | {"steps": steps, "by_id": {it["id"]: it for it in steps}, "dates": dates}


def _authors(path: Path) -> dict[str, str]:
    """Return the shares for `fggp` in the comparison with the authors' code."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == "`fggp`" and len(cells) == 6:
            return {"counts": cells[3], "stepped": cells[5]}
    raise Failure(f"{path}: no comparison of fggp; write it with `make compare-authors`")


def _total(items: Sequence[Item]) -> Material:
    """Return the totals over all trainings; one that is in two studies counts once."""
    once = list({fingerprint(item.result): item for item in items}.values())
    return {
        "trainings": len(once),
        "hours": _hours(once),
        "gpu_hours": _hours([item for item in once if item.provenance.device == "cuda"]),
        "networks": networks(item.cell for item in once),
        "data": sorted({item.cell.data.name for item in once}),
    }


def _hours(items: Sequence[Item]) -> float:
    return float(sum(item.provenance.seconds for item in items)) / 3600


def _study(report: Report, root: Path) -> Material:
    tables = root / FIGURES / report.folder.name / "tables"
    if not (tables / "claims.csv").exists():
        raise Failure(f"{tables}: has no tables of the study; make them with `make paper`")
    runs = Tables(tables.parent)
    seconds = [item.provenance.seconds for item in report.items]
    return {
        "name": report.folder.name,
        "conditions": conditions(report),
        "description": report.configuration.get("description", ""),
        "results": len(report.items),
        "cells": report.cells,
        "seeds": runs.compared["seed"].nunique(),
        "planned_seeds": runs.expected["seed"].nunique(),
        "coverage": runs.coverage,
        "errors": sum(problem.level == "error" for problem in report.problems),
        "warnings": sum(problem.level == "warning" for problem in report.problems),
        "hours": _hours(report.items),
        "longest": max(seconds, default=0),
        "memory_mb": max((item.provenance.peak_memory_mb for item in report.items), default=0),
        "verdicts": Counter(item.outcome.verdict for item in report.items),
        "machines": sorted({item.provenance.device_name for item in report.items}),
        "claims": [_claim(row, _so_far(report)) for row in rows(tables / "claims.csv")],
        "ranking": _table(tables / "ranking.md"),
        "ranking_all": _table(tables / "ranking_all.md"),
        "apart": _apart(report.configuration),
        "ranked": [_size(tables / name) for name in ("ranking.csv", "ranking_all.csv")],
        "first": [_first(tables / name) for name in ("ranking.csv", "ranking_all.csv")],
        "standing": standing(tables.parent),
        "power": power(tables.parent),
        "least_p": least_p(tables.parent),
    }


def _claim(row: dict[str, str], so_far: str) -> dict[str, str]:
    """Return a row of the table of claims with its texts: the verdict is ``shown``."""
    numbers = {
        name: of_planned(row[name], row[f"planned_{name}"] or None)
        for name in ("settings", "seeds")
    }
    words = verdict_in_words(row["verdict"], partial=bool(so_far))
    return row | numbers | {"so_far": so_far, "shown": words}


def _so_far(report: Report) -> str:
    """Return the trainings of an incomplete study, in words; empty for a complete one."""
    done = len(report.items)
    return "" if done == report.cells else f"{done} of {report.cells} trainings"


def _apart(configuration: Material) -> dict[str, str]:
    """Return the non-default settings of labels that have the name of their method."""
    found: dict[str, str] = {}
    for label, method in configuration.get("methods", {}).items():
        if label == method["name"] and label in METHODS:
            found[label] = apart(method["settings"], METHODS[label].defaults)
    return {label: words for label, words in found.items() if words}


def _size(path: Path) -> str:
    """Return the seeds and settings of a ranking; empty if it ranks nothing."""
    for row in rows(path):
        return f"{count(int(row['seeds']), 'seed')} in {count(int(row['settings']), 'setting')}"
    return ""


def _first(path: Path) -> str:
    """Return the first place of a ranking; a dash if it ranks nothing."""
    ranks = {row["label"]: float(row["average_rank"]) for row in rows(path) if row["average_rank"]}
    best = min(ranks.values(), default=0)
    return ", ".join(label for label, rank in ranks.items() if rank == best) or "-"


def _table(path: Path) -> str:
    """Return the table of a page without its caption; empty if it has none, or one without rows."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return "\n".join(lines) if len(lines) > len(("head", "rule")) else ""
