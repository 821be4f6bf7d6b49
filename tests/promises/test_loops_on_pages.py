"""The lines that the pages give a reader for a loop of their own."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import torch
from plain_loop import BATCHES, network
from torch import nn

import fggp

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLES = (ROOT / "examples/README.md").read_text()
MIGRATING = (ROOT / "examples/MIGRATING.md").read_text()


def blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_loop_of_the_readme_prunes_with_nothing_but_what_a_reader_has() -> None:
    (loop,) = [block for block in blocks(README) if "pruner.step()" in block]
    model = network()
    reader = {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        "loss": nn.CrossEntropyLoss(),
        "batches": [(x.float(), y) for x, y in BATCHES],
        "epochs": 5,
    }
    exec(loop, reader)
    pruner = reader["pruner"]
    assert pruner.steps == 5 * 24
    assert sum(int(p.count_nonzero()) for p in pruner.parameters.values()) == 69
    assert round(1374 * 0.05) == 69


def test_the_lines_of_the_examples_make_a_training_longer() -> None:
    (longer,) = blocks(EXAMPLES)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    short = fggp.Pruner(model, optimizer, fggp.method("fggp", sparsity=0.95, steps=24))
    names = {"model": model, "optimizer": optimizer, "steps": 24, "fggp": fggp}
    trained(short, model, optimizer)
    names["saved"], masks = copy.deepcopy(short.state_dict()), dict(short.masks)
    del short
    exec(longer, names)
    trained(names["pruner"], model, optimizer)
    assert names["pruner"].steps == 48
    for name, mask in masks.items():
        assert torch.equal(names["pruner"].masks[name], mask)
        assert not model.get_parameter(name)[~mask].any()


def trained(pruner: fggp.Pruner, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for x, y in BATCHES:
        nn.functional.cross_entropy(model(x.float()), y).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()


def test_every_block_of_the_page_on_migrating_runs_and_its_assertions_hold(tmp_path: Path) -> None:
    script = "\n".join(blocks(MIGRATING))
    # The two tools that come with torch are compared mask by mask, the others by their contract.
    assert len(re.findall(r"^ *assert ", script, re.MULTILINE)) >= 15
    imported = set(re.findall(r"^(?:import|from) (\w+)", script, re.MULTILINE))
    assert imported == {"copy", "torch", "fggp"}
    ended = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_the_readme_leads_to_the_examples() -> None:
    assert {"examples/README.md", "examples/MIGRATING.md"} <= set(
        re.findall(r"\]\(([^)]+)\)", README)
    )
