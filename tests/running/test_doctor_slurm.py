"""The doctor before stand-ins of Slurm's commands, which print what the real ones printed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import slurm_answers as said
import yaml

from fggp.running.doctor import Finding, Place, examine
from fggp.running.doctor.slurm import (
    COMMANDS,
    commands,
    controller,
    preemption,
    requeue,
    status_checks,
)
from fggp.running.doctor.slurm_jobs import accepted, gpu_types, largest, partition
from fggp.running.doctor.slurm_output import Partition, minutes, partitions
from fggp.running.doctor.torch_probe import Probed
from fggp.study.config import load

ROOT = Path(__file__).parents[2]
CHECKS = (
    *(commands, controller, status_checks, requeue, preemption),
    *(partition, gpu_types, accepted),
)
PROFILE = "executor: slurm\nslurm-status-command: squeue\nslurm-requeue: true\n"

Answer = tuple[int, str, str]
Cluster = dict[str, dict[str, Answer]]


def cluster(**changes: dict[str, Answer]) -> Cluster:
    """Return the answer of each command, by a pattern of the shell for its arguments."""
    whole: Cluster = {
        "scontrol": {
            "ping": (0, said.PING, ""),
            "'show config'": (0, said.CONFIG, ""),
            "'show partition'*": (0, said.PARTITIONS, ""),
        },
        "sinfo": {"--version": (0, said.VERSION, ""), "*": (0, said.SINFO, "")},
        "sbatch": {"*": (0, "", said.ACCEPTED)},
        "squeue": {"*": (0, "", "")},
        "scancel": {"*": (0, "", "")},
        "sacct": {"*": (1, "", said.NO_ACCOUNTING)},
    }
    for name, answers in changes.items():
        whole[name] = {**answers, **{k: v for k, v in whole[name].items() if k not in answers}}
    return whole


def install(folder: Path, answers: Cluster) -> None:
    folder.mkdir()
    for name, cases in answers.items():
        lines = ["#!/bin/sh", 'case "$*" in']
        for number, (pattern, (status, out, err)) in enumerate(cases.items()):
            for kind, text in (("out", out), ("err", err)):
                (folder / f"{name}.{number}.{kind}").write_text(text)
            file = f"{folder}/{name}.{number}"
            lines.append(
                f"{pattern}) /bin/cat {file}.out; /bin/cat {file}.err >&2; exit {status};;"
            )
        (folder / name).write_text("\n".join([*lines, "esac", "exit 99"]) + "\n")
        (folder / name).chmod(0o755)


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Finding]]:
    """Examines a cluster for a study: by default a good one, and the full grid."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("SBATCH_", "SLURM_")):
            monkeypatch.delenv(name)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "slurm").mkdir()

    def examined(
        answers: Cluster | None = None, profile: str = PROFILE, study: str = "paper"
    ) -> dict[str, Finding]:
        Path("slurm/config.yaml").write_text(profile)
        bin_folder = tmp_path / f"bin{len(list(tmp_path.glob('bin*')))}"
        install(bin_folder, cluster() if answers is None else answers)
        monkeypatch.setenv("PATH", str(bin_folder))
        path = Path(f"config/{study}.yaml")
        place = Place(study_file=path, study=load(path), profile="slurm")
        vars(place)["probed"] = Probed(torch="2.11")
        return {it.name: it for it in examine(place, CHECKS)}

    return examined


At = Callable[..., dict[str, Finding]]


def config(**changes: str) -> Answer:
    text = said.CONFIG
    for key, value in changes.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"{key} ")]
        text = text.replace(line, f"{key:<23} = {value}")
    return 0, text, ""


def test_a_good_cluster_is_ok_throughout(at: At) -> None:
    found = at()
    assert {it.state for it in found.values()} == {"ok"}, found
    assert list(found) == [
        *("slurm", "controller", "job status", "requeue", "preemption", "partition", "job")
    ]
    assert found["slurm"].found == "slurm-wlm 22.05.8"
    assert found["partition"].found == "gpu: 4 GPUs per node, 1440 min at most"
    assert found["job"].found.startswith("would be accepted: --gpus=1 --cpus-per-task=")
    assert not any(it.fix for it in found.values())


def test_without_slurm_it_is_wrong_where_it_was_asked_for(at: At) -> None:
    found = at({})
    assert [(it.name, it.state) for it in found.values()] == [("slurm", "error")]
    assert all(name in found["slurm"].found for name in COMMANDS)
    assert "load its Slurm module" in found["slurm"].fix


def test_without_a_profile_slurm_is_not_asked_anything(at: At) -> None:
    at()
    place = Place()
    vars(place)["probed"] = Probed(torch="2.11")
    (finding,) = examine(place, CHECKS)
    assert (finding.name, finding.state) == ("slurm", "skipped")


def test_a_controller_that_is_down_is_one_line_and_nothing_else_is_asked(at: At) -> None:
    down = {
        "scontrol": {"ping": (1, said.PING_DOWN, ""), "*": (1, "", said.NO_CONFIG)},
        "sbatch": {"*": (1, "", said.DOWN)},
    }
    found = at(cluster() | down)
    assert {it.name: it.state for it in found.values()} == {"slurm": "ok", "controller": "error"}
    assert "at node1 is DOWN" in found["controller"].found


JOB_STATUS = {
    "squeue, known long enough": (PROFILE, {}, "ok", ""),
    "the default, no accounting": (
        "executor: slurm\n",
        {},
        "error",
        "slurm-status-command: squeue",
    ),
    "squeue, forgotten too soon": (
        PROFILE,
        {"MinJobAge": "60 sec"},
        "error",
        "slurm-init-seconds-before-status-checks: 20",
    ),
    "squeue, asked in time": (
        f"{PROFILE}slurm-init-seconds-before-status-checks: 20\n",
        {"MinJobAge": "60 sec"},
        "ok",
        "",
    ),
    "squeue, just too late": (PROFILE, {"MinJobAge": "119 sec"}, "error", "checks: 39"),
    "squeue, just in time": (PROFILE, {"MinJobAge": "120 sec"}, "ok", ""),
    "squeue, forgotten at once": (PROFILE, {"MinJobAge": "2 sec"}, "error", "administrators"),
    "the default, with accounting": (
        "executor: slurm\n",
        {"AccountingStorageType": "accounting_storage/slurmdbd"},
        "ok",
        "",
    ),
    "squeue, forgotten too soon, with accounting": (
        PROFILE,
        {"AccountingStorageType": "accounting_storage/slurmdbd", "MinJobAge": "60 sec"},
        "ok",
        "",
    ),
}


@pytest.mark.parametrize(
    ("profile", "changes", "state", "fix"), list(JOB_STATUS.values()), ids=list(JOB_STATUS)
)
def test_the_end_of_a_job_will_be_noticed_or_the_setting_is_named(
    profile: str, changes: dict[str, str], state: str, fix: str, at: At
) -> None:
    found = at(cluster(scontrol={"'show config'": config(**changes)}), profile)["job status"]
    assert found.state == state, found
    assert fix in found.fix


def test_jobs_that_are_not_queued_again_are_a_warning_unless_the_profile_asks(at: At) -> None:
    never = cluster(scontrol={"'show config'": config(JobRequeue="0")})
    assert at(never)["requeue"].state == "ok"
    found = at(never, "executor: slurm\nslurm-status-command: squeue\n")["requeue"]
    assert found.state == "warning"
    assert "slurm-requeue: true" in found.fix


def test_preemption_that_cancels_is_a_warning_with_the_partition(at: At) -> None:
    rows = said.PARTITION.format(name="cheap", mode="CANCEL") + said.PARTITIONS
    found = at(cluster(scontrol={"'show partition'*": (0, rows, "")}))["preemption"]
    assert found.state == "warning"
    assert "cancelled and not requeued (cheap)" in found.found
    everywhere = cluster(scontrol={"'show config'": config(PreemptMode="CANCEL")})
    assert "by default" in at(everywhere)["preemption"].found
    off = cluster(
        scontrol={"'show config'": config(PreemptMode="CANCEL", PreemptType="preempt/none")}
    )
    assert at(off)["preemption"].state == "ok"


PARTITIONS = {
    "with no time for a training": ("short", said.SINFO, "error", "would wait forever"),
    "that is not there": ("gpus", said.SINFO, "error", "there is no 'gpus'; did you mean 'gpu'?"),
    "without limit": ("urgent", said.SINFO, "ok", "urgent: 4 GPUs per node, no time limit"),
    "without GPUs": ("cpu", said.SINFO + "cpu|up|infinite|(null)\n", "error", "cpu: 0 GPUs"),
    "that is down": ("old", said.SINFO + "old|down|infinite|gpu:4\n", "error", "old is down"),
    "that is the default": ("", said.SINFO, "ok", "gpu: 4 GPUs"),
    "when there is no default": ("", said.SINFO.replace("*", ""), "error", "has no default"),
    "when there is none at all": ("", "", "warning", "lists none"),
}


@pytest.mark.parametrize(
    ("name", "sinfo", "state", "text"), list(PARTITIONS.values()), ids=list(PARTITIONS)
)
@pytest.mark.parametrize("form", ["mapping", "list", "environment"])
def test_the_partition_has_gpus_and_time_enough(
    name: str,
    sinfo: str,
    state: str,
    text: str,
    form: str,
    at: At,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    profile: dict[str, Any] = yaml.safe_load(PROFILE)
    if name and form == "mapping":
        profile["default-resources"] = {"slurm_partition": name}
    if name and form == "list":
        profile["default-resources"] = [f"slurm_partition={name}"]
    if name and form == "environment":
        monkeypatch.setenv("SBATCH_PARTITION", name)
    answers = cluster(sinfo={"*": (0, sinfo, ""), "--version": (0, said.VERSION, "")})
    answers["sinfo"] = {"--version": (0, said.VERSION, ""), "*": (0, sinfo, "")}
    found = at(answers, yaml.safe_dump(profile))["partition"]
    assert found.state == state, found
    assert text in found.found
    if text.startswith("cpu: 0"):
        assert "with GPUs: gpu, urgent, short" in found.fix


def test_a_study_without_gpus_may_have_any_partition(at: At) -> None:
    answers = cluster()
    answers["sinfo"] = {"*": (0, "cpu*|up|infinite|(null)\n", "")}
    found = at(answers, study="demo")
    assert found["partition"].state == "ok"
    assert "--gpus" not in found["job"].found


MIXED = "gpu*|up|1-00:00:00|gpu:a100:4(S:0-1)\ngpu*|up|1-00:00:00|gpu:v100:2\n"


def with_nodes(sinfo: str) -> Cluster:
    answers = cluster()
    answers["sinfo"] = {"--version": (0, said.VERSION, ""), "*": (0, sinfo, "")}
    return answers


def test_several_types_of_gpus_in_the_partition_are_a_warning_that_names_them(at: At) -> None:
    found = at(with_nodes(MIXED))["gpu types"]
    assert found.state == "warning"
    assert found.found.startswith("gpu: v100, a100; a requeued training may continue")
    assert "set-resources: {train: {gpu_model: v100}}" in found.fix
    unnamed = at(with_nodes(MIXED.replace("gpu:v100:2", "gpu:2")))["gpu types"]
    assert unnamed.found.startswith("gpu: a100, others;")


@pytest.mark.parametrize(
    "line",
    [
        "set-resources: {train: {gpu_model: a100}}\n",
        'set-resources: {train: {gpu: 0, gres: "gpu:a100:1"}}\n',
        "set-resources: ['train:gpu_model=a100']\n",
        "default-resources: {slurm_extra: '--constraint=a100'}\n",
    ],
)
def test_a_profile_that_asks_for_one_type_of_gpu_is_ok(line: str, at: At) -> None:
    assert at(with_nodes(MIXED), PROFILE + line)["gpu types"].state == "ok"
    gres = 'set-resources: {train: {gpu: 0, gres: "gpu:1"}}\n'
    assert at(with_nodes(MIXED), PROFILE + gres)["gpu types"].state == "warning"


def test_a_constraint_of_the_environment_asks_for_one_type_too(
    at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBATCH_CONSTRAINT", "a100")
    assert at(with_nodes(MIXED))["gpu types"].state == "ok"


def test_gpus_of_one_type_are_ok_and_others_than_the_partitions_do_not_count(at: At) -> None:
    one = "gpu*|up|1-00:00:00|gpu:a100:4\nother|up|1-00:00:00|gpu:v100:2\n"
    found = at(with_nodes(one))["gpu types"]
    assert (found.state, found.found) == ("ok", "gpu: a100")
    assert "gpu types" not in at(with_nodes(MIXED), study="demo"), "it needs no GPU"


REFUSALS = {
    "no such option": (
        {"*--gpus=*": (1, "", said.NO_GPUS), "*--gres=gpu:1*": (0, "", said.ACCEPTED)},
        'set-resources: {train: {gpu: 0, gres: "gpu:1"}}',
    ),
    "too much": ({"*": (1, "", said.TOO_MANY)}, "request less with set-resources"),
    "no such partition": ({"*": (1, "", said.NO_PARTITION)}, "set slurm_partition"),
    "no account": (
        {"*": (1, "", "sbatch: error: Invalid account or account/partition combination\n")},
        "set slurm_account",
    ),
}


@pytest.mark.parametrize(("answers", "fix"), list(REFUSALS.values()), ids=list(REFUSALS))
def test_a_job_that_slurm_would_refuse_is_shown_with_the_setting_to_change(
    answers: dict[str, Answer], fix: str, at: At
) -> None:
    whole = cluster()
    whole["sbatch"] = answers
    found = at(whole)["job"]
    assert found.state == "error"
    assert fix in found.fix
    assert "\n" not in found.found


def test_partition_and_account_are_passed_on_to_the_trial(at: At) -> None:
    resources = "default-resources: {slurm_partition: gpu, slurm_account: mine}\n"
    whole = cluster()
    given = "'--test-only --partition=gpu --account=mine --gpus=1 '*' --wrap=true'"
    whole["sbatch"] = {given: (0, "", said.ACCEPTED), "*": (1, "", said.TOO_MANY)}
    assert at(whole, PROFILE + resources)["job"].state == "ok"


def test_the_trial_asks_for_the_most_of_any_cell(at: At) -> None:
    at()
    path = Path("config/paper.yaml")
    job = largest(Place(study_file=path, study=load(path)))
    small = Path("config/reduced.yaml")
    less = largest(Place(study_file=small, study=load(small)))
    assert job is not None
    assert less is not None
    assert job.gpus == less.gpus == 1
    assert job.minutes > less.minutes
    assert job.memory_mb >= less.memory_mb


def test_commands_that_print_nonsense_are_no_traceback(at: At) -> None:
    noise = "\x1b[31m=|=|\n" * 3
    answers = {name: {"*": (0, noise, noise)} for name in cluster()}
    assert at(answers)["controller"].state == "error"
    answers["scontrol"] = {"ping": (0, said.PING, ""), "*": (0, noise, "")}
    found = at(answers)
    assert found["job status"].state == "error"
    assert not any("check failed" in it.found for it in found.values()), found


def test_a_command_that_hangs_is_given_up(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fggp.running.doctor.context.PATIENCE_SECONDS", 0.2)
    whole = cluster()
    whole["scontrol"] = {"*": (0, "", "")}
    found = at(whole)
    assert found["controller"].found == "no answer"
    hanging = Path(os.environ["PATH"]) / "scontrol"
    hanging.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (finding,) = [it for it in examine(Place(profile="slurm"), CHECKS) if it.name == "controller"]
    assert finding.state == "error"
    assert "did not answer within" in finding.found


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1-00:00:00", 1440), ("0:30", 0.5), ("infinite", None), ("n/a", None), ("", None)],
)
def test_a_time_limit_is_in_minutes_and_none_where_there_is_none(
    text: str, expected: float | None
) -> None:
    assert minutes(text) == expected


def test_partitions_with_several_kinds_of_nodes_have_the_gpus_of_the_best() -> None:
    text = (
        "mixed*|up|1-00:00:00|(null)\nmixed*|up|1-00:00:00|gpu:a100:4(S:0-1),shard:8\n"
        "many|up|infinite|gpu:a100:2,gpu:v100:3\n"
    )
    assert partitions(text) == [
        Partition("mixed", True, 4, 1440, True, frozenset({"a100"})),
        Partition("many", False, 5, None, True, frozenset({"a100", "v100"})),
    ]
