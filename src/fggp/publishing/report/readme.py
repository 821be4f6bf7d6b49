"""The result on the first screen of the README, rewritten from files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment

from fggp.analysis.pairs import STARTS
from fggp.analysis.plan import read_plan
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.formats import shown
from fggp.foundation.errors import Failure
from fggp.foundation.exact import percent, ratio
from fggp.foundation.files import write_text
from fggp.foundation.quantities import count
from fggp.publishing.report.shipped_results import rows
from fggp.publishing.report.training_conditions import networks

README = Path("README.md")
TEMPLATE = "readme_result.jinja"
BEGIN = f"<!-- Written by `make report` from docs/templates/{TEMPLATE}; change it there. -->\n"
END = "<!-- End of the part written by `make report`. -->\n"
RIVALS = 4
"""The number of rivals named in the text, the closest ones; the picture has all."""


def write_result(templates: Environment, study: Path, facts: Mapping[str, Any], root: Path) -> Path:
    """Rewrite the result in the README from the tables of a study; returns the path.

    Args:
        templates: the templates.
        study: the tables of the study, which `make paper` writes.
        facts: more data for the template.
        root: of the repository.

    Raises:
        Failure: if the README lacks the comments around the result, or the study its tables.

    """
    path = root / README
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Failure(f"{path}: the comments around the result are missing; restore them")
    text = templates.get_template(TEMPLATE).render({**facts, **result(study)})
    write_text(path, f"{before}{BEGIN}{text.strip()}\n{END}{after}")
    return path


def result(study: Path) -> dict[str, Any]:
    """Return the data of the template from the tables of a study, which `make paper` writes.

    ``differences`` has a text for each of the closest rivals with both starts, variants of the
    reference method excluded: the mean difference in points, with its interval if there is one.
    ``networks``, ``sparsities`` and ``starts`` (a number) are those of the trainings compared.
    """
    plan = read_plan(study)[0]
    material = Material(study)
    runs = material.compared
    there = set(runs["backbone"])
    sparse = runs[runs["sparsity"] > 0]
    methods = dict(zip(runs["label"], runs["method"], strict=True))
    own = methods.get(plan.reference)
    compared = [
        row
        for row in rows(study / "tables/comparisons.csv")
        if row["blocks"] == STARTS and methods[row["rival"]] != own
    ]
    return {
        "study": study.name,
        "reference": plan.reference,
        "confidence": plan.confidence,
        "networks": networks(it for it in material.cells if it.backbone.name in there),
        "sparsities": [percent(ratio(it)) for it in sorted(set(sparse["sparsity"]))],
        "starts": sparse["initial_sparsity"].nunique(),
        "settings": count(max((int(row["settings"]) for row in compared), default=0), "setting"),
        "seeds": count(max((int(row["seeds"]) for row in compared), default=0), "seed"),
        "differences": [_words(row) for row in compared[:RIVALS]],
    }


def _words(row: dict[str, str]) -> str:
    mean, low, high = (
        shown(float(row[name]), "+.2f") if row[name] else ""
        for name in ("difference_points", "grid_low", "grid_high")
    )
    return f"`{row['rival']}` {mean}" + (f" ({low} to {high})" if low else "")
