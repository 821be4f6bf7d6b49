"""Version, title, authors, licence and dependencies are the same wherever they stand."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
CFF: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text())
ZENODO: dict[str, Any] = json.loads((ROOT / ".zenodo.json").read_text())
CODEMETA: dict[str, Any] = json.loads((ROOT / "codemeta.json").read_text())
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
AUTHOR = "The fggp-artifact contributors"
PAPER, CODE = CFF["references"]


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert [str(CFF["version"]), ZENODO["version"], CODEMETA["version"]] == [version] * 3


def test_the_changelog_speaks_of_this_version_or_of_what_is_not_released_yet() -> None:
    headings = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0].split()[0] == PROJECT["version"]


def test_the_title_is_the_same_everywhere() -> None:
    assert [PROJECT["description"], ZENODO["title"], CODEMETA["headline"]] == [CFF["title"]] * 3
    assert CODEMETA["name"] == PROJECT["name"]
    assert CODEMETA["description"] == ZENODO["description"]


def test_the_authors_are_the_same_everywhere() -> None:
    assert PROJECT["authors"] == CFF["authors"] == ZENODO["creators"] == [{"name": AUTHOR}]
    assert CODEMETA["author"] == [{"@type": "Organization", "name": AUTHOR}]


def test_the_licence_is_the_same_everywhere() -> None:
    licence = PROJECT["license"]
    assert [CFF["license"], ZENODO["license"]] == [licence] * 2
    assert CODEMETA["license"] == f"https://spdx.org/licenses/{licence}"
    reuse = tomllib.loads((ROOT / "REUSE.toml").read_text())
    for annotation in reuse["annotations"]:
        assert annotation["SPDX-License-Identifier"] == licence
        assert annotation["SPDX-FileCopyrightText"] == AUTHOR
    assert [path.name for path in (ROOT / "LICENSES").iterdir()] == [f"{licence}.txt"]
    assert (ROOT / f"LICENSES/{licence}.txt").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert licence in (ROOT / "README.md").read_text()


def test_the_keywords_are_the_same_everywhere() -> None:
    assert PROJECT["keywords"] == CFF["keywords"] == ZENODO["keywords"] == CODEMETA["keywords"]


def test_the_versions_of_python_are_the_same_everywhere() -> None:
    bounds = PROJECT["requires-python"]
    assert CODEMETA["runtimePlatform"] == f"Python {bounds}"
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", bounds).groups()  # type: ignore[union-attr]
    setup = (ROOT / "envs/setup.sh").read_text()
    assert f"(3, {low}) <= sys.version_info[:2] < (3, {high})" in setup
    assert f"Python 3.{low} to 3.{int(high) - 1}" in (ROOT / "README.md").read_text()


def test_codemeta_names_every_dependency() -> None:
    extras = PROJECT["optional-dependencies"]
    texts = [*PROJECT["dependencies"], *extras["study"], *extras["analysis"], *extras["workflow"]]
    needed = {it for it in texts if not it.startswith(("fggp[", "torch>=2.4"))}
    assert CODEMETA["softwareRequirements"] == sorted(needed)


def test_the_paper_is_the_same_everywhere() -> None:
    cited = CODEMETA["referencePublication"]
    assert cited["name"] == PAPER["title"]
    assert cited["datePublished"] == str(PAPER["year"])
    assert cited["pagination"] == f"{PAPER['start']}-{PAPER['end']}"
    assert [(a["familyName"], a["givenName"]) for a in cited["author"]] == [
        (a["family-names"], a["given-names"]) for a in PAPER["authors"]
    ]
    preprint = PAPER["identifiers"][0]["value"]
    assert cited["identifier"] == [f"https://doi.org/{PAPER['doi']}", preprint]
    found = {it["identifier"] for it in ZENODO["related_identifiers"]}
    assert found == {PAPER["doi"], preprint, CODE["repository-code"]}
    readme = (ROOT / "README.md").read_text()
    assert PAPER["doi"] in readme
    assert preprint.replace(":", " ") in readme


def test_the_citation_is_of_this_artifact_and_the_paper_and_its_code_are_references() -> None:
    assert CFF["type"] == "software"
    assert "preferred-citation" not in CFF
    assert (PAPER["type"], CODE["type"]) == ("conference-paper", "software")


@pytest.mark.parametrize("name", ["CITATION.cff", ".zenodo.json", "codemeta.json"])
def test_every_identifier_and_address_is_of_the_paper_or_its_code(name: str) -> None:
    text = (ROOT / name).read_text()
    assert set(re.findall(r"10\.\d{4,}/[^\s\",]+", text)) == {PAPER["doi"]}
    assert not re.search(r"orcid|zenodo\.org", text, re.IGNORECASE)
    known = (
        "https://w3id.org/codemeta/",
        "https://spdx.org/licenses/",
        f"https://doi.org/{PAPER['doi']}",
        CODE["repository-code"],
    )
    assert all(it.startswith(known) for it in re.findall(r"https?://[^\s\",]+", text))


def test_the_workflow_catalog_finds_what_it_asks_for() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["software-stack-deployment"]["conda"] is True
    assert (ROOT / "workflow/Snakefile").is_file()
    assert (ROOT / "config/README.md").is_file()
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert "conda:" in rules
    assert "report(" in rules
