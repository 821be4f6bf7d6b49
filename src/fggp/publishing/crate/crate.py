"""From the files of a study to its crate."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

import fggp
from fggp.analysis.collect.aggregate import aggregate
from fggp.analysis.collect.consistency import stored_path
from fggp.analysis.collect.outdated import older_than_data
from fggp.foundation.errors import Failure
from fggp.foundation.files import write_bytes
from fggp.publishing.crate import entities
from fggp.publishing.crate.entities import LISTING, METADATA, WORKFLOW, Entity, ref, refs
from fggp.study.stored_results import StoredResult
from fggp.study.study_folder import RUNS, read_expected, run_path

RUNS_CSV = "runs.csv"
METHOD_FILES = (
    *("Snakefile", "workflow/Snakefile", "workflow/rules/*.smk"),
    *("config/stats.yaml", "config/claims.yaml", "config/colours.yaml"),
    *("requirements.lock", "environment.yml", "envs/*.yml", "pyproject.toml", "LICENSE"),
)
ANALYSED = ("*.csv", "*.html", "tables/*", "figures/*")
README = "README.md"
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The date of every file in the zip: real ones would make equal crates differ."""


def write_crate(study: Path, analysed: Path, out: Path, source: Path = Path()) -> Path:
    """Write the crate of a study.

    Args:
        study: its folder, with ``cells.json`` and ``runs/``.
        analysed: the folder of its tables and figures, `study` itself or another one.
        out: the zip file.
        source: the top folder of this artifact.

    Raises:
        Failure: where a result is damaged, there is none, the tables are not those of the results,
            or the workflow is not in ``source``.

    """
    _refuse_outdated(study, analysed)
    items = list(_items(study))
    contents = dict(_contents(study, analysed, source, items))
    document = entities.document(_graph(study, contents, [item for item, _ in items]))
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"{RUNS}/", EARLIEST), b"")
        for name, content in {METADATA: text.encode(), **contents}.items():
            info = zipfile.ZipInfo(name, EARLIEST)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    write_bytes(out, buffer.getvalue())
    return out


def _contents(
    study: Path, analysed: Path, source: Path, items: Sequence[tuple[StoredResult, bytes]]
) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the crate by its place in it."""
    if not (source / WORKFLOW).exists():
        raise Failure(f"{source / WORKFLOW}: missing; run this in the root of the artifact")
    yield LISTING, (study / LISTING).read_bytes()
    if (study / README).exists():
        yield README, (study / README).read_bytes()
    for pattern in METHOD_FILES:
        for path in sorted(source.glob(pattern)):
            yield path.relative_to(source).as_posix(), path.read_bytes()
    for item, content in items:
        yield _place(study, item), content
    for pattern in ANALYSED:
        for path in sorted(analysed.glob(pattern)):
            yield path.relative_to(analysed).as_posix(), path.read_bytes()


def _items(study: Path) -> Iterator[tuple[StoredResult, bytes]]:
    """Yield the results that the study expects and has, each with the content of its file."""
    _, expected = read_expected(study)
    paths = {path: stored_path(path, it) for it in expected for path in [run_path(study, it)]}
    if not any(paths.values()):
        raise Failure(f"{study / RUNS}: no results; train some cells first")
    for path, stored in paths.items():
        if stored is not None:
            yield replace(StoredResult.read(stored), path=path), stored.read_bytes()


def _refuse_outdated(study: Path, analysed: Path) -> None:
    """Raise Failure if tables or figures are not those of the results.

    ``runs.csv`` is written again for a comparison; files of tables and figures must not be older.
    """
    table = analysed / RUNS_CSV
    with TemporaryDirectory() as name, redirect_stderr(io.StringIO()):
        aggregate(study, Path(name), partial=True, allow_mixed_device=True)
        same = _rows(Path(name) / RUNS_CSV) == _rows(table)
    parts = sorted(path for pattern in ANALYSED[1:] for path in analysed.glob(pattern))
    older = older_than_data(analysed, parts)
    if same and not older:
        return
    reason = f"older than {table.name}" if same else f"not the table of the results in {study}"
    out = "" if study.resolve() == analysed.resolve() else f" --out {quote(str(analysed))}"
    raise Failure(
        f"{older[0] if same else table}: {reason}; write tables and figures again with "
        f"`fggp analyse {quote(str(study))}{out}`"
    )


def _rows(table: Path) -> list[dict[str, str]]:
    """Return the rows of ``runs.csv`` without the estimates, which a check of a GPU changes."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{key: it for key, it in row.items() if key != "estimated_seconds"} for row in rows]


def _place(study: Path, item: StoredResult) -> str:
    return item.path.relative_to(study).as_posix()


def _graph(
    study: Path, contents: dict[str, bytes], items: Sequence[StoredResult]
) -> Iterator[Entity]:
    configuration, expected = read_expected(study)
    runs = [_place(study, item) for item in items]
    actions = [
        entities.training(item.cell, name, item.result)
        for item, name in zip(items, runs, strict=True)
    ]
    finished = max(action["endTime"] for action in actions)
    whole = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Study {study.name}",
        "description": (
            f"{len(runs)} of {len(expected)} trainings, by the workflow or by `fggp run`, "
            "which make the same files; then tables and figures"
        ),
        "instrument": ref(WORKFLOW),
        "object": refs([LISTING, *_unique(entities.data(item.result)["@id"] for item in items)]),
        "result": refs(["runs/", *_made(contents, runs)]),
        "startTime": min(action["startTime"] for action in actions),
        "endTime": finished,
        "agent": ref("#contributors"),
        "actionStatus": entities.COMPLETED,
    }
    top = [name for name in contents if name not in runs]
    yield entities.descriptor()
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": f"FGGP artifact, study {study.name}",
        "description": configuration.get("description") or f"The study {study.name}",
        "datePublished": finished,
        "license": ref(entities.LICENCE_URL),
        "author": ref("#contributors"),
        "publisher": ref("#contributors"),
        "conformsTo": refs(entities.PROFILES),
        "mainEntity": ref(WORKFLOW),
        "hasPart": refs([*top, "runs/"]),
        "mentions": refs(["#run", *(action["@id"] for action in actions)]),
    }
    yield {
        "@id": "runs/",
        "@type": "Dataset",
        "name": "Result files",
        "description": "One per training; packed weights and logits are left out.",
        "hasPart": refs(runs),
        "exampleOfWork": ref("#results"),
    }
    yield from _files(contents)
    yield from entities.parameters()
    yield from entities.around()
    by_id = {it["@id"]: it for item in items for it in _described(item)}
    yield from by_id.values()
    yield whole
    yield from actions


def _described(item: StoredResult) -> Iterator[Entity]:
    yield entities.program(item.result)
    yield entities.data(item.result)


def _files(contents: dict[str, bytes]) -> Iterator[Entity]:
    rules = [name for name in contents if name.startswith("workflow/rules/")]
    for entity in entities.files(contents):
        if entity["@id"] == WORKFLOW:
            yield entity | entities.workflow(fggp.__version__, rules)
        elif entity["@id"] == LISTING:
            yield entity | {"exampleOfWork": ref("#configuration")}
        elif entity["@id"] == README:
            yield entity | {"about": ref("./")}
        else:
            yield entity


def _made(contents: dict[str, bytes], runs: list[str]) -> list[str]:
    """Return the files that the analysis made."""
    ends = (".csv", ".html")
    folders = ("tables/", "figures/")
    return [
        name
        for name in contents
        if name not in runs and (name.startswith(folders) or name.endswith(ends))
    ]


def _unique(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))
