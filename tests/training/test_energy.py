"""Energy is measured, or not known: counters that wrap around, are missing, or are shared."""

import multiprocessing
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from energy_neighbour import hold_a_place

from fggp.training.energy.counters import counter_of
from fggp.training.energy.cpu import MOST_WATTS, Packages, Zone, busy_seconds, packages
from fggp.training.energy.gpu import board
from fggp.training.energy.meter import GLANCE_SECONDS, Joules, Meter
from fggp.training.energy.sharing import Neighbours

RANGE = 262_143_328_850  # microjoules, of a common server
TICKS = 100


class Machine:
    """Two packages with files as Linux has them, a clock, and processor time."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.stat = folder / "powercap", folder / "stat"
        self.now = self.own = self.busy = 0.0
        monkeypatch.setattr("os.sysconf", lambda name: TICKS)
        zones = {"intel-rapl:0": "package-0", "intel-rapl:1": "package-1"}
        others = {
            "intel-rapl:0:0": "dram",
            "intel-rapl:2": "psys",
            "intel-rapl-mmio:0": "package-0",
        }
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
        zones = [Zone(self.root / f"intel-rapl:{n}" / "energy_uj", RANGE) for n in (0, 1)]
        return Packages(zones, self.stat, lambda: self.now, lambda: self.own)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


# ------------------------------------------------------------------------------ processor packages


def test_packages_are_added_and_nothing_inside_or_beside_them(machine: Machine) -> None:
    found = packages(machine.root)
    assert found is not None
    assert [zone.path.parent.name for zone in found.zones] == ["intel-rapl:0", "intel-rapl:1"]
    assert {zone.range for zone in found.zones} == {RANGE}


def test_a_training_alone_has_all_the_energy(machine: Machine) -> None:
    counter = machine.packages()
    machine.show("intel-rapl:0", 51_000_000)
    machine.show("intel-rapl:1", 26_000_000)
    machine.pass_by(1, own=1, busy=1)
    assert counter.since() == Joules(75, 75)
    machine.pass_by(1, own=1, busy=1)
    assert counter.since() == Joules(0, 0), "counted once"


def test_a_counter_that_wraps_around_goes_on(machine: Machine) -> None:
    machine.show("intel-rapl:0", RANGE - 4_000_000)
    counter = machine.packages()
    machine.show("intel-rapl:0", 6_000_000)
    machine.pass_by(1, own=1, busy=1)
    assert counter.since() == Joules(pytest.approx(10), pytest.approx(10))


def test_neighbours_get_their_share_by_processor_time(machine: Machine) -> None:
    cells = [machine.packages() for _ in range(2)]
    cells[1].own = lambda: 2 * machine.own
    machine.show("intel-rapl:1", 101_000_000)
    machine.pass_by(10, own=10, busy=40)  # this cell, another with twice as much, and strangers
    parts = [cell.since() for cell in cells]
    assert parts == [Joules(25, 100), Joules(50, 100)]
    assert machine.packages().since() == Joules(0, 0)


def test_after_too_long_a_time_the_energy_is_not_known(machine: Machine) -> None:
    counter = machine.packages()
    machine.pass_by(RANGE * 1e-6 / MOST_WATTS + 1, own=1, busy=1)
    assert counter.since() is None


def test_a_counter_that_began_anew_is_not_taken_for_one_that_wrapped(machine: Machine) -> None:
    machine.show("intel-rapl:0", RANGE // 2)
    counter = machine.packages()
    machine.show("intel-rapl:0", 0)
    machine.pass_by(30, own=30, busy=30)
    assert counter.since() is None


@pytest.mark.parametrize("content", ["", "much\n", "-1\n", f"{RANGE + 1}\n"])
def test_what_a_counter_cannot_say_is_not_known(machine: Machine, content: str) -> None:
    counter = machine.packages()
    (machine.root / "intel-rapl:1" / "energy_uj").write_text(content)
    machine.pass_by(1, own=1, busy=1)
    assert counter.since() is None


def test_without_processor_time_the_part_is_not_known(machine: Machine) -> None:
    counter = machine.packages()
    machine.stat.unlink()
    assert counter.since() is None
    with pytest.raises(ValueError, match="proc/stat"):
        busy_seconds("intr 1 2 3\n")


@pytest.mark.parametrize("lost", ["energy_uj", "max_energy_range_uj"])
def test_a_package_without_its_files_has_no_counter(machine: Machine, lost: str) -> None:
    (machine.root / "intel-rapl:1" / lost).unlink()
    assert packages(machine.root) is None


def test_unreadable_and_missing_counters_are_none(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert packages(tmp_path / "nothing") is None
    real = Path.read_text

    def refused(self: Path) -> str:
        if self.name == "energy_uj":  # as for all but root
            raise PermissionError(self)
        return real(self)

    monkeypatch.setattr(Path, "read_text", refused)
    assert packages(machine.root) is None


# -------------------------------------------------------------------------------------- GPU boards


class Nvml(types.ModuleType):
    """NVIDIA's library as far as it is used: one GPU."""

    class NVMLError(Exception):
        pass

    class NVMLError_NotSupported(NVMLError):
        pass

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.millijoules: int | None = 5_000_000
        self.mig: int | None = 0
        self.there = True

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


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    library = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


def test_a_gpu_is_found_by_its_uuid_and_counts_from_the_start(nvml: Nvml, tmp_path: Path) -> None:
    counter = board("1234", tmp_path)
    assert counter is not None
    nvml.millijoules = 5_250_000
    assert counter.since() == Joules(250, 250)
    assert counter.since() == Joules(0, 0)


@pytest.mark.parametrize(
    "change",
    [{"millijoules": None}, {"mig": 1}, {"there": False}],
    ids=["not counted", "MIG", "no library"],
)
def test_a_gpu_whose_energy_is_not_counted_has_none(
    nvml: Nvml, tmp_path: Path, change: dict[str, object]
) -> None:
    for name, value in change.items():
        setattr(nvml, name, value)
    assert board("1234", tmp_path) is None


def test_a_gpu_that_cannot_be_divided_is_counted_and_an_unknown_one_is_not(
    nvml: Nvml, tmp_path: Path
) -> None:
    nvml.mig = None
    assert board("1234", tmp_path) is not None
    assert board("part-of-1234", tmp_path) is None


def test_a_gpu_that_was_reset_or_lost_on_the_way_is_not_known(nvml: Nvml, tmp_path: Path) -> None:
    for after in (4_000_000, None):
        nvml.millijoules = 5_000_000
        counter = board("1234", tmp_path)
        assert counter is not None
        nvml.millijoules = after
        assert counter.since() is None


def test_a_missing_package_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert board("1234", tmp_path) is None


def test_cells_on_one_gpu_share_what_it_takes_and_no_more(nvml: Nvml, tmp_path: Path) -> None:
    cells = [board("1234", tmp_path) for _ in range(3)]
    nvml.millijoules = 5_900_000
    parts = [cell.since() for cell in cells if cell is not None]
    assert parts == [Joules(300, 900)] * 3
    cells.pop()
    del parts[:]
    nvml.millijoules = 6_900_000
    assert [cell.since() for cell in cells if cell is not None] == [Joules(500, 1000)] * 2


def test_a_folder_that_cannot_be_used_makes_the_part_unknown(nvml: Nvml, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert board("1234", tmp_path / "file") is None
    counter = board("1234", tmp_path / "folder")
    assert counter is not None
    (next((tmp_path / "folder").iterdir())).unlink()
    (tmp_path / "folder").rmdir()
    assert counter.since() is None


def test_a_killed_neighbour_counts_no_more(tmp_path: Path) -> None:
    here = Neighbours(tmp_path)
    context = multiprocessing.get_context("spawn")
    began = context.Event()
    other = context.Process(target=hold_a_place, args=(tmp_path, began))
    other.start()
    assert began.wait(60)
    assert here.count() == 2
    other.kill()
    other.join()
    assert here.count() == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_where_nothing_counts_there_is_no_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fggp.training.energy.counters.packages", lambda: None)
    assert counter_of("cpu") is None


# --------------------------------------------------------------------------------------- the meter


class Fixed:
    """A counter that rises by the given parts and then is lost."""

    def __init__(self, *parts: Joules | None) -> None:
        self.parts: Iterator[Joules | None] = iter(parts)

    def since(self) -> Joules | None:
        return next(self.parts)


def test_a_meter_adds_up_and_reads_between_only_now_and_then() -> None:
    now = [0.0]
    meter = Meter(Fixed(Joules(1, 2), Joules(3, 4)), lambda: now[0])
    meter.glance()
    now[0] = GLANCE_SECONDS
    meter.glance()
    meter.glance()
    assert meter.read() == Joules(4, 6)


def test_one_unknown_part_makes_the_sum_unknown() -> None:
    meter = Meter(Fixed(Joules(1, 1), None, Joules(1, 1)))
    assert meter.read() == Joules(1, 1)
    assert meter.read() is None
    assert meter.read() is None
    assert Meter(None).read() is None


def test_earlier_attempts_count_where_they_are_known() -> None:
    meter = Meter(Fixed(Joules(1, 2)))
    meter.add(Joules(10, 20))
    assert meter.read() == Joules(11, 22)
    for counter, before in ((Fixed(Joules(1, 2)), None), (None, Joules(10, 20))):
        meter = Meter(counter)
        meter.add(before)
        assert meter.read() is None
