import csv
import re

import pytest
import yaml
from checkout import FEW, ROOT, Checkout

GUIDE = (ROOT / "CONTRIBUTING.md").read_text()


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
