"""``schema``: the JSON Schema of studies, for editors."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from fggp.cli.verbs import verb
from fggp.foundation.errors import Failure
from fggp.foundation.files import write_text
from fggp.study.schema import Json, key_rows, study_schema

NAME = "study.schema.json"
TABLE = re.compile(r"(?<=<!-- keys -->\n\n).*?(?=\n<!-- end of keys -->)", re.DOTALL)
"""The place of the table of keys in the page of a folder of studies."""


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "schema",
        do,
        "print the JSON Schema of studies, with which editors complete and check keys",
        f"fggp schema > {NAME}\n"
        f"  (then begin a study with the line: # yaml-language-server: $schema={NAME})",
    )
    parser.add_argument(
        "--write",
        type=Path,
        metavar="DIR",
        help=f"write DIR/{NAME} instead, and the table of keys into DIR/README.md",
    )


def do(options: argparse.Namespace) -> int:
    """Print or write the schema."""
    schema = study_schema()
    text = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    if options.write is None:
        print(text, end="")
        return 0
    page = options.write / "README.md"
    found, places = TABLE.subn(lambda _: key_table(schema), page.read_text(encoding="utf-8"))
    if places != 1:
        raise Failure(
            f"{page}: has no place for the table; add <!-- keys --> … <!-- end of keys -->"
        )
    write_text(options.write / NAME, text)
    write_text(page, found)
    return 0


def key_table(schema: Json) -> str:
    """Return the table of all keys in Markdown."""
    rows = [("key", "default", "meaning"), ("---", "---", "---")]
    for key, default, meaning in key_rows(schema):
        rows.append((f"`{key}`", default and f"`{default}`", meaning.replace("|", r"\|")))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
