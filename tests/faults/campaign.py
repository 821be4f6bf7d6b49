"""Break things on purpose, and see that no result is lost, none is wrong and nothing is unclear.

Kills of trainings, mutated studies, damaged files: `make faults`, minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from checkout import ROOT
from damage import damages
from default_signals import hear_the_terminal
from kills import kills
from studies import studies
from tally import Tally

PARTS = ("kills", "studies", "damages")


def run(options: argparse.Namespace, home: Path) -> list[Tally]:
    """Run the parts that are wanted, each in a folder of its own."""
    made = []
    for part in options.only or PARTS:
        folder = home / part
        folder.mkdir()
        if part == "kills":
            tally = kills(folder, options.kills, options.seed, options.jobs)
        elif part == "studies":
            tally = studies(folder, options.studies, options.seed)
        else:
            tally = damages(folder, options.damages, options.seed, options.jobs)
        print(tally, flush=True)
        made.append(tally)
    return made


def main() -> int:
    """Run the campaign; returns 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of everything that is random")
    parser.add_argument("--kills", type=int, default=60, help="how many (default: 60)")
    parser.add_argument("--studies", type=int, default=400, help="how many (default: 400)")
    parser.add_argument("--damages", type=int, default=120, help="how many (default: 120)")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once (default: 2)")
    parser.add_argument("--only", action="append", choices=PARTS, help="just this part")
    parser.add_argument("--out", type=Path, default=ROOT / "results/faults.json")
    options = parser.parse_args()
    hear_the_terminal()
    with tempfile.TemporaryDirectory(prefix="fggp-faults-") as home:
        made = run(options, Path(home))
    broken = [fault for tally in made for fault in tally.broken]
    content = {"seed": options.seed, "parts": [tally.plain() for tally in made]}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    seconds = sum(tally.seconds for tally in made)
    print(f"{len(broken)} faults in {seconds:.0f} s; {options.out} tells all")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
