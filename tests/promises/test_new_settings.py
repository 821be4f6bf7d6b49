"""A setting that is new with a default leaves every shipped result what it is, everywhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from checkout import ROOT
from shipped import SHIPPED_RESULTS

from fggp.study.study_folder import read_configuration

SHIPPED = ROOT / "results/reference"
STUDIES = sorted(path.parent.name for path in SHIPPED.glob("*/cells.json"))
ADDED = {
    "study/cell.py": {
        "    width: Width\n": "    width: Width\n    head: Flag = False\n",
        "    sha256: str | None = None\n": "    sha256: str | None = None\n    kept: Flag = True\n",
        "    threads: Threads = 1\n": (
            '    threads: Threads = 1\n    optimizer: Literal["sgd", "adamw"] = "sgd"\n'
        ),
        "    end_epoch: Count | None = 80\n": (
            "    end_epoch: Count | None = 80\n    warm_up: Index = 0\n"
        ),
    },
    "methods/gmp.py": {'"stepped") -> Recipe': '"stepped", *, twice: bool = False) -> Recipe'},
}
"""A new setting of every block that a cell has, as text after text of the source."""

LOOK = """
import json, sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import fggp.cli.run
from fggp.cli import main
from fggp.running.snakemake_grid import Grid
from fggp.running.workers import Ended
from fggp.study.config import cells, load

class Idle:
    # Trains nothing, and counts its tasks: the cells that are not shipped.
    def __init__(self, *_, **__):
        pass

    def train(self, tasks):
        found["left"] = len(tasks)
        return Ended()


fggp.cli.run.prepare_data = lambda *_: None  # the images are not shipped
fggp.cli.run.Workers = Idle
told = {"source": fggp.__file__, "studies": {}}
told["cell"] = cells(load(Path("config/mini-folder.yaml")))[1].plain()
with redirect_stdout(StringIO()) as out:
    told["check"] = main(["check-results", "results"])
told["checked"] = out.getvalue()
for study in sys.argv[1:]:
    found = told["studies"][study] = {}
    with redirect_stdout(StringIO()) as out:
        main(["status", study, "--json"])
    found["status"] = json.loads(out.getvalue())["counts"]
    main(["aggregate", f"results/{study}", "--partial"])
    rows = Path(f"results/{study}/runs.csv").read_text().splitlines()
    found["aggregate"] = len(rows) - 1
    before = {str(it): it.read_bytes() for it in Path(f"results/{study}/runs").rglob("*.json")}
    Grid(Path(f"config/{study}.yaml")).settle()
    with redirect_stdout(StringIO()) as out:
        found["run"] = main(["run", study])
    found["untouched"] = all(Path(it).read_bytes() == text for it, text in before.items())
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped studies beside a copy of the source that has the new settings."""
    folder = tmp_path_factory.mktemp("newer")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "config", folder / "config")
    shutil.copytree(SHIPPED, folder / "results")
    for study in STUDIES:  # configurations may have moved on since a study was shipped
        asked = read_configuration(SHIPPED / study)
        methods = asked["methods"].items()
        asked["methods"] = {k: {"method": v["name"], **v["settings"]} for k, v in methods}
        there = {path.stem for path in (SHIPPED / study / "runs").rglob("seed*.json")}
        asked["seeds"] = sorted(int(name.removeprefix("seed")) for name in there)  # whole ones
        (folder / f"config/{study}.yaml").write_text(yaml.safe_dump(asked, sort_keys=False))
    for file, changes in ADDED.items():
        path = folder / "src/fggp" / file
        text = path.read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, f"{file} has no single {old!r}: choose another line"
            text = text.replace(old, new)
        path.write_text(text)
    return folder


def test_a_new_setting_of_any_block_leaves_every_shipped_result_valid_everywhere(
    place: Path,
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOOK, *STUDIES],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(place / "src")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["source"].startswith(str(place))
    cell = told["cell"]
    new = (cell["backbone"]["head"], cell["data"]["kept"], cell["pruning"]["warm_up"])
    assert (*new, cell["training"]["optimizer"]) == (False, True, 0, "sgd")
    assert told["check"] == 0, told["checked"]
    assert f"{SHIPPED_RESULTS} results, 0 errors" in told["checked"]
    for study, found in told["studies"].items():
        total = sum(found["status"].values())
        results = len(list((SHIPPED / study / "runs").rglob("*.json")))
        assert found["status"]["done"] == found["aggregate"] == results, study
        assert found["run"] == 0, study
        assert found["left"] == total - results, study
        assert found["untouched"], study
    assert "other settings" not in ended.stderr
