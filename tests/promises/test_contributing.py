import csv
import re
from pathlib import Path

import pytest
import small
import torch
import yaml
from checkout import FEW, ROOT, TINY, Checkout

from fggp.data import SOURCES, Dataset, load, prepare
from fggp.models import open_networks
from fggp.models.registry import names
from fggp.study.config import cells
from fggp.study.config import load as read_study
from fggp.training.train import train

GUIDE = (ROOT / "CONTRIBUTING.md").read_text()


def example(section: str, language: str) -> str:
    """The first block of code in a section of the guide."""
    text = GUIDE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    block = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert block, f"{section} has an example in {language}"
    return block[1]


def test_the_networks_of_the_guide_are_read_and_the_own_one_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: Dataset
) -> None:
    monkeypatch.setattr(open_networks, "_FILES", {})
    monkeypatch.setenv(open_networks.VARIABLE, "")
    (tmp_path / "mynet.py").write_text(example("Adding a network", "python"))
    backbones = yaml.safe_load(example("Adding a network", "yaml"))
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(TINY | backbones))
    found = cells(read_study(tmp_path / "own.yaml"))
    assert not {cell.backbone.name for cell in found} & {*names()}
    cell = next(it for it in found if (it.backbone.name, it.label) == ("mine", "fggp"))
    outcome = train(cell, digits, device=torch.device("cpu"), store=small.Forgetful())
    assert outcome.verdict == "completed"
    assert outcome.kept == outcome.target


def test_the_data_set_of_the_guide_is_prepared(
    tmp_path: Path,
) -> None:
    exec(compile(example("Adding a data set", "python"), "stripes.py", "exec"), {})
    source = SOURCES["stripes"]
    try:
        dataset = load(prepare("stripes", tmp_path / "stripes.npz"))
    finally:
        del SOURCES["stripes"]
    assert dataset.size == source.size
    assert len(dataset.classes) == 2


@pytest.mark.slow
def test_the_walk_through_puts_a_method_into_the_ranking(by_hand: Checkout, tmp_path) -> None:
    checkout = by_hand.copy(tmp_path / "walk")
    code = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    line = re.search(r"under `methods:` as `(.*?)`", GUIDE)
    assert code, "CONTRIBUTING.md shows the file of a method"
    assert line, "CONTRIBUTING.md shows the line of a configuration"
    name = re.search(r"def (\w+)\(", code[1])
    assert name
    (checkout / f"src/fggp/methods/{name[1]}.py").write_text(code[1])
    added = yaml.safe_load(line[1])
    checkout.study("few", **FEW | {"methods": FEW["methods"] | added})

    assert name[1].replace("_", "-") in checkout.fggp("methods").out
    ranking = "results/few/tables/ranking.csv"
    ran = checkout.snakemake(ranking, "--cores", "2", study="few")
    assert len(ran.trained) == 2, ran
    with (checkout / ranking).open(newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    assert set(added) <= set(labels)
