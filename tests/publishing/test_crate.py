"""The crate of a study: whole, equal for equal studies, and by its profiles."""

import hashlib
import json
import os
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fabricate import analysed, fabricate, grid, measured

from fggp.cli import main
from fggp.foundation.errors import Failure
from fggp.publishing.crate import entities
from fggp.publishing.crate.crate import write_crate
from fggp.study.cell import Cell
from fggp.study.config import cells
from fggp.study.result_file import Result

ROOT = Path(__file__).parents[2]
Graph = dict[str, dict[str, Any]]


def an_hour_later(cell: Cell, result: Result) -> None:
    if cell.seed == 2:
        result["provenance"] |= {
            "started": "2025-01-01T01:00:00+00:00",
            "finished": "2025-01-01T01:01:00+00:00",
        }
        measured(cell, result)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = analysed(tmp_path_factory.mktemp("made") / "made", change=an_hour_later)
    (folder / "README.md").write_text("# A study\n")
    (folder / "tables").mkdir()
    (folder / "tables/ranking.md").write_text("| a |\n")
    return folder


@pytest.fixture(scope="module")
def crate(study: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(write_crate(study, study, study / "made.crate.zip", ROOT))


@pytest.fixture(scope="module")
def graph(crate: zipfile.ZipFile) -> Graph:
    document = json.loads(crate.read("ro-crate-metadata.json"))
    assert document["@context"] == entities.CONTEXT
    listed = {entity["@id"]: entity for entity in document["@graph"]}
    assert len(listed) == len(document["@graph"])
    return listed


def references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        else:
            yield from references([item for key, item in value.items() if key != "@id"])


def of_type(graph: Graph, name: str) -> list[dict[str, Any]]:
    kinds = (
        (it, it["@type"] if isinstance(it["@type"], list) else [it["@type"]])
        for it in graph.values()
    )
    return [entity for entity, types in kinds if name in types]


def test_everything_that_is_named_is_described(graph: Graph) -> None:
    named = {name for entity in graph.values() for name in references(entity)}
    outside = {name for name in named - graph.keys() if not name.startswith("https://")}
    assert outside == set()


def test_every_file_is_there_with_its_checksum_and_part_of_the_whole(
    graph: Graph, crate: zipfile.ZipFile
) -> None:
    files = {entity["@id"]: entity for entity in of_type(graph, "File")}
    there = {name for name in crate.namelist() if not name.endswith("/")}
    assert set(files) == there - {"ro-crate-metadata.json"}
    for name, entity in files.items():
        content = crate.read(name)
        assert entity["sha256"] == hashlib.sha256(content).hexdigest()
        assert entity["contentSize"] == str(len(content))
    assert graph["README.md"]["about"] == {"@id": "./"}
    parts = {*references(graph["./"]["hasPart"]), *references(graph["runs/"]["hasPart"])}
    assert set(files) <= parts


def test_every_training_is_an_action_with_its_times_and_its_program(graph: Graph) -> None:
    expected = {f"#train-{cell.id}" for cell in cells(grid())}
    mentioned = set(references(graph["./"]["mentions"]))
    assert mentioned == expected | {"#run"}
    for name in expected:
        action = graph[name]
        assert action["@type"] == "CreateAction"
        hour = "01" if name.endswith("seed2") else "00"
        assert action["startTime"] == f"2025-01-01T{hour}:00:00+00:00"
        assert action["endTime"] == f"2025-01-01T{hour}:01:00+00:00"
        cost = ", 302.0 training images per second, 2420.0 J"
        assert action["description"].endswith("512 MB" + (cost if hour == "01" else ""))
        program = graph[action["instrument"]["@id"]]
        assert program["@type"] == "SoftwareApplication"
        assert program["softwareVersion"] == "0.1.0"
        assert "torch 2.11.0" in program["softwareRequirements"]
        assert action["result"] == {"@id": f"runs/{name.removeprefix('#train-')}.json"}
        assert "a processor" in action["description"]


def test_the_workflow_is_the_main_entity_and_was_run(graph: Graph) -> None:
    main_entity = graph[graph["./"]["mainEntity"]["@id"]]
    assert set(main_entity["@type"]) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert graph["#run"]["instrument"] == {"@id": main_entity["@id"]}
    assert graph[main_entity["programmingLanguage"]["@id"]]["name"] == "Snakemake"
    for key in ("input", "output"):
        for name in references(main_entity[key]):
            parameter = graph[name]
            assert parameter["@type"] == "FormalParameter"
            assert parameter["additionalType"] in {"File", "Dataset"}
            example = graph[parameter["workExample"]["@id"]]
            assert example["exampleOfWork"] == {"@id": name}
    assert graph["#run"]["startTime"] == "2025-01-01T00:00:00+00:00"
    assert graph["#run"]["endTime"] == "2025-01-01T01:01:00+00:00"
    made = set(references(graph["#run"]["result"]))
    assert {"runs/", "runs.csv", "tables/ranking.md"} <= made


def test_the_profiles_are_named_and_described(graph: Graph) -> None:
    conforms = list(references(graph["./"]["conformsTo"]))
    assert "https://w3id.org/ro/wfrun/process/0.5" in conforms
    assert "https://w3id.org/ro/wfrun/workflow/0.5" in conforms
    assert all(graph[name]["@type"] == "CreativeWork" for name in conforms)
    descriptor = graph["ro-crate-metadata.json"]
    assert descriptor["about"] == {"@id": "./"}
    assert "https://w3id.org/ro/crate/1.1" in references(descriptor["conformsTo"])


def test_author_licence_and_version_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["authors"] == [{"name": entities.AUTHOR}]
    assert project["license"] == entities.LICENCE


def test_equal_studies_give_equal_bytes(study: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.zip", tmp_path / "other.zip"
    write_crate(study, study, one, ROOT)
    for path in study.rglob("*.json"):
        path.touch()
    write_crate(study, study, other, ROOT)
    assert one.read_bytes() == other.read_bytes()


def test_a_study_without_results_or_with_a_damaged_one_is_refused(tmp_path: Path) -> None:
    folder = analysed(tmp_path / "empty", partial=True, skip=lambda cell: True)
    with pytest.raises(Failure, match="no results"):
        write_crate(folder, folder, tmp_path / "out.zip", ROOT)
    folder = analysed(tmp_path / "made")
    path = next(iter(sorted(folder.glob("runs/**/seed1.json"))))
    path.write_text("{}")
    with pytest.raises(Failure, match=r"seed1\.json: not a result \(its blocks"):
        write_crate(folder, folder, tmp_path / "out.zip", ROOT)
    assert not (tmp_path / "out.zip").exists()


def test_the_command_writes_beside_the_tables_wherever_they_are(
    study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["crate", str(study)]) == 1
    assert "run this in the root of the artifact" in capsys.readouterr().err
    monkeypatch.chdir(ROOT)
    out = tmp_path / "here.zip"
    assert main(["crate", str(study), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    (study / "runs.csv").rename(tmp_path / "runs.csv")
    assert main(["crate", str(study)]) == 1
    assert "analyse" in capsys.readouterr().err
    (tmp_path / "runs.csv").rename(study / "runs.csv")


def test_tables_of_other_results_are_refused(tmp_path: Path) -> None:
    folder = analysed(tmp_path / "made", partial=True, skip=lambda cell: cell.seed == 2)
    fabricate(folder)
    with pytest.raises(Failure, match=r"runs\.csv: not the table of the results .*fggp analyse"):
        write_crate(folder, folder, tmp_path / "made.crate.zip", ROOT)
    assert not (tmp_path / "made.crate.zip").exists()


def test_a_result_that_only_its_copy_has_is_packed_in_its_place(tmp_path: Path) -> None:
    folder = analysed(tmp_path / "made")
    path = next((folder / "runs").rglob("seed1.json"))
    content = path.read_bytes()
    path.unlink()
    packed = zipfile.ZipFile(write_crate(folder, folder, tmp_path / "made.crate.zip", ROOT))
    assert packed.read(path.relative_to(folder).as_posix()) == content


def test_tables_that_were_not_written_again_are_refused(tmp_path: Path) -> None:
    """`fggp aggregate` alone makes a new runs.csv beside the old tables."""
    folder = analysed(tmp_path / "made")
    (folder / "tables").mkdir()
    old = folder / "tables/ranking.md"
    old.write_text("| a |\n")
    earlier = (folder / "runs.csv").stat().st_mtime - 60
    os.utime(old, (earlier, earlier))
    with pytest.raises(Failure, match=r"ranking\.md: older than runs\.csv; .*fggp analyse"):
        write_crate(folder, folder, tmp_path / "made.crate.zip", ROOT)


def test_estimates_that_a_check_of_the_gpu_changes_are_no_difference(tmp_path: Path) -> None:
    folder = analysed(tmp_path / "made")
    table = folder / "runs.csv"
    head, *lines = table.read_text().splitlines()
    place = head.split(",").index("estimated_seconds")
    changed = [",".join("7" if i == place else it for i, it in enumerate(row.split(",")))
               for row in lines]  # fmt: skip
    table.write_text("\n".join([head, *changed]) + "\n")
    assert write_crate(folder, folder, tmp_path / "made.crate.zip", ROOT).exists()
