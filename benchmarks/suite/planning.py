"""Planning of a grid: a dry run of Snakemake over a thousand and ten thousand cells."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import yaml

from suite.children import in_turns
from suite.work import Options, Row

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "src", "config", "slurm", "envs")
PER_SEED = 44  # of config/paper.yaml


def measure(options: Options) -> list[Row]:
    """Return seconds, and the memory of the dry run."""
    if shutil.which("snakemake") is None:
        return [Row("planning", "dry run", "snakemake", "s", note="not installed")]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in PARTS:
            source = ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, folder / part)
        for wanted in (PER_SEED,) if options.tiny else (1_000, 10_000):
            seeds = round(wanted / PER_SEED)
            study = {"base": "paper.yaml", "seeds": list(range(1, seeds + 1))}
            path = folder / "config" / f"cells{wanted}.yaml"
            path.write_text(yaml.safe_dump(study))
            command = ["snakemake", "-n", "--quiet", "all", "--configfile", str(path)]
            rows += in_turns(
                "planning",
                f"{seeds * PER_SEED} cells",
                {"snakemake -n": command},
                rounds=options.times(1),
                folder=folder,
                environment={"PYTHONPATH": str(folder / "src")},
                warm=0,
            )
    return rows
