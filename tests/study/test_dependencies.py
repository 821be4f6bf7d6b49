"""Methods that start from the trained dense network: what waits for what."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from fggp.foundation.validation import ConfigError
from fggp.running.snakemake_grid import Grid
from fggp.running.workers import Task, Workers
from fggp.study.config import cells, load
from fggp.study.dependencies import origin

CONFIG = Path(__file__).parents[2] / "config"
DEMO = yaml.safe_load((CONFIG / "demo.yaml").read_text())


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(DEMO | {"methods": {"global-mp": {}, "dense": {}, "gmp": {}}}))
    return path


def test_the_dense_cell_of_the_same_backbone_and_seed_comes_before(study: Path) -> None:
    known = {cell.id: cell for cell in cells(load(study))}
    waiting = [cell for cell in known.values() if cell.label == "global-mp"]
    assert len(waiting) == 2 * 2 * 2
    for cell in waiting:
        before = origin(cell)
        assert before is not None
        assert before == known[f"{cell.backbone.name}/s0/i0/dense/seed{cell.seed}"]
    assert all(origin(cell) is None for cell in known.values() if cell.label != "global-mp")


def test_a_study_without_the_dense_network_is_refused(study: Path) -> None:
    study.write_text(yaml.safe_dump(DEMO | {"methods": {"global-mp": {}}}))
    with pytest.raises(ConfigError, match=r"global-mp starts from .* add `dense: \{\}`"):
        load(study)


def test_the_workflow_asks_for_the_dense_result(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grid = Grid(Path("study.yaml"))

    def named(label: str, start: str) -> SimpleNamespace:
        return SimpleNamespace(
            backbone="resnet50", sparsity="90", start=start, label=label, seed="2"
        )

    dense = "results/study/runs/resnet50/s0/i0/dense/seed2.json"
    assert grid.origins(named("global-mp", "any"), ["{seed}"]) == [dense]
    assert grid.origins(named("gmp", "50"), ["{seed}"]) == []
    assert dense in grid.run_files


class Instant(Workers):
    """Workers whose trainings end, in the order of their start, when they are asked."""

    def __init__(self, jobs: int) -> None:
        super().__init__(jobs, float("inf"), "cpu")
        self.started: list[str] = []
        self.together: list[int] = []

    def _start(self, task: Task) -> None:
        self.started.append(task.cell.id)
        self.running[len(self.started)] = task  # type: ignore[index]
        self.together.append(len(self.running))

    def _ended(self) -> list[tuple[Task, int]]:
        first = next(iter(self.running))
        return [(self.running.pop(first), 0)]

    def _ask_to_stop(self) -> None:
        self.asked = True


def tasks(study: Path, drop: Sequence[str] = ()) -> list[Task]:
    made = []
    for cell in cells(load(study)):
        before = origin(cell)
        if cell.label not in drop:
            made.append(Task(cell, study, study, before.id if before else None))
    return made


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_a_training_is_started_after_the_one_that_it_waits_for(study: Path, jobs: int) -> None:
    workers, waiting = Instant(jobs), tasks(study)[::-1]  # the dense ones last
    assert workers.train(waiting).status == 0
    assert sorted(workers.started) == sorted(task.cell.id for task in waiting)
    for task in waiting:
        if task.after:
            assert workers.started.index(task.after) < workers.started.index(task.cell.id)
    assert max(workers.together) == jobs


def test_what_was_trained_before_is_not_waited_for(study: Path) -> None:
    workers = Instant(2)
    assert workers.train(tasks(study, drop=["dense"])).status == 0
    assert len(workers.started) == 8 + 16
