"""The typed outcome: a training writes it, and it is read unchanged, to the byte."""

import json

import pytest
import small
import torch
from checkout import ROOT
from fabricate import grid, older, result_of
from shipped import SHIPPED_RESULTS

from fggp.data import Dataset
from fggp.study.cell import canonical
from fggp.study.config import cells
from fggp.study.outcome import Outcome, Provenance
from fggp.training.train import train

SHIPPED = sorted(ROOT.glob("results/reference/*/runs/**/seed*.json"))


def test_every_shipped_result_comes_back_with_its_keys_in_their_order() -> None:
    assert len(SHIPPED) == SHIPPED_RESULTS
    for path in SHIPPED:
        result = json.loads(path.read_text())
        outcome = Outcome.model_validate(result["outcome"])
        assert json.dumps(outcome.plain()) == json.dumps(result["outcome"]), path
        provenance = Provenance.model_validate(result["provenance"])
        assert provenance.plain() == result["provenance"], path


@pytest.mark.parametrize("method", ["fggp", "dense", "small-dense"])
def test_a_training_writes_what_is_read_again(digits: Dataset, method: str) -> None:
    outcome = train(small.cell(method), digits, device=torch.device("cpu"), store=small.Forgetful())
    text = json.dumps(outcome.plain())
    assert json.dumps(Outcome.model_validate(json.loads(text)).plain()) == text
    assert list(outcome.plain())[:3] == ["numerics", "verdict", "images"]
    assert "stopped" not in outcome.plain(), "an optional key without a value is absent"


def test_a_training_that_failed_says_where_it_stopped(digits: Dataset) -> None:
    wanted = small.cell("gmp", lr=1_000_000)
    outcome = train(wanted, digits, device=torch.device("cpu"), store=small.Forgetful())
    assert not outcome.completed
    assert outcome.stopped is not None
    assert list(outcome.plain())[:3] == ["numerics", "verdict", "stopped"]
    assert outcome.plain()["stopped"] == {"epochs": 3, "empty_layers": []}


def test_an_older_result_lacks_what_was_not_recorded_then() -> None:
    cell = cells(grid())[-1]
    result = result_of(cell, 900)
    older(cell, result)
    outcome = Outcome.model_validate(result["outcome"])
    assert outcome.dead_neurons is outcome.explored is outcome.layers[0].macs is None
    assert canonical(outcome.plain()) == canonical(result["outcome"])


def test_a_key_of_a_later_version_is_kept_and_another_type_is_refused() -> None:
    content = result_of(cells(grid())[0], 900)["outcome"]
    assert Outcome.model_validate(content | {"later": 1}).plain()["later"] == 1
    for wrong in ({"target": "9"}, {"target": 9.0}, {"verdict": "fine"}, {"epochs": []}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Outcome.model_validate(content | wrong)
