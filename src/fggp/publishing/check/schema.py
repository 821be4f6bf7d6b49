"""The blocks of a result file, key by key, with their types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from fggp.foundation.validation import explain
from fggp.publishing.check.problems import Item, Problem, again
from fggp.study.cell import Cell
from fggp.study.result_file import MOST_SHARE, SCHEMA, SEAL, seal
from fggp.study.stored_results import cell_of, in_canonical_form
from fggp.study.verdict import COMPLETED, FAILURES

AtLeast0 = Annotated[int, Field(ge=0)]
AtLeast1 = Annotated[int, Field(ge=1)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Real = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _known(verdict: str) -> str:
    if verdict != COMPLETED and verdict not in FAILURES:
        raise ValueError(f"{verdict!r} is none of {', '.join([COMPLETED, *FAILURES])}")
    return verdict


Verdict = Annotated[str, AfterValidator(_known)]


class Block(BaseModel):
    """A part of a result; keys that came later are let through, other types are not."""

    model_config = ConfigDict(strict=True, extra="allow")


class Images(Block):
    """Numbers of images."""

    train: AtLeast1
    validation: AtLeast1
    test: AtLeast1


class View(Block):
    """An epoch, and the correct test images there."""

    epoch: AtLeast1
    correct: AtLeast0


class Accuracy(Block):
    """The three views of `fggp.study.accuracy_views`."""

    last: View
    best_validation: View
    best_test: View


class Epoch(Block):
    """One epoch; the loss is null where it was not finite."""

    epoch: AtLeast1
    lr: Real
    train_loss: Real | None
    validation_correct: AtLeast0
    test_correct: AtLeast0
    kept: AtLeast0


class MaskUpdate(Block):
    """One recorded mask update; older results lack the last three."""

    update: AtLeast1
    step: AtLeast1
    kept: list[AtLeast0]
    dropped: AtLeast0 | None = None
    grown: AtLeast0 | None = None
    explored: AtLeast0 | None = None


class Layer(Block):
    """One prunable tensor at the end."""

    name: str
    shape: list[AtLeast1] = Field(min_length=2)
    kept: AtLeast0
    nonzero: AtLeast0
    macs: AtLeast0 | None = None


class Stopped(Block):
    """How long a training would have been that a failure ended."""

    epochs: AtLeast1


class Outcome(Block):
    """What came of a cell."""

    numerics: AtLeast1
    verdict: Verdict
    stopped: Stopped | None = None
    images: Images
    steps_per_epoch: AtLeast1
    prunable: AtLeast1
    target: AtLeast0
    accuracy: Accuracy
    epochs: list[Epoch] = Field(min_length=1)
    updates: list[MaskUpdate]
    layers: list[Layer] = Field(min_length=1)
    explored: AtLeast0 | None = None
    dense_macs: AtLeast0 | None = None
    inference_macs: AtLeast0 | None = None
    training_macs: AtLeast0 | None = None
    weights_sha256: Digest


class Host(Block):
    """The class of machine, never its name."""

    system: str
    machine: str
    cores: AtLeast1 | None


class Versions(Block):
    """Versions of what decides bits."""

    python: str
    fggp: str
    torch: str


class Provenance(Block):
    """Where, when and with what; older results lack speed and energy."""

    started: str
    finished: str
    seconds: Real
    peak_memory_mb: AtLeast0
    device: Literal["cpu", "cuda"]
    device_name: str
    host: Host
    versions: Versions
    code_sha256: Digest
    images_per_second: Real | None = None
    peak_gflops: Real | None = None
    share_of_peak: Annotated[float, Field(ge=0, le=MOST_SHARE, allow_inf_nan=False)] | None = None
    energy_joules: Real | None = None
    counter_joules: Real | None = None
    energy_shared: bool | None = None


BLOCKS: dict[str, type[BaseModel]] = {"cell": Cell, "outcome": Outcome, "provenance": Provenance}


def read(path: Path) -> Item | Problem:
    """Return a result whose blocks and types are right, or what is wrong with them."""
    try:
        result = json.loads(path.read_text(), object_pairs_hook=_once, parse_constant=_refused)
        if not isinstance(result, dict) or set(result) != {"schema", *BLOCKS}:
            raise ValueError("its blocks are not schema, cell, outcome and provenance")
        if result["schema"] != SCHEMA:
            raise ValueError(f"its schema is {result['schema']!r}, this version reads {SCHEMA}")
        for name, model in BLOCKS.items():
            _check(name, model, result[name])
        if not in_canonical_form(result["cell"]):
            raise ValueError("cell: not in canonical form")
        if result["provenance"].get(SEAL) not in (None, seal(result)):
            raise ValueError("its checksum is not that of its cell and outcome")
        return Item(path, cell_of(result), result)
    except (ValueError, OSError) as error:
        return Problem(path, "schema", " ".join(str(error).split())[:200], again(path))


def _check(name: str, model: type[BaseModel], content: Any) -> None:
    try:
        model.model_validate(content)
    except ValidationError as error:
        if error.errors()[0]["loc"]:
            raise ValueError(f"{name}.{explain(error, model)}") from None
        raise ValueError(f"{name}: is no mapping") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        twice = [key for key, _ in pairs if [k for k, _ in pairs].count(key) > 1]
        raise ValueError(f"{twice[0]!r} stands twice")
    return content


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")
