"""The build of PyTorch that a driver and a GPU need, and the command that installs it."""

import re
from pathlib import Path

import pytest

from fggp.running.commands import Ran
from fggp.running.doctor.context import Place
from fggp.running.doctor.devices import gpus
from fggp.running.doctor.finding import Finding
from fggp.running.doctor.torch_builds import CUDA12, CUDA13, build_for, installation, runs_on
from fggp.running.doctor.torch_probe import Gpu, Probed

NEWEST = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
OLDER = ("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
V100, P100 = Gpu("Tesla V100", (7, 0), 2**34, 2**33), Gpu("Tesla P100", (6, 0), 2**34, 2**33)
NO_IMAGE = "CUDA error: no kernel image is available for execution on the device"
OLD = ("CUDA initialization: The NVIDIA driver on your system is too old (found version 12020).",)


@pytest.mark.parametrize(
    ("driver", "capability", "build"),
    [
        (580, (9, 0), CUDA13),
        (None, None, CUDA13),
        (575, (9, 0), CUDA12),
        (525, (8, 0), CUDA12),
        (580, (7, 0), CUDA12),
        (None, (7, 0), CUDA12),
        (520, (9, 0), None),
        (580, (6, 0), None),
    ],
)
def test_the_newest_build_that_runs_is_taken(driver, capability, build) -> None:  # type: ignore[no-untyped-def]
    assert build_for(driver, capability) is build


@pytest.mark.parametrize(
    ("capability", "architectures", "runs"),
    [
        ((8, 9), ("sm_80", "sm_86"), True),
        ((8, 0), ("sm_86",), False),
        ((9, 0), ("sm_80", "sm_86"), False),
        ((9, 0), ("compute_80",), True),
        ((7, 0), NEWEST, False),
        ((7, 0), OLDER, True),
        ((10, 3), NEWEST, True),
        ((12, 0), ("sm_90a",), False),
        ((12, 0), ("gfx90a",), False),
    ],
)
def test_kernels_run_within_a_major_number_and_intermediate_code_above(  # type: ignore[no-untyped-def]
    capability, architectures, runs
) -> None:
    assert runs_on(capability, architectures) is runs


def test_the_command_is_that_of_the_environment(tmp_path: Path) -> None:
    made, other, conda = tmp_path / ".venv", tmp_path / "other", tmp_path / "miniforge"
    (conda / "conda-meta").mkdir(parents=True)
    assert installation(575, (8, 0), made) == "make setup CUDA=12"
    assert installation(580, (8, 0), made) == "make setup CUDA=13"
    by_pip = installation(575, (8, 0), other)
    assert by_pip.startswith("pip install --upgrade torch==2.10.0 torchvision==0.25.0")
    assert by_pip.endswith("make setup CUDA=12")
    by_conda = installation(575, (8, 0), conda)
    assert by_conda.startswith("CONDA_OVERRIDE_CUDA=12.8 conda install ")
    assert "pytorch-gpu" in by_conda
    assert by_conda.endswith("CONDA_OVERRIDE_CUDA=12.8 conda env create --file environment.yml")
    assert "CONDA_OVERRIDE_CUDA=13.0 " in installation(580, None, conda)


def test_without_a_build_the_way_out_is_another_driver_or_gpu() -> None:
    assert installation(470, (8, 0)).startswith("update the driver to 525 or newer")
    assert installation(580, (6, 0)).startswith("not supported: use a V100")
    assert "--device cpu" in installation(580, (6, 0))


def found(probed: Probed, driver: str = "", capability: str = "") -> Finding:
    """Return the findings of the doctor where nvidia-smi gives these answers."""
    place = Place()
    vars(place)["probed"] = probed
    answers = {"-L": "GPU 0: a card", "driver_version": driver, "compute_cap": capability}
    for asked, answer in answers.items():
        command = ("nvidia-smi", "-L")
        if asked != "-L":
            command = ("nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader,nounits")
        place._answers[command] = Ran(0 if answer else 6, answer, "")
    (finding,) = gpus(place)
    return finding


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that make made, and all GPUs visible."""
    monkeypatch.setattr("fggp.running.doctor.torch_builds.sys.prefix", str(tmp_path / ".venv"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_driver_older_than_the_build_is_named_with_the_build_that_it_runs() -> None:
    finding = found(Probed(torch="2.15.0", cuda="13.2", warnings=OLD), "535.104.05", "9.0")
    assert finding.state == "error"
    assert "with driver 535.104.05" in finding.found
    assert "its CUDA 13.2 needs driver 580 or newer" in finding.found
    assert OLD[0] in finding.found
    assert finding.fix == "make setup CUDA=12"


def test_a_driver_without_a_number_is_old_where_pytorch_says_so() -> None:
    finding = found(Probed(torch="2.15.0", cuda="13.2", warnings=OLD))
    assert finding.fix == "make setup CUDA=12"
    finding = found(Probed(torch="2.10.0", cuda="12.8", warnings=OLD))
    assert finding.fix.startswith("update the driver to 525")


def test_the_oldest_of_several_gpus_decides() -> None:
    finding = found(Probed(torch="2.15.0", cuda=None), "580.65.06\n580.65.06", "10.0\n7.0\n9.0")
    assert finding.found.endswith("built without CUDA")
    assert finding.fix == "make setup CUDA=12"


def test_a_build_without_cuda_is_replaced_by_the_newest_that_the_driver_runs() -> None:
    without = Probed(torch="2.15.0", cuda=None)
    assert found(without, "580.65.06", "8.0").fix == "make setup CUDA=13"
    assert found(without, "550.54.15", "8.0").fix == "make setup CUDA=12"


def test_a_conda_build_without_cuda_gets_the_command_of_conda(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conda-meta").mkdir()
    monkeypatch.setattr("fggp.running.doctor.torch_builds.sys.prefix", str(tmp_path))
    fix = found(Probed(torch="2.15.0", cuda=None), "550.54.15", "8.0").fix
    assert fix.startswith("CONDA_OVERRIDE_CUDA=12.8 conda install ")
    assert "make" not in fix


@pytest.mark.parametrize("trouble", ["", NO_IMAGE])
def test_a_gpu_without_kernels_in_the_build_is_wrong_whether_or_not_a_step_was_tried(
    trouble: str,
) -> None:
    volta = Gpu(V100.name, V100.capability, V100.memory, V100.free, trouble)
    probed = Probed(torch="2.15.0", cuda="13.2", gpus=(volta,), architectures=NEWEST)
    finding = found(probed, "580.65.06", "7.0")
    assert finding.state == "error"
    assert "capability 7.0: this PyTorch is built for sm_75 sm_80" in finding.found
    assert finding.fix == "make setup CUDA=12"
    older = Probed(torch="2.10.0", cuda="12.8", gpus=(V100,), architectures=OLDER)
    assert found(older, "580.65.06", "7.0").state == "ok"


def test_a_gpu_older_than_every_build_is_not_supported() -> None:
    probed = Probed(torch="2.10.0", cuda="12.8", gpus=(P100,), architectures=OLDER)
    assert found(probed, "580.65.06", "6.0").fix.startswith("not supported")


def test_the_pages_name_the_same_commands_and_drivers() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs/install.md").read_text()
    for text in ("make setup CUDA=12", "make setup TORCH=cpu", "pytorch-gpu", "not supported"):
        assert text in page
    for build, lock in ((CUDA13, "requirements.lock"), (CUDA12, "requirements-cuda12.lock")):
        pinned = re.search(r"^torch==(\d+\.\d+)", (root / lock).read_text(), re.MULTILINE)
        assert pinned
        row = next(line for line in page.splitlines() if f"(`{lock}`)" in line)
        assert f"| {pinned[1]}, CUDA {build.conda.removesuffix('.0')} " in row
        assert f"| {build.driver} or newer |" in row
        assert " {}.{} (".format(*build.capability) in row
    pages = [root / name for name in ("docs/install.md", "environment.yml", "envs/train.yml")]
    for page in [*pages, root / "docs/troubleshooting.md"]:
        assert "CONDA_OVERRIDE_CUDA=12.8" in page.read_text(), page
