"""The page of a study: one self-contained file, with equal bytes for equal results."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from fggp.analysis.catalogue import PAGE
from fggp.analysis.page.contents import contents
from fggp.analysis.page.facts import facts, finding, power_line
from fggp.analysis.page.pictures import pictures
from fggp.analysis.plan import read_plan
from fggp.analysis.spreads import few_seeds
from fggp.analysis.study_tables import Material
from fggp.foundation.files import write_text
from fggp.study.study_folder import study_name

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent


def environment(templates: Path, *, html: bool) -> Environment:
    """Return the environment of the templates of a folder; an undefined name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(templates),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def write_page(study_folder: Path) -> list[Path]:
    """Write ``page.html`` from the tables of a study, next to them.

    It contains the figures that exist already. Raises ResultError if a table of the study cannot be
    read, or one of the page cannot be made.
    """
    path = study_folder / PAGE
    write_text(path, page(study_folder))
    return [path]


def page(study_folder: Path) -> str:
    """Return the page of a study as text; see `write_page`."""
    plan, origin = read_plan(study_folder)
    material, name = Material(study_folder), study_name(study_folder)
    runs, some = material.runs, material.compared
    cautions = [material.coverage, few_seeds(some, plan)]
    style, script = ((HERE / it).read_text(encoding="utf-8") for it in ("page.css", "page.js"))
    return (
        environment(HERE, html=True)
        .get_template("page.html")
        .render(
            name=name,
            description=material.title,
            marks=list(filter(None, [*material.marks, *cautions])),
            finding=finding(some, plan),
            facts=facts(material, plan, origin),
            contents=contents(runs, plan, name, study_folder),
            plan=plan,
            power=power_line(some, plan),
            pictures=pictures(study_folder),
            style=style,
            script=script,
            digests={"style": _digest(style), "script": _digest(script)},
        )
    )


def _digest(text: str) -> str:
    """Return the digest by which a content security policy allows a text."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
