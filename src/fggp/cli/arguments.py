"""Arguments that the verbs share: the study, and numbers and devices as options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import fggp
from fggp.foundation.errors import Failure
from fggp.foundation.user_variables import DEVICE, DEVICES, WRITERS, device_named, value_of
from fggp.foundation.validation import nearest
from fggp.running.progress.finished_cells import Done
from fggp.running.progress.pace import with_measured_power
from fggp.study import costs
from fggp.study.cell import Cell, Training
from fggp.study.config import Study, load
from fggp.study.costs import Device
from fggp.study.study_folder import (
    CELLS,
    RESULTS,
    count_with_other_settings,
    folder,
    other_settings_message,
)
from fggp.study.yaml_files import studies

CONFIG = Path("config")
EXAMPLES = Path(fggp.__file__).parent / "study/examples"
"""Studies in the installed package, used in folders that have no study of that name."""


def study_argument(parser: argparse.ArgumentParser) -> None:
    """Add the STUDY argument."""
    parser.add_argument(
        "study", metavar="STUDY", help="a study: config/demo.yaml, or just demo, or results/demo"
    )


def study_file(name: str) -> Path:
    """Return the configuration file of a study named by file, by stem or by results folder.

    A stem means a file in config/, else an example in the package.
    """
    given = Path(name)
    if given.suffix in {".yaml", ".yml"}:
        return given
    path, example = (folder / f"{given.name}.yaml" for folder in (CONFIG, EXAMPLES))
    if path.exists():
        return path
    if example.exists():
        return example
    if given.is_file():
        raise Failure(f"{given}: not a study; give a .yaml file")
    known = {study.stem for folder in (CONFIG, EXAMPLES) for study in studies(folder)}
    shown, home = path if name == given.name else name, folder(path)
    if (home / CELLS).exists():
        raise Failure(f"{shown}: no such study; give the path of the .yaml file behind {home}")
    raise Failure(f"{shown}: no such study{nearest(given.name, sorted(known), str(CONFIG))}")


def study_folder(name: str) -> Path:
    """Return the results folder of a study named by file, by stem or by results folder."""
    for home in (Path(name), RESULTS / name):  # its file may be in any folder
        if (home / CELLS).exists():
            return home
    return folder(study_file(name))


def load_study(name: str) -> tuple[Path, Study]:
    """Return the configuration file of a study, and the study."""
    path = study_file(name)
    return path, load(path)


def warn_of_other_settings(home: Path, listed: Iterable[Cell]) -> None:
    """Report on stderr the results of cells that have other settings, which training replaces."""
    if number := count_with_other_settings(home, listed):
        print(f"fggp: warning: {other_settings_message(home, number)}", file=sys.stderr)


def add_partial(parser: argparse.ArgumentParser) -> None:
    """Add the options that accept studies refused by default, and mark the output."""
    parser.add_argument(
        "--partial",
        action="store_true",
        help="accept an unfinished study, and mark the tables as partial",
    )
    parser.add_argument(
        "--allow-mixed-device",
        action="store_true",
        help="allow CPU and CUDA results in one table, and mark it",
    )


def add_costs(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the device of an estimate."""
    parser.add_argument(
        "--device",
        choices=sorted(costs.devices()),
        help="device assumed by the estimate (default: the one most finished cells used, "
        "otherwise a CPU if the precision is fp32, else the GPU that gpu-check measured last, else "
        "an H200)",
    )
    parser.add_argument(
        "--watts",
        type=positive,
        metavar="W",
        help="power of the GPU, or of one core, in watts (default: measured in finished cells, "
        "otherwise the limit that gpu-check read, otherwise a rough figure; the output names the "
        "source)",
    )


def chosen(
    options: argparse.Namespace, otherwise: Device, training: Training, results: Collection[Done]
) -> Device:
    """Return the device named by the options, else the given one.

    Its power is given by the options, else measured in the results, else a rough figure.
    """
    device = costs.device(options.device) if options.device else otherwise
    if options.watts is None:
        return with_measured_power(device, training, results)
    return replace(device, power=options.watts, power_from="--watts")


def positive(text: str) -> float:
    """Read a number above 0 from the command line."""
    return number(text, lambda it: 0 < it < inf, "a number above 0")


def not_negative(text: str) -> float:
    """Read a number of at least 0 from the command line."""
    return number(text, lambda it: 0 <= it < inf, "a number of at least 0")


def share(text: str) -> float:
    """Read a number between 0 and 1, both excluded, from the command line."""
    return number(text, lambda it: 0 < it < 1, "a number between 0 and 1")


def positive_count(text: str) -> int:
    """Read a whole number of at least 1 from the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def number(text: str, fits: Callable[[float], bool], kind: str) -> float:
    """Read a number that fits from the command line; ``kind`` describes these in an error."""
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not fits(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {kind}")
    return value


def device_for(options: argparse.Namespace, study: Study) -> str:
    """Return the device to train on: no GPU unless the study asks for one.

    ``--device`` and ``FGGP_DEVICE`` take precedence.
    """
    # A default, here that of FGGP_DEVICE, is not checked against the choices.
    device = device_named(options.device)
    return "cpu" if device == "auto" and not study.gpus else device


def add_writers(parser: argparse.ArgumentParser) -> None:
    """Add the --writers option."""
    parser.add_argument(
        "--writers",
        default=value_of(WRITERS),
        metavar="NAMES",
        help="also write each epoch to these, separated by commas: tensorboard, wandb, or "
        "module:function for any SummaryWriter (default: $FGGP_WRITERS)",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the --device option."""
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default=value_of(DEVICE, "auto"),
        help="default: $FGGP_DEVICE, otherwise CUDA if the study asks for a GPU and there is one; "
        "a GPU that was allocated but cannot be used is an error, unless this is cpu",
    )
