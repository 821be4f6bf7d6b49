"""The metadata of a crate: entities of schema.org, as plain JSON-LD.

Written without a library: equal studies give equal bytes, times are those of the trainings, and no
dependency is needed. Profiles: Workflow Run Crate 0.5, Process Run Crate 0.5, Workflow RO-Crate
1.0, RO-Crate 1.1 (https://w3id.org/ro/wfrun/workflow/0.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from mimetypes import guess_type
from typing import Any

from fggp.study.cell import Cell
from fggp.study.result_file import Result

Entity = dict[str, Any]
METADATA = "ro-crate-metadata.json"
WORKFLOW = "workflow/Snakefile"
LISTING = "cells.json"
AUTHOR = "The fggp-artifact contributors"
LICENCE = "Apache-2.0"
CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",
]
WORKFLOW_PROFILE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    WORKFLOW_PROFILE: ("Workflow RO-Crate", "1.0"),
}
LICENCE_URL = f"https://spdx.org/licenses/{LICENCE}"
COMPLETED = "http://schema.org/CompletedActionStatus"
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
TYPES = {".md": "text/markdown", ".tex": "text/x-tex", ".yml": "text/yaml", ".yaml": "text/yaml"}


def document(entities: Iterable[Entity]) -> Entity:
    """Return the whole of ``ro-crate-metadata.json``."""
    return {"@context": CONTEXT, "@graph": list(entities)}


def ref(identifier: str) -> Entity:
    """Return a reference to an entity."""
    return {"@id": identifier}


def refs(identifiers: Iterable[str]) -> list[Entity] | Entity:
    """Return references to entities; to a single one without a list around it."""
    found = [ref(identifier) for identifier in identifiers]
    return found[0] if len(found) == 1 else found


def descriptor() -> Entity:
    """Return the entity of the metadata file itself."""
    return {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": ref("./"),
        "conformsTo": refs(["https://w3id.org/ro/crate/1.1", WORKFLOW_PROFILE]),
    }


def files(contents: Mapping[str, bytes]) -> Iterator[Entity]:
    """Yield every file with its size, type and checksum; the Snakefile is the main workflow."""
    for name, content in contents.items():
        suffix = name[name.rfind(".") :]
        entity: Entity = {
            "@id": name,
            "@type": "File",
            "name": name.rpartition("/")[2],
            "contentSize": str(len(content)),
            "encodingFormat": TYPES.get(suffix) or guess_type(name)[0] or "text/plain",
            "sha256": sha256(content).hexdigest(),
        }
        yield entity


def workflow(version: str, parts: Sequence[str]) -> Entity:
    """Return the keys that make the Snakefile the main workflow, to be added to its file."""
    return {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": "Trainings, tables and figures of a comparison of pruning methods",
        "version": version,
        "conformsTo": ref("https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"),
        "programmingLanguage": ref(SNAKEMAKE),
        "creator": ref("#contributors"),
        "license": ref(LICENCE_URL),
        "input": refs(["#configuration"]),
        "output": refs(["#results"]),
        "hasPart": refs(parts),
    }


def parameters() -> Iterator[Entity]:
    """Yield the input and the output of the workflow."""
    for identifier, kind, example, text in (
        ("#configuration", "File", LISTING, "The study as checked, and its cells"),
        ("#results", "Dataset", "runs/", "One result file per training"),
    ):
        yield {
            "@id": identifier,
            "@type": "FormalParameter",
            "name": identifier[1:],
            "description": text,
            "additionalType": kind,
            "valueRequired": True,
            "workExample": ref(example),
            "conformsTo": ref("https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"),
        }


def around() -> Iterator[Entity]:
    """Yield the contributors, the licence, the language and the profiles."""
    yield {"@id": "#contributors", "@type": "Organization", "name": AUTHOR}
    yield {
        "@id": LICENCE_URL,
        "@type": "CreativeWork",
        "name": "Apache License 2.0",
        "identifier": LICENCE,
    }
    yield {
        "@id": SNAKEMAKE,
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "identifier": ref("https://doi.org/10.1093/bioinformatics/bts480"),
        "url": ref("https://snakemake.readthedocs.io"),
    }
    for identifier, (name, version) in PROFILES.items():
        yield {"@id": identifier, "@type": "CreativeWork", "name": name, "version": version}


def program(result: Result) -> Entity:
    """Return the program that made a result: its version and the digest of its source."""
    provenance = result["provenance"]
    versions, digest = provenance["versions"], provenance["code_sha256"]
    return {
        "@id": f"#fggp-{digest[:12]}-torch-{versions['torch']}",
        "@type": "SoftwareApplication",
        "name": "fggp",
        "softwareVersion": versions["fggp"],
        "description": f"Digest of its source {digest}",
        "softwareRequirements": [
            f"{name} {version}" for name, version in sorted(versions.items()) if name != "fggp"
        ],
    }


def data(result: Result) -> Entity:
    """Return the images that a result was trained on: named, but not in the crate."""
    images = result["cell"]["data"]
    digest = str(images.get("sha256"))
    return {
        "@id": f"#data-{digest[:12]}",
        "@type": "CreativeWork",
        "name": f"Prepared images {images['name']}",
        "description": "Not in this crate; the checksum is that of the prepared file.",
        "sha256": digest,
    }


def training(cell: Cell, name: str, result: Result) -> Entity:
    """Return the action that made one result file."""
    provenance, outcome = result["provenance"], result["outcome"]
    correct, images = outcome["accuracy"]["last"]["correct"], outcome["images"]["test"]
    return {
        "@id": f"#train-{cell.id}",
        "@type": "CreateAction",
        "name": f"Training of {cell.id}",
        "description": (
            f"{cell.method.name}, seed {cell.seed}, {outcome['verdict']}: {correct} of {images} "
            f"test images; {provenance['seconds']} s on {provenance['device_name']} "
            f"({provenance['device']}), {provenance['peak_memory_mb']} MB{_measured(provenance)}"
        ),
        "instrument": ref(program(result)["@id"]),
        "object": refs([LISTING, data(result)["@id"]]),
        "result": refs([name]),
        "startTime": provenance["started"],
        "endTime": provenance["finished"],
        "agent": ref("#contributors"),
        "actionStatus": COMPLETED,
    }


def _measured(provenance: dict[str, Any]) -> str:
    """Return the speed and the energy of a training where they are known."""
    amounts = {"images_per_second": "training images per second", "energy_joules": "J"}
    return "".join(
        f", {provenance[name]} {unit}"
        for name, unit in amounts.items()
        if provenance.get(name) is not None
    )
