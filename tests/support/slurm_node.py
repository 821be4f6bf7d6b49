"""A real Slurm on this machine: one node with four pretended GPUs, and nothing left afterwards."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol", "squeue")
SYSTEM = Path("/etc/slurm/slurm.conf")  # where srun looks in a job, whatever SLURM_CONF says
PREFIX = "fggp-slurm-"
START_SECONDS = 60  # a guard against hanging, and never a promise
GPUS = 4
DEVICE = (0o20600, os.makedev(1, 3))  # as /dev/null: never opened, but it must be a device
KILL_WAIT = 20
REQUEUE_SECONDS = 10  # Slurm's own default lets a requeued job wait two minutes


def missing() -> str:
    """Why no Slurm can be started here; empty where it can."""
    if os.geteuid() != 0:
        return "starting a Slurm needs root"
    absent = [name for name in NEEDED if shutil.which(name, path=_path()) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (apt-get install slurm-wlm munge)"
    if SYSTEM.exists() and not _is_ours(SYSTEM):
        return f"a Slurm is configured here already: {SYSTEM}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            os.mknod(f"{folder}/gpu", *DEVICE)
        except OSError as error:
            return f"devices cannot be made here: {error.strerror}"
    return ""


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def _is_ours(path: Path) -> bool:
    return path.is_symlink() and path.readlink().parent.name.startswith(PREFIX)


@dataclass(frozen=True)
class Job:
    """A line of squeue.

    Attributes:
        id: the number; of an array task ``NUMBER_TASK``.
        state: as Slurm spells it.
        reason: why it waits.
        restarts: how often it was requeued.
        folder: where it runs.
        comment: the rule and the wildcards, put there by Snakemake.

    """

    id: str
    state: str
    reason: str
    restarts: int
    folder: str
    comment: str


class Slurm:
    """The daemons munged, slurmctld and slurmd with their state in one temporary folder."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.home.chmod(0o755)  # munge wants to be reached by everybody
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def host(self) -> str:
        """The name of the node."""
        return platform.node().split(".")[0]

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that the clients need."""
        return {"SLURM_CONF": str(self.home / "slurm.conf")}

    def start(self) -> None:
        """Start all, and wait until the node is idle."""
        try:
            self._configure()
            self._munge()
            self.start_controller()
            self._daemon("slurmd", "slurmd", "-D", "-N", self.host)
            self._wait("node idle", lambda: "idle" in self._state())
        except BaseException:
            self.stop()
            raise

    def start_controller(self, *options: str) -> None:
        """Start slurmctld."""
        self._daemon("slurmctld", "slurmctld", "-D", *options)
        self._wait("slurmctld", lambda: "UP" in self._try("scontrol", "ping"))

    def kill_controller(self) -> None:
        """Kill slurmctld at once, as a crash would."""
        daemon = self.daemons.pop("slurmctld")
        daemon.kill()
        daemon.wait()

    def stop(self) -> None:
        """End everything that runs by the folder's configuration, jobs included, and delete it."""
        if "slurmctld" in self.daemons:
            self._try("scancel", "--user=root")
        for name in ("slurmd", "slurmctld", "munged"):
            if (daemon := self.daemons.pop(name, None)) is not None:
                daemon.terminate()
                try:
                    daemon.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
        for process in self._left():
            os.kill(process, signal.SIGKILL)
        if _is_ours(SYSTEM):
            SYSTEM.unlink()
        shutil.rmtree(self.home, ignore_errors=True)

    def run(self, *command: str) -> str:
        """Run a client of Slurm; returns what it prints."""
        return subprocess.run(
            command,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=START_SECONDS,
        ).stdout

    def jobs(self, *states: str) -> list[Job]:
        """Return the jobs in some states, or in any, those that ended not long ago included."""
        wanted, widths = ",".join(states) or "all", {"JobArrayID": 20, "State": 20, "Reason": 40}
        widths |= {"RestartCnt": 10, "WorkDir": 200, "Comment": 200}
        columns = ",".join(f"{name}:{width}" for name, width in widths.items())
        lines = self.run("squeue", "-h", "-r", "-t", wanted, "-O", columns).splitlines()
        return [_job(line, list(widths.values())) for line in lines]

    def clear(self) -> None:
        """Cancel all jobs, and wait until none is left."""
        self.run("scancel", "--user=root")
        alive = "pending,running,completing,suspended,configuring"
        self._wait("end of all jobs", lambda: not self.jobs(alive))

    def log(self) -> str:
        """Return what the daemons said, for a failed test."""
        return "\n".join(
            f"[{path.name}]\n{path.read_text(errors='replace')[-6000:]}"
            for path in sorted(self.home.glob("*.log"))
        )

    def _configure(self) -> None:
        controller, node = _free_ports()
        for number in range(GPUS):
            os.mknod(self.home / f"gpu{number}", *DEVICE)
        (self.home / "gres.conf").write_text(
            f"NodeName={self.host} Name=gpu File={self.home}/gpu[0-{GPUS - 1}]\n"
        )
        for name in ("state", "spool"):
            (self.home / name).mkdir()
        (self.home / "slurm.conf").write_text(
            CONF.format(
                home=self.home,
                host=self.host,
                controller=controller,
                node=node,
                gpus=GPUS,
                kill_wait=KILL_WAIT,
                requeue=REQUEUE_SECONDS,
            )
        )
        SYSTEM.unlink(missing_ok=True)  # of a test run that was killed; `missing` looked at it
        SYSTEM.parent.mkdir(exist_ok=True)
        SYSTEM.symlink_to(self.home / "slurm.conf")

    def _munge(self) -> None:
        folder = self.home / "munge"
        folder.mkdir(mode=0o755)
        key = folder / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        options = {
            "socket": folder / "socket",
            "key-file": key,
            "pid-file": folder / "pid",
            "seed-file": folder / "seed",
            "log-file": folder / "log",
        }
        self._daemon(
            "munged",
            "munged",
            "--foreground",
            "--force",
            *(f"--{k}={v}" for k, v in options.items()),
        )
        self._wait("munged", options["socket"].exists)

    def _daemon(self, name: str, *command: str) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.environment | {"PATH": _path()},
                start_new_session=True,
            )

    def _state(self) -> str:
        return self._try("sinfo", "-h", "-o", "%T")

    def _try(self, *command: str) -> str:
        try:
            return self.run(*command)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return ""

    def _wait(self, what: str, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not true():
            dead = [name for name, daemon in self.daemons.items() if daemon.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise RuntimeError(f"{what} does not come up; ended: {dead}\n{self.log()}")
            time.sleep(0.1)

    def _left(self) -> Iterable[int]:
        """Processes that were started by this Slurm: they carry its configuration's name."""
        mark = f"SLURM_CONF={self.home / 'slurm.conf'}".encode()
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in path.read_bytes().split(b"\0"):
                    yield int(path.parent.name)
            except OSError:
                continue


def _job(line: str, widths: Sequence[int]) -> Job:
    values = []
    for width in widths:
        values.append(line[:width].strip())
        line = line[width:]
    name, state, reason, restarts, folder, comment = values
    return Job(name, state, reason, int(restarts), folder, comment)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


CONF = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket,cred_expire={requeue}
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
# As cgroups do, and unlike linuxproc, it kills the rest of a step once its first process ended.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
ReturnToService=2
MpiDefault=none
KillWait={kill_wait}
# The profile has to ask for it.
JobRequeue=0
MinJobAge=3600
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:{gpus}
PartitionName=gpu Nodes={host} Default=YES PriorityTier=1
PartitionName=urgent Nodes={host} PriorityTier=10
"""
