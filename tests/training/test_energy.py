"""Energy is measured, or not known: counters that wrap around, are missing, or are shared."""

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from fggp.training.energy import cpu
from fggp.training.energy.cpu import MOST_WATTS, Packages, packages
from fggp.training.energy.gpu import board, current_board
from fggp.training.energy.meter import SECONDS, Meter, Reading

RANGE = 262_143_328_850  # microjoules, of a common server
TICKS = 100


class Machine:
    """Two packages with files as Linux has them, a clock, and processor time."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.stat = folder / "powercap", folder / "stat"
        self.now = self.own = self.busy = 0.0
        monkeypatch.setattr("os.sysconf", lambda name: TICKS)
        clocks = {"monotonic": lambda: self.now, "process_time": lambda: self.own}
        monkeypatch.setattr(cpu, "time", types.SimpleNamespace(**clocks))
        zones = {"intel-rapl:0": "package-0", "intel-rapl:1": "package-1"}
        others = {"intel-rapl:0:0": "dram", "intel-rapl:2": "psys", "intel-rapl-mmio:0": "package"}
        for zone, name in (zones | others).items():
            (self.root / zone).mkdir(parents=True)
            (self.root / zone / "name").write_text(f"{name}\n")
            (self.root / zone / "max_energy_range_uj").write_text(f"{RANGE}\n")
            self.show(zone, 1_000_000)
        self.pass_by(0, own=0, busy=0)

    def show(self, zone: str, microjoules: int) -> None:
        (self.root / zone / "energy_uj").write_text(f"{microjoules}\n")

    def pass_by(self, seconds: float, *, own: float, busy: float) -> None:
        self.now, self.own, self.busy = self.now + seconds, self.own + own, self.busy + busy
        ticks = [round(self.busy * TICKS), 0, 0, 999, 99, 0, 0, 7, 0, 0]
        self.stat.write_text(f"cpu  {' '.join(map(str, ticks))}\ncpu0 1 1 1 1 1 1 1 1 1 1\n")

    def packages(self) -> Packages:
        found = packages(self.root, self.stat)
        assert found is not None
        return found


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_packages_are_added_and_nothing_inside_or_beside_them(machine: Machine) -> None:
    counter = machine.packages()
    for zone, microjoules in (("0", 51_000_000), ("1", 26_000_000), ("0:0", 9_000_000)):
        machine.show(f"intel-rapl:{zone}", microjoules)
    machine.pass_by(1, own=1, busy=1)
    assert counter.since() == Reading(75, False)
    machine.pass_by(1, own=1, busy=1)
    assert counter.since() == Reading(0, False), "counted once"


def test_a_counter_that_wraps_around_goes_on(machine: Machine) -> None:
    machine.show("intel-rapl:0", RANGE - 4_000_000)
    counter = machine.packages()
    machine.show("intel-rapl:0", 6_000_000)
    machine.pass_by(1, own=1, busy=1)
    assert counter.since() == Reading(pytest.approx(10), False)


def test_processors_that_others_keep_busy_are_shared(machine: Machine) -> None:
    counter = machine.packages()
    machine.show("intel-rapl:1", 101_000_000)
    machine.pass_by(10, own=10, busy=40)
    assert counter.since() == Reading(100, True)
    machine.pass_by(10, own=10, busy=10.2)  # a little is always the system's
    assert counter.since() == Reading(0, False)


def test_after_too_long_a_time_the_energy_is_not_known(machine: Machine) -> None:
    counter = machine.packages()
    machine.pass_by(RANGE * 1e-6 / MOST_WATTS + 1, own=1, busy=1)
    assert counter.since() is None


def test_a_counter_that_was_reset_is_not_taken_for_one_that_wrapped(machine: Machine) -> None:
    machine.show("intel-rapl:0", RANGE // 2)
    counter = machine.packages()
    machine.show("intel-rapl:0", 0)
    machine.pass_by(30, own=30, busy=30)
    assert counter.since() is None


@pytest.mark.parametrize("content", ["", "much\n", None])
def test_what_a_counter_cannot_say_is_not_known(machine: Machine, content: str | None) -> None:
    counter = machine.packages()
    path = machine.root / "intel-rapl:1" / "energy_uj"
    if content is None:
        path = machine.stat
    path.write_text(content or "intr 1 2 3\n")
    machine.pass_by(1, own=1, busy=1) if content is not None else None
    assert counter.since() is None


@pytest.mark.parametrize("lost", ["energy_uj", "max_energy_range_uj"])
def test_a_package_without_its_files_has_no_counter(machine: Machine, lost: str) -> None:
    (machine.root / "intel-rapl:1" / lost).unlink()
    assert packages(machine.root, machine.stat) is None
    assert packages(machine.root / "nothing") is None


def test_counters_that_only_root_can_read_are_none(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.read_text

    def refused(self: Path, encoding: str | None = None) -> str:
        if self.name == "energy_uj":
            raise PermissionError(self)
        return real(self, encoding)

    monkeypatch.setattr(Path, "read_text", refused)
    assert packages(machine.root, machine.stat) is None


class Nvml(types.ModuleType):
    """The part of NVIDIA's library that is used, with one GPU."""

    class NVMLError(Exception):
        pass

    class NVMLError_NotSupported(NVMLError):
        pass

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.millijoules: int | None = 5_000_000
        self.mig: int | None = 0
        self.there = True
        self.processes: int | None = 1

    def nvmlInit(self) -> None:
        if not self.there:
            raise self.NVMLError("no library")

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid != "GPU-1234":
            raise self.NVMLError(f"no {uuid}")
        return uuid

    def nvmlDeviceGetMigMode(self, handle: str) -> list[int]:
        if self.mig is None:
            raise self.NVMLError_NotSupported
        return [self.mig, self.mig]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        if self.millijoules is None:
            raise self.NVMLError_NotSupported
        return self.millijoules

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[object]:
        if self.processes is None:
            raise self.NVMLError("no permission")
        return [object()] * self.processes


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    library = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


def test_a_gpu_is_found_by_its_uuid_and_counts_from_the_start(nvml: Nvml) -> None:
    counter = board("1234")
    assert counter is not None
    nvml.millijoules = 5_250_000
    assert counter.since() == Reading(250, False)
    assert counter.since() == Reading(0, False)


@pytest.mark.parametrize("processes", [0, 2, None], ids=["hidden", "two", "not told"])
def test_a_gpu_on_which_a_training_is_not_known_to_be_alone_is_shared(
    nvml: Nvml, processes: int | None
) -> None:
    counter = board("1234")
    assert counter is not None
    nvml.processes = processes
    assert counter.since() == Reading(0, True)


@pytest.mark.parametrize(
    "change",
    [{"millijoules": None}, {"mig": 1}, {"there": False}],
    ids=["not counted", "MIG", "no library"],
)
def test_a_gpu_whose_energy_is_not_counted_has_none(nvml: Nvml, change: dict[str, object]) -> None:
    for name, value in change.items():
        setattr(nvml, name, value)
    assert board("1234") is None


def test_a_gpu_that_cannot_be_divided_is_counted_and_an_unknown_one_is_not(nvml: Nvml) -> None:
    nvml.mig = None
    assert board("1234") is not None
    assert board("part-of-1234") is None


def test_a_gpu_that_was_reset_or_lost_on_the_way_is_not_known(nvml: Nvml) -> None:
    for after in (4_000_000, None):
        nvml.millijoules = 5_000_000
        counter = board("1234")
        assert counter is not None
        nvml.millijoules = after
        assert counter.since() is None


def test_a_missing_package_or_gpu_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert board("1234") is None
    assert current_board() is None


class Fixed:
    """A counter that rises by the given parts and then is lost."""

    def __init__(self, *parts: Reading | None) -> None:
        self.parts: Iterator[Reading | None] = iter(parts)

    def since(self) -> Reading | None:
        return next(self.parts)


def test_a_meter_adds_up_and_reads_between_only_now_and_then() -> None:
    now = [0.0]
    meter = Meter(Fixed(Reading(2, False), Reading(4, True)), lambda: now[0])
    meter.read_when_due()
    now[0] = SECONDS
    meter.read_when_due()
    meter.read_when_due()
    assert meter.read() == Reading(6, True), "shared once is shared"


def test_one_unknown_part_makes_the_sum_unknown() -> None:
    meter = Meter(Fixed(Reading(1, False), None, Reading(1, False)))
    assert meter.read() == Reading(1, False)
    assert meter.read() is None
    assert meter.read() is None
    assert Meter(None).read() is None


def test_earlier_attempts_count_where_they_are_known() -> None:
    meter = Meter(Fixed(Reading(2, False)))
    meter.add(Reading(20, True))
    assert meter.read() == Reading(22, True)
    for counter, before in ((Fixed(Reading(2, False)), None), (None, Reading(20, False))):
        meter = Meter(counter)
        meter.add(before)
        assert meter.read() is None


def test_energy_is_a_trainings_own_only_where_it_was_alone() -> None:
    alone, shared = (Meter(Fixed(Reading(7.12345, it))).record() for it in (False, True))
    assert alone == {"energy_joules": 7.123, "counter_joules": 7.123, "energy_shared": False}
    assert shared == {"energy_joules": None, "counter_joules": 7.123, "energy_shared": True}
    assert set(Meter(None).record().values()) == {None}
