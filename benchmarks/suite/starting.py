"""The start of one cell: from the start of its process to its first step.

It is compared with the minimum of any training in PyTorch: to import it and make an optimizer.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from fggp.data import prepare
from suite.children import in_turns
from suite.training import cell
from suite.work import Options, Row

END = "os._exit(0)"  # the end of a process is not part of its start
IMPORT = "import os, torch"
OPTIMIZER = f"{IMPORT}; torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=0.1)"
# The command line as in a job, with an end after the first step.
CELL = """
import os, sys
import fggp.cli
from fggp.cli import train

whole = train._train

def until_the_first_step(*given):
    from fggp.running import run_cell as job
    run_cell = job.run_cell
    end = {"tick": lambda done, steps: os._exit(0)}
    job.run_cell = lambda *given, **named: run_cell(*given, **(named | end))
    return whole(*given)

train._train = until_the_first_step
sys.exit(fggp.cli.main(sys.argv[1:]))
"""


def measure(options: Options) -> list[Row]:
    """Return seconds, and memory at the first step."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = prepare("digits", folder / "digits.npz")
        commands = {
            f"ours, {backbone}": [sys.executable, "-c", CELL, *arguments(backbone, data)]
            for backbone in ("vgg19", "resnet50")
        } | {
            "import torch and an optimizer": [sys.executable, "-c", f"{OPTIMIZER}; {END}"],
            "import torch": [sys.executable, "-c", f"{IMPORT}; {END}"],
        }
        return in_turns(
            "start of a cell",
            "a process",
            commands,
            rounds=options.times(5),
            folder=folder,
            environment={"OMP_NUM_THREADS": str(options.threads)},
        )


def arguments(backbone: str, data: Path) -> list[str]:
    """Return the command line of a job that trains a narrow network on digits."""
    small = cell(backbone, 32, "channels_last", "fggp", Options(tiny=True)).plain()
    small["data"] = {"name": "digits", "validation": 147}
    out = data.parent / f"runs/a/b/c/d/{backbone}.json"
    named = {"--cell": json.dumps(small), "--data": data, "--out": out, "--device": "cpu"}
    return ["train", *(str(word) for pair in named.items() for word in pair)]
