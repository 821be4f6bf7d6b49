"""The subject of the doctor: a study, a profile, and cached answers of the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from fggp.data.registry import size_of
from fggp.data.sizes import Size
from fggp.running.commands import Ran, run
from fggp.running.doctor.torch_probe import Probed, probe
from fggp.study.cell import Cell
from fggp.study.config import Study, cells
from fggp.study.study_folder import RESULTS, data_path, folder

PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class Place:
    """The subject of the examination.

    Attributes:
        study_file: the configuration, if one was named.
        study: its content, if it can be read.
        complaint: why it cannot be read.
        profile: the profile of Snakemake to use, such as "slurm".

    """

    study_file: Path | None = None
    study: Study | None = None
    complaint: str = ""
    profile: str = ""
    _answers: dict[tuple[str, ...], Ran] = field(default_factory=dict, compare=False)

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells of the study; none without one."""
        return [] if self.study is None else cells(self.study)

    @property
    def size(self) -> Size:
        """The size of the study's data set, as known so far."""
        assert self.study is not None
        return size_of(self.study.data.kind, data_path(self.study.data.name))

    @property
    def results(self) -> Path:
        """The folder of the results."""
        return RESULTS if self.study_file is None else folder(self.study_file)

    @property
    def on_slurm(self) -> bool:
        """Whether trainings are to be submitted to Slurm."""
        if self.settings:
            return self.settings.get("executor") == "slurm"
        return "slurm" in self.profile  # for a profile that cannot be read, its name decides

    @property
    def with_snakemake(self) -> bool:
        """Whether Snakemake is to train: this is a checkout, or a profile is named."""
        return bool(self.profile) or Path("workflow/Snakefile").is_file()

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the profile; none if it is missing or not a mapping."""
        path = self.profile_file
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8")) if path else None
        except (OSError, ValueError, yaml.YAMLError):
            content = None
        return content if isinstance(content, dict) else {}

    @property
    def profile_file(self) -> Path | None:
        """The file of the profile, as Snakemake finds it from here; None without a profile."""
        if not self.profile:
            return None
        given = Path(self.profile)
        names = ("config.yaml", "profile.yaml", "config.v8+.yaml", "profile.v9+.yaml")
        there = [given / name for name in names if (given / name).is_file()]
        return given if given.is_file() else there[0] if there else given / "config.yaml"

    def resource(self, name: str) -> str | None:
        """Return a resource that the profile, or else the environment, sets for all jobs."""
        given = self.settings.get("default-resources")
        if isinstance(given, list):
            given = dict(item.split("=", 1) for item in map(str, given) if "=" in item)
        if isinstance(given, dict) and f"slurm_{name}" in given:
            return str(given[f"slurm_{name}"])
        return os.environ.get(f"SBATCH_{name.upper()}")

    def ask(self, *command: str) -> Ran:
        """Run a command once and cache its answer; the status is 127 if it cannot be run."""
        if command not in self._answers:
            self._answers[command] = run(command, PATIENCE_SECONDS)
        return self._answers[command]

    @cached_property
    def probed(self) -> Probed:
        """PyTorch's view of this machine."""
        precision = "fp32" if self.study is None else self.study.training.precision
        return probe(precision)
