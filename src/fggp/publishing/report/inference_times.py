"""The shipped inference times of pruned networks on one core, for a page."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from fggp.foundation.errors import Failure

MEASURED = Path("benchmarks/reference/inference.csv")
TWO_THREADS = Path("benchmarks/reference/inference-two-threads.csv")
CASE = re.compile(r"(?P<network>\w+) (?P<sparsity>\d+ %), (?P<masks>[\w-]+), batch (?P<batch>\d+)")


@dataclass(frozen=True)
class Inference:
    """A network, its masks and a batch.

    Attributes:
        network: name of the network.
        sparsity: sparsity of the network, in percent.
        masks: ``ERK`` or ``trained-like``.
        batch: images in a call.
        milliseconds: the median for each way of computing; for ours, that of the faster form.
        times: speed of ours as a multiple of torch and of onnxruntime, by the fastest rounds.
        demanded: the multiples that were required in advance.

    """

    network: str
    sparsity: str
    masks: str
    batch: int
    milliseconds: dict[str, float]
    times: dict[str, float]
    demanded: dict[str, float]

    @property
    def met(self) -> bool:
        """Whether all required multiples are reached."""
        return all(self.times[peer] >= least for peer, least in self.demanded.items())


def inference_times(root: Path, measured: Path = MEASURED) -> list[Inference]:
    """Return the measurements, in the order of the file.

    Args:
        root: root of the repository.
        measured: the file, `MEASURED` or `TWO_THREADS`.

    Raises:
        Failure: where the file is absent or not of this benchmark.

    """
    path = root / measured
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        cases = dict.fromkeys(it["case"] for it in lines)
        return [_one(case, [it for it in lines if it["case"] == case]) for case in cases]
    except (OSError, KeyError, ValueError) as error:
        raise Failure(
            f"{path}: no measurement of inference ({error}); make it with "
            "`python benchmarks/run.py --only inference`, and copy it there"
        ) from None


def measured_on(root: Path) -> dict[str, str]:
    """Return the machine and the versions that the measurement names."""
    lines = (root / MEASURED).with_suffix(".md").read_text(encoding="utf-8").splitlines()
    pairs = (it.removeprefix("- ").partition(": ") for it in lines if it.startswith("- "))
    return {name: value for name, _, value in pairs}


def _one(case: str, lines: list[dict[str, str]]) -> Inference:
    found = CASE.fullmatch(case)
    if found is None:
        raise ValueError(f"the case {case!r}")
    took = {
        it["contender"]: float(it["cpu_median"]) for it in lines if it["benchmark"] == "inference"
    }
    ours = min(value for name, value in took.items() if name.startswith("ours"))
    peers = {name: value for name, value in took.items() if not name.startswith("ours")}
    times: dict[str, float] = {}
    demanded: dict[str, float] = {}
    for line in lines:
        _, of, peer = line["benchmark"].partition("times as fast as ")
        if of:
            times[peer] = float(line["wall_median"])
            least = re.search(r"at least ([0-9.]+) demanded", line["contender"])
            demanded |= {peer: float(least[1])} if least else {}
    return Inference(
        found["network"], found["sparsity"], found["masks"], int(found["batch"]),
        {"ours": ours} | peers, times, demanded,
    )  # fmt: skip
