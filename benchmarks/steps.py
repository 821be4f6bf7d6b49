"""The cost of each step of an evaluation: time, memory and disk, in an unpacked release.

``make measure`` builds the release and runs ``python benchmarks/steps.py``. The archive is unpacked
into an empty folder without git, and the steps of ``docs/steps.yaml`` are run there one after the
other, as a reader would. Results go to ``docs/measured.json``, with the machine and its load: run
it on a quiet machine, or state that it was busy. Memory is that of the largest single process
(including torch's data), disk is the growth of the folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from fggp.training.provenance import processor

ROOT = Path(__file__).parents[1]
STEPS = ROOT / "docs/steps.yaml"
OUT = ROOT / "docs/measured.json"


def main() -> None:
    """Measure the requested steps, and keep the earlier measurements of the others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path, help="the release, dist/fggp-VERSION.tar.gz")
    parser.add_argument("--only", nargs="*", metavar="STEP", help="only these steps, in order")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    steps = yaml.safe_load(STEPS.read_text())
    known = {step["id"]: step for step in _known(options.out)}
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(options.archive) as archive:
            archive.extractall(folder, filter="data")
        (top,) = Path(folder).iterdir()
        for step in steps:
            if options.only is None or step["id"] in options.only:
                known[step["id"]] = measure(step, top)
                print(json.dumps(known[step["id"]]), flush=True)
                _write(options.out, [known[it["id"]] for it in steps if it["id"] in known])


def _write(path: Path, steps: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps({"machine": _machine(), "steps": steps}, indent=1) + "\n")


def _machine() -> dict[str, Any]:
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def measure(step: dict[str, Any], top: Path) -> dict[str, Any]:
    """Run one step in ``top`` and return its cost; end the program if it fails."""
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "MAKEFLAGS"}}
    before, load, began = _size(top), os.getloadavg()[0], time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(
            step["command"], shell=True, cwd=top, env=environment, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        if child.returncode:
            output.seek(0)
            sys.exit(f"{step['command']}: status {child.returncode}\n{output.read()[-4000:]}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "id": step["id"],
        "command": step["command"],
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_memory_mb": usage.ru_maxrss // unit,
        "disk_mb": round((_size(top) - before) / 10**6, 1),
        "load_before": round(load, 1),
    }


def _known(path: Path) -> list[dict[str, Any]]:
    """Return the earlier measurements, if they were made on a machine like this one."""
    content = json.loads(path.read_text()) if path.exists() else {}
    return list(content["steps"]) if content.get("machine") == _machine() else []


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file() or p.is_symlink())


if __name__ == "__main__":
    main()
