"""When a training ends early, and when it must not."""

import json
import math
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
import torch
from fabricate import grid

from fggp.analysis.collect.aggregate import aggregate
from fggp.analysis.collect.runs_csv import read_runs
from fggp.data import Dataset
from fggp.methods import METHODS
from fggp.models import build
from fggp.pruning.mask_update import magnitude
from fggp.pruning.prunable import prunable
from fggp.pruning.recipe import Recipe
from fggp.pruning.rules import Choose, PruneTo, grows
from fggp.pruning.selections import Floored, InGroups, Largest
from fggp.publishing.check.study import check
from fggp.running.run_cell import run_cell
from fggp.study.cell import Cell, canonical
from fggp.study.config import cells
from fggp.study.study_folder import run_path, write_expected
from fggp.study.verdict import CHANCE, DIVERGED, Sign, entropy, failure, patience, words
from fggp.training.checkpoint import Checkpoint
from fggp.training.connectivity import connected
from fggp.training.loop import Run
from fggp.training.outputs import OutputSummary
from fggp.training.train import Stopped, train

CPU = torch.device("cpu")
TEN = math.log(10)
REFERENCE = Path(__file__).parents[2] / "results/reference"


def sign(**changes: Any) -> Sign:
    """A sign of an epoch at chance, unless changed."""
    told = {"loss": TEN, "finite": True, "cut": False, "named": 1, "settled": True}
    return Sign(**(told | changes))


# ------------------------------------------------------------------------ the decision by itself


def test_the_first_epoch_can_say_that_all_is_lost_and_no_epoch_says_nothing() -> None:
    assert failure([], 160, TEN) is None
    assert failure([sign(loss=None)], 160, TEN) == DIVERGED
    assert failure([sign(finite=False)], 160, TEN) == DIVERGED
    assert failure([sign(cut=True)], 160, TEN) == "disconnected"
    assert failure([sign(cut=True, loss=None)], 160, TEN) == DIVERGED


def test_chance_needs_all_of_its_signs_in_every_epoch_of_a_tenth_of_the_training() -> None:
    assert failure([sign()] * 16, 160, TEN) == CHANCE
    assert failure([sign()] * 15, 160, TEN) is None
    for healthy in (
        sign(loss=0.989 * TEN),
        sign(named=2),
        sign(settled=False),
    ):
        for place in (0, 7, 15):
            told = [sign()] * 16
            told[place] = healthy
            assert failure(told, 160, TEN) is None
        assert failure([healthy, *[sign()] * 16], 160, TEN) == CHANCE
    assert failure([sign(loss=0.991 * TEN)] * 16, 160, TEN) == CHANCE


@pytest.mark.parametrize(("epochs", "wanted"), [(1, 5), (4, 5), (50, 5), (51, 6), (160, 16)])
def test_patience_is_a_tenth_and_at_least_five_epochs(epochs: int, wanted: int) -> None:
    assert patience(epochs) == wanted


def test_a_run_that_is_shorter_than_patience_is_never_at_chance() -> None:
    assert failure([sign()] * 4, 4, TEN) is None


def test_guessing_is_measured_by_the_labels_that_there_are() -> None:
    assert entropy([7] * 10) == pytest.approx(TEN)
    assert entropy([90, 10]) == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    assert entropy([5, 0]) == 0
    told = [sign(loss=0.33)] * 5
    assert failure(told, 20, entropy([90, 10])) == CHANCE  # below log 2, and no better than 90 : 10
    assert failure([sign(loss=0.0)] * 5, 20, entropy([5])) is None  # one class: nothing to guess


def test_the_end_is_said_in_words() -> None:
    epochs = {"epochs": [{"epoch": 1}, {"epoch": 2}]}
    assert words(epochs | {"verdict": "completed"}) == "completed after epoch 2"
    stopped = {"epochs": 160, "empty_layers": ["conv1.weight", "conv2.weight"]}
    said = words(epochs | {"verdict": "disconnected", "stopped": stopped})
    assert said.startswith("ended after epoch 2 of 160, disconnected: no path of kept weights")
    assert said.endswith("; no weight is left in conv1.weight, conv2.weight")
    assert words(epochs | {"verdict": "diverged"}).startswith("ended after epoch 2, diverged: ")
    assert "\n" not in said


# --------------------------------------------------------------------------- what it is taken from


def answers(*batches: list[list[float]]) -> OutputSummary:
    seen = OutputSummary(len(batches[0][0]), CPU)
    for batch in batches:
        outputs = torch.tensor(batch)
        seen.take(outputs, outputs.argmax(1))
    return seen


def test_answers_are_constant_only_where_no_output_of_any_image_differs() -> None:
    assert answers([[1, 2], [1, 2]], [[1, 2]]).constant
    assert answers([[1, 2]], [[1, 2 + 1e-6]]).constant
    assert not answers([[1, 2]], [[1, 2.0001]]).constant
    assert not answers([[1, 2]], [[1.0001, 2]]).constant
    assert not answers([[1e-9, 2]], [[-1e-9, 2]]).constant
    assert not answers([[math.nan, 2]], [[math.nan, 2]]).constant
    assert answers([[0, 0]], [[0, 0]]).constant


def test_the_named_classes_are_counted_over_all_batches() -> None:
    assert answers([[1, 2], [0, 1]]).named == 1
    assert answers([[1, 2]], [[2, 1]]).named == 2


def masks_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: torch.ones_like(p, dtype=torch.bool) for name, p in prunable(model).items()}


@pytest.mark.parametrize("backbone", ["vgg19", "resnet50"])
def test_a_whole_network_is_connected_and_stays_as_it_is(backbone: str) -> None:
    model = build(backbone, width=Fraction(1, 32), classes=10).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert connected(model, masks_of(model), (3, 16, 16))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training


def test_one_empty_layer_cuts_a_chain_and_an_empty_branch_cuts_no_residual_network() -> None:
    chain = build("vgg19", width=Fraction(1, 32), classes=10)
    for name in ("conv1_1.weight", "conv4_2.weight", "classifier.weight"):
        masks = masks_of(chain)
        masks[name].zero_()
        assert not connected(chain, masks, (3, 16, 16))
    residual = build("resnet50", width=Fraction(1, 32), classes=10)
    masks = masks_of(residual)
    for name in masks:
        if ".conv2." in name:  # in every block: only the shortcuts are left
            masks[name].zero_()
    assert connected(residual, masks, (3, 16, 16))
    masks["stage3.0.downsample.0.weight"].zero_()
    assert not connected(residual, masks, (3, 16, 16))


def test_a_single_path_is_found_and_a_broken_one_is_not() -> None:
    model = build("vgg19", width=Fraction(1, 32), classes=10)
    masks = {name: torch.zeros_like(mask) for name, mask in masks_of(model).items()}
    for mask in masks.values():
        mask[(1, 1, 1, 1) if mask.ndim == 4 else (1, 1)] = True
    assert connected(model, masks, (3, 16, 16))
    masks["conv3_1.weight"].zero_()[0, 1, 1, 1] = True  # leads to a channel that nothing reads
    assert not connected(model, masks, (3, 16, 16))


def test_a_weight_that_layers_share_is_empty_in_all_of_them() -> None:
    model = torch.nn.Sequential(*(torch.nn.Conv2d(3, 3, 3, padding=1) for _ in range(2)))
    model[1].weight = model[0].weight
    masks = masks_of(model)
    assert connected(model, masks, (3, 8, 8))
    masks["0.weight"].zero_()
    assert not connected(model, masks, (3, 8, 8))


def test_a_kernel_that_looks_only_past_the_edge_of_a_map_leads_nowhere() -> None:
    model = build("vgg19", width=Fraction(1, 32), classes=10)
    masks = masks_of(model)
    masks["conv5_1.weight"][:, :, 1, 1] = False
    assert connected(model, masks, (3, 32, 32))  # maps of 2×2 there
    assert not connected(model, masks, (3, 16, 16))  # of 1×1


def test_what_may_return_weights_is_known_through_all_parts() -> None:
    assert not grows(None)
    assert not grows(PruneTo(Floored(Largest(magnitude), Fraction(1, 100))))
    assert grows(PruneTo(InGroups(magnitude, 4)))
    assert grows((PruneTo(Largest(magnitude)), Choose(Largest(magnitude))))
    assert not grows(METHODS["fggp"].recipe(floor="0.01", scope="layer").rule)
    assert grows(
        METHODS["fggp"].recipe(pool="kept", grow="gradient", floor="0.01", scope="layer").rule
    )
    growing = {name for name in METHODS if METHODS[name].starts != "none" and grows(_rule(name))}
    assert growing == {
        *("set", "rigl", "rigl-itop", "granet", "mest", "deep-r"),
        *("dpf", "iss", "decaying-mask", "sr-ste", "jackpots"),
    }


def _rule(name: str) -> Any:
    recipe: Recipe = METHODS[name].recipe()
    return recipe.rule


# ------------------------------------------------------------------------------- whole trainings


cell = partial(small.cell, sparsity=0.5, lr_milestones=[])


def trained(wanted: Cell, digits: Dataset) -> tuple[dict[str, Any], Run]:
    runs: list[Run] = []
    outcome = train(wanted, digits, device=CPU, store=small.Forgetful(), finish=runs.append).plain()
    return outcome, runs[0]


def test_a_learning_rate_far_too_high_diverges(digits: Dataset) -> None:
    outcome, _ = trained(cell("dense", lr=1_000_000, epochs=9), digits)
    assert outcome["verdict"] == "diverged"
    assert len(outcome["epochs"]) < 9
    assert outcome["stopped"] == {"epochs": 9, "empty_layers": []}


@pytest.mark.parametrize("name", ["conv2_1.weight", "norm2_1.running_var"])
def test_a_weight_or_statistic_that_is_not_finite_ends_the_epoch_as_diverged(
    digits: Dataset, name: str
) -> None:
    run = Run(cell("dense"), digits, CPU)
    run.train_epoch(lambda: False, lambda done, steps: None)
    run.model.state_dict()[name][0] = math.inf
    assert run.close_epoch()["train_loss"] is not None
    assert run.failure == "diverged"


EMPTIED = {"settings": {"floor": 0}, "sparsity": "1999/2000"}


def test_a_network_without_a_path_ends_after_its_first_epoch_and_names_the_empty_layers(
    digits: Dataset,
) -> None:
    outcome, run = trained(cell("magnitude-init", epochs=9, **EMPTIED), digits)
    assert outcome["verdict"] == "disconnected"
    assert len(outcome["epochs"]) == 1
    empty = [layer["name"] for layer in outcome["layers"] if not layer["kept"]]
    assert "classifier.weight" in empty
    assert outcome["stopped"] == {"epochs": 9, "empty_layers": empty}
    assert outcome["accuracy"]["last"]["epoch"] == 1
    assert run.logits is not None
    assert len(np.unique(run.logits, axis=0)) == 1
    assert f"no weight is left in {', '.join(empty)}" in words(outcome)


def test_a_method_that_never_grows_may_end_inside_its_window(digits: Dataset) -> None:
    outcome, run = trained(cell("gmp", epochs=9, end=8, lr=0.001, sparsity="19/20"), digits)
    assert outcome["verdict"] == "disconnected"
    assert len(outcome["epochs"]) < 8
    assert not run.pruner.settled
    assert sum(layer["kept"] for layer in outcome["layers"]) > outcome["target"]


@pytest.mark.parametrize("method", ["rigl", "granet"])
def test_a_method_that_regrows_is_not_ended_while_its_updates_go_on(
    digits: Dataset, method: str
) -> None:
    run = Run(cell(method, epochs=9, end=8, lr=0.001, sparsity="19/20"), digits, CPU)
    run.train_epoch(lambda: False, lambda done, steps: None)
    run.pruner.masks["classifier.weight"].zero_()  # as a global method may leave it
    run.pruner.apply()
    run.close_epoch()
    assert run.signs[-1]["named"] == 1
    assert not connected(run.model, run.pruner.masks, (3, 16, 16))
    assert run.failure is None
    # The same network after the last update has no way back.
    run.pruner.steps = run.pruner.method.last_update
    run.close_epoch()
    assert run.failure == "disconnected"


@torch.no_grad()
def answers_a_constant(run: Run) -> None:
    """Let a network answer every image alike, without a change of its masks."""
    for parameter in run.model.classifier.parameters():
        parameter.zero_()


def test_soft_masks_cut_nothing_while_their_values_can_come_back(digits: Dataset) -> None:
    run = Run(cell("iss", epochs=4, end=2), digits, CPU)
    run.pruner.masks["classifier.weight"].zero_()
    answers_a_constant(run)
    run.pruner.steps = run.pruner.method.last_update
    assert not run.pruner.closed
    run.close_epoch()
    assert run.failure is None


def test_an_emptied_residual_branch_is_no_reason_to_end(digits: Dataset) -> None:
    wanted = cell("random", epochs=2)
    wanted = wanted.model_copy(
        update={"backbone": wanted.backbone.model_copy(update={"name": "resnet50"})}
    )
    run = Run(wanted, digits, CPU)
    run.pruner.masks["stage1.1.conv2.weight"].zero_()
    answers_a_constant(run)
    assert run.pruner.closed
    run.close_epoch()
    assert run.failure is None
    run.pruner.masks["classifier.weight"].zero_()
    run.close_epoch()
    assert run.failure == "disconnected", "the branch alone was not examined"


DECAYED = {"lr": "1/2", "weight_decay": 1, "momentum": 0, "nesterov": False}


def test_a_network_that_answers_a_constant_to_the_last_is_at_chance(digits: Dataset) -> None:
    outcome, run = trained(cell("dense", epochs=12, **DECAYED), digits)
    assert outcome["verdict"] == "chance"
    # Epochs count from the second half on, and five of them are asked for.
    assert [row["epoch"] for row in outcome["epochs"]] == list(range(1, 12))
    assert [told["settled"] for told in run.signs] == [False] * 6 + [True] * 5
    assert outcome["stopped"] == {"epochs": 12, "empty_layers": []}


def test_a_network_at_chance_goes_on_while_its_learning_rate_may_still_fall(
    digits: Dataset,
) -> None:
    outcome, run = trained(cell("dense", epochs=12, **DECAYED, lr_milestones=["2/3"]), digits)
    assert outcome["verdict"] == "completed"
    assert [told["settled"] for told in run.signs] == [False] * 8 + [True] * 4


@pytest.mark.filterwarnings("ignore:all gradients are zero")
def test_a_network_at_chance_goes_on_while_masks_are_updated(digits: Dataset) -> None:
    wanted = cell("gmp", epochs=12, end=9, settings={"scope": "layer"}, **DECAYED)
    outcome, run = trained(wanted, digits)
    assert outcome["verdict"] == "completed"
    # The ninth epoch has no update after its eighth step of 27; only whole epochs after it count.
    assert [told["settled"] for told in run.signs] == [False] * 9 + [True] * 3


@pytest.mark.parametrize("epochs", [5, 10])
def test_a_slow_start_is_never_cut_short(digits: Dataset, epochs: int) -> None:
    outcome, run = trained(cell("dense", epochs=epochs, lr="1/1000000000"), digits)
    assert len(outcome["epochs"]) == epochs
    # It learns nothing in this number of steps, but gives each image its own logits.
    assert run.logits is not None
    assert len(np.unique(run.logits, axis=0)) > 1
    assert all(row["train_loss"] > 0.9 * TEN for row in outcome["epochs"])


@pytest.mark.parametrize(
    "wanted",
    [
        cell("magnitude-init", epochs=9, **EMPTIED),
        cell("dense", epochs=12, **DECAYED),
        cell("dense", lr=1_000_000, epochs=9),
    ],
    ids=["disconnected", "chance", "diverged"],
)
def test_a_failed_training_that_was_stopped_anywhere_comes_to_the_same_verdict_and_bytes(
    tmp_path: Path, digits: Dataset, wanted: Cell
) -> None:
    whole, _ = trained(wanted, digits)
    store = Checkpoint(tmp_path / "c.ckpt", wanted, "cpu")
    steps = 3 * len(whole["epochs"])
    for stop_at in (2, 4, 3):
        left = iter(range(stop_at))
        if stop_at <= steps:
            steps -= stop_at
            with pytest.raises(Stopped):
                train(wanted, digits, device=CPU, store=store,
                      stop=lambda left=left: next(left, None) is None)  # fmt: skip
    again = train(wanted, digits, device=CPU, store=store).plain()
    assert canonical(again) == canonical(whole)
    # Killed after the last epoch and before the result: nothing is trained any more.
    last = train(
        wanted, digits, device=CPU, store=store, stop=lambda: pytest.fail("trained")
    ).plain()
    assert canonical(last) == canonical(whole)


def test_failed_trainings_are_aggregated_and_their_files_are_in_order(
    tmp_path: Path, data: Path
) -> None:
    study = grid(
        data={"kind": "digits"} | small.DATA,
        backbones={"vgg19": {"width": "1/32", "lr": 0.001}},
        sparsities=["1999/2000"],
        initial_sparsities=[0],
        seeds=[1],
        methods={"gmp": {}, "magnitude-init": {"floor": 0}},
        training={"epochs": 9, "batch_size": 32, "pad": 1},
        pruning={"update_every": 2, "end_epoch": 8},
    )
    folder = tmp_path / "study"
    write_expected(study, folder / "cells.json")
    for wanted in cells(study):
        run_cell(wanted, data, run_path(folder, wanted), device="cpu")
    aggregate(folder)
    runs = read_runs(folder)
    assert set(runs["verdict"]) == {"disconnected"}
    assert all(runs["epochs"] < 9)
    assert all(runs["kept"] >= runs["target"])
    report = check(folder)
    assert report.green, "\n".join(map(str, report.problems))
    assert sum("disconnected" in problem.text for problem in report.problems) == 2


# --------------------------------------------------------------------------------- shipped results


def test_no_shipped_training_would_have_ended_earlier_or_with_another_verdict() -> None:
    files = sorted(REFERENCE.rglob("seed*.json"))
    assert len(files) > 60
    for file in files:
        result = json.loads(file.read_text())
        outcome, epochs = result["outcome"], result["outcome"]["epochs"]
        assert outcome["verdict"] == "completed"
        assert all(row["train_loss"] is not None for row in epochs)
        # An epoch's loss this low is not that of guessing, so that chance is ruled out.
        assert all(row["train_loss"] < 0.99 * TEN for row in epochs[1:])
        # Masks end with no empty layer, and a constant answer names one of ten equal classes.
        assert all(layer["kept"] for layer in outcome["layers"])
        constant = [row for row in epochs if row["test_correct"] == outcome["images"]["test"] // 10]
        # The epoch after a network was pruned at once may be an exception; training continues.
        assert not constant or result["cell"]["method"]["name"] in {"imp", "slimming"}
