"""A cell that starts from the trained dense network: where that comes from, and what it becomes."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
import small
import torch
from torch import Tensor

from fggp.data import load
from fggp.foundation.errors import Failure
from fggp.running.run_cell import run_cell
from fggp.storage.packing import pack, unpack
from fggp.study.cell import Cell
from fggp.study.result_file import read, weights_path, write
from fggp.training.loop import Run

cell = partial(small.cell, epochs=4, lr_milestones=[0.5])


def path(runs: Path, wanted: Cell) -> Path:
    return runs / f"{wanted.id}.json"


@pytest.fixture
def runs(tmp_path: Path, data: Path) -> Path:
    run_cell(cell("dense"), data, path(tmp_path, cell("dense")), device="cpu")
    return tmp_path


def largest(state: Mapping[str, Tensor], names: list[str], keep: int) -> set[int]:
    size = torch.cat([state[name].abs().flatten() for name in names])
    return set(size.topk(keep).indices.tolist())


def test_it_keeps_the_largest_weights_of_the_trained_network_and_trains_its_last_epochs(
    runs: Path, data: Path
) -> None:
    pruned, dense = cell("global-mp"), cell("dense")
    assert run_cell(pruned, data, path(runs, pruned), device="cpu")
    outcome = read(path(runs, pruned))["outcome"]
    assert [row["lr"] for row in outcome["epochs"]] == pytest.approx([0.1, 0.1])
    assert [row["kept"] for row in outcome["epochs"]] == [outcome["target"]] * 2
    names = [layer["name"] for layer in outcome["layers"]]
    before = largest(unpack(weights_path(path(runs, dense))), names, outcome["target"])
    after = unpack(weights_path(path(runs, pruned)))
    flat = torch.cat([after[name].flatten() for name in names])
    assert set(flat.nonzero().flatten().tolist()) <= before
    assert len(flat.nonzero()) > 0.9 * outcome["target"]


def test_a_result_in_a_folder_of_its_own_names_the_dense_network_that_is_missing(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted, dense = cell("global-mp"), cell("dense").id
    with pytest.raises(Failure, match=rf"{dense}\.json is missing .*; train {dense} first"):
        run_cell(wanted, data, Path("out.json"), device="cpu")
    monkeypatch.chdir("/")
    with pytest.raises(Failure, match=rf"{dense}\.json is missing .*; train {dense} first"):
        run_cell(wanted, data, tmp_path / "out.json", device="cpu")


def test_it_starts_with_the_weights_of_the_dense_network(runs: Path, data: Path) -> None:
    state = unpack(weights_path(path(runs, cell("dense"))))
    run = Run(cell("global-mp"), load(data), torch.device("cpu"), state)
    for name, value in run.model.state_dict().items():
        mask = run.pruner.masks.get(name)
        assert torch.equal(value, state[name] if mask is None else state[name] * mask), name


def test_a_floor_keeps_a_share_of_every_layer(runs: Path, data: Path) -> None:
    floored = cell("global-mp", settings={"floor": 0.05})
    assert run_cell(floored, data, path(runs, floored), device="cpu")
    outcome = read(path(runs, floored))["outcome"]
    for layer in outcome["layers"]:
        size = torch.Size(layer["shape"]).numel()
        assert layer["kept"] >= -(-size * 5 // 100), layer
    assert sum(layer["kept"] for layer in outcome["layers"]) == outcome["target"]


def test_from_scratch_the_shape_of_the_trained_network_is_trained_from_initial_weights(
    runs: Path, data: Path
) -> None:
    state = unpack(weights_path(path(runs, cell("dense"))))
    device = torch.device("cpu")
    tuned = Run(cell("l1-filter"), load(data), device, state)
    fresh = Run(cell("l1-filter", settings={"scratch": True}), load(data), device, state)
    initial = Run(cell("dense"), load(data), device).model.state_dict()
    assert (len(tuned.protocol), len(fresh.protocol)) == (2, 4)
    for name, value in fresh.model.state_dict().items():
        mask = fresh.pruner.masks.get(name)
        assert torch.equal(value, initial[name] if mask is None else initial[name] * mask), name
        assert mask is None or torch.equal(mask, tuned.pruner.masks[name])


def refusal(runs: Path, data: Path, wanted: Cell) -> str:
    with pytest.raises(Failure) as refused:
        run_cell(wanted, data, path(runs, wanted), device="cpu")
    assert not path(runs, wanted).exists()
    return str(refused.value)


def test_without_the_dense_result_it_says_what_to_train_first(tmp_path: Path, data: Path) -> None:
    text = refusal(tmp_path, data, cell("global-mp"))
    assert "is missing or of another cell; train vgg19/s0/i0/dense/seed1 first" in text


def test_a_dense_network_of_another_training_is_not_taken(runs: Path, data: Path) -> None:
    assert "train vgg19/s0/i0/dense/seed1 first" in refusal(runs, data, cell("global-mp", lr=0.1))


def test_weights_that_are_gone_or_exchanged_are_named(runs: Path, data: Path) -> None:
    result = path(runs, cell("dense"))
    state = unpack(weights_path(result))
    pack({name: value + 1 for name, value in state.items()}, weights_path(result))
    assert "does not belong to seed1.json" in refusal(runs, data, cell("global-mp"))
    weights_path(result).unlink()
    assert "are missing; delete" in refusal(runs, data, cell("global-mp"))


def test_a_dense_network_of_other_data_is_not_taken(runs: Path, data: Path) -> None:
    result = path(runs, cell("dense"))
    other = read(result)
    other["cell"]["data"]["sha256"] = "0" * 64
    write(other, result)
    assert "was trained on other data" in refusal(runs, data, cell("global-mp"))


def test_no_share_at_all_is_refused() -> None:
    from fggp import METHODS

    with pytest.raises(ValueError, match="fine_tune: 0 leaves nothing to train"):
        METHODS["global-mp"].recipe(fine_tune=0)
