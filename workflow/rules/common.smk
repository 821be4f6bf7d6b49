# The study, read and checked before the DAG is built. Everything that depends on the configuration
# is in these names; the functions behind them are in src/fggp and need no Snakemake.
import sys
from pathlib import Path

SOURCE = Path(str(workflow.current_basedir)).parents[1] / "src"
sys.path.insert(0, str(SOURCE))

from fggp.analysis.catalogue import (
    FIGURES as DRAWN,
    PAGE as PAGE_NAME,
    TABLES as TABULATED,
)
from fggp.cli.analyse import DECLARATIONS, STYLE_FILES
from fggp.cli.failures import explained
from fggp.running.snakemake_grid import (
    Grid,
    cells_per_gpu,
    one_configuration,
    set_environment,
)
from fggp.foundation.errors import Failure
from fggp.study.cell_name import FOLDER, PATTERN
from fggp.study.essential_file import ESSENTIAL
from fggp.study.latency_file import LATENCY
from snakemake.logging import logger

set_environment(SOURCE)

try:
    OVERRIDES = workflow.config_settings.config
    CONFIG = one_configuration(workflow.config_settings.configfiles, OVERRIDES)
    GRID = Grid(CONFIG, cells_per_gpu(OVERRIDES))
    GRID.set_device()
    if workflow.is_main_process:
        GRID.settle()
        GRID.warn_of_others()
        logger.addFilter(GRID.messages)
except Failure as failure:
    sys.exit(f"fggp: {failure}")
except OSError as error:
    sys.exit(f"fggp: {explained(error) or error}")

HOME = GRID.home
RUNS_CSV = f"{HOME}/runs.csv"
DECLARED = [path for path in DECLARATIONS if Path(path).exists()]
STYLES = [path for path in STYLE_FILES if Path(path).exists()]
# `fggp latency` and `fggp essential` write these; tables, figures, page and crate show them.
MEASURED = [
    f"{HOME}/{name}" for name in (LATENCY, ESSENTIAL) if Path(f"{HOME}/{name}").exists()
]
TABLES = expand(
    f"{HOME}/tables/{{name}}.{{kind}}",
    name=TABULATED,
    kind=["csv", "md", "tex"],
)
FIGURES = expand(
    f"{HOME}/figures/{{name}}.{{kind}}",
    name=DRAWN,
    kind=["pdf", "png", "svg", "csv", "rst"],
)
PAGE = f"{HOME}/{PAGE_NAME}"
CRATE = f"{HOME}/{Path(HOME).name}.crate.zip"


wildcard_constraints:
    backbone="[a-z0-9]+",
    sparsity=r"[0-9.]+",
    start=r"any|[0-9.]+",
    label="[a-z0-9.-]+",
    seed="[0-9]+",
    name="[a-z0-9_]+",
