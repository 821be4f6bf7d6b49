"""`make setup` and the build of PyTorch: named on the command line, kept until another is."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(venv: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Return what make would do for `setup` with an environment of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "-n", f"VENV={venv}", "setup", *arguments],
        cwd=ROOT,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def built(venv: Path, *arguments: str, **environment: str) -> str:
    """The build that make would install; nothing where there is nothing to do."""
    ran = make(venv, *arguments, **environment)
    assert ran.returncode == 0, ran.stderr
    lines = [line for line in ran.stdout.splitlines() if line.startswith("envs/setup.sh")]
    return lines[0].split()[-1] if lines else ""


def installed(venv: Path, build: str) -> None:
    for mark in venv.glob(".ready-*"):
        mark.unlink()
    (venv / f".ready-{build}").touch()


def test_a_build_is_installed_when_it_is_named_and_kept_until_another_is(tmp_path: Path) -> None:
    assert built(tmp_path) == "cuda13"
    for asked, build in {"CUDA=12": "cuda12", "TORCH=cpu": "cpu", "CUDA=13": "cuda13"}.items():
        assert built(tmp_path, asked) == build
        installed(tmp_path, build)
        assert built(tmp_path, asked) == ""
        assert built(tmp_path) == "", f"a plain make replaces {build}"


def test_a_changed_lock_is_installed_in_the_build_that_is_there(tmp_path: Path) -> None:
    installed(tmp_path, "cuda12")
    os.utime(tmp_path / ".ready-cuda12", (0, 0))
    assert built(tmp_path) == "cuda12"


def test_a_setup_that_was_interrupted_goes_on_with_its_build(tmp_path: Path) -> None:
    (tmp_path / ".unfinished-cuda12").touch()
    assert built(tmp_path) == "cuda12"


def test_a_cuda_of_the_cluster_is_not_taken_for_a_choice(tmp_path: Path) -> None:
    assert built(tmp_path, CUDA="/usr/local/cuda", TORCH="/opt/torch") == "cuda13"


@pytest.mark.parametrize("arguments", [["CUDA=11"], ["TORCH=gpu"], ["CUDA=12", "TORCH=cpu"]])
def test_a_build_that_there_is_not_is_refused(arguments: list[str], tmp_path: Path) -> None:
    ran = make(tmp_path, *arguments)
    assert ran.returncode == 2
    assert "name one of CUDA=13, CUDA=12 and TORCH=cpu" in ran.stderr


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A stand-in for uv and for the kernel's name; uv keeps what it was called with."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").symlink_to(sys.executable)
    kept = tmp_path / "calls"
    kept.mkdir()
    uv = tmp_path / "bin/uv"
    uv.write_text(
        "#!/bin/sh\n"
        f'number=$(ls "{kept}" | wc -l)\n'
        f'echo "$@" >"{kept}/$number"\n'
        'for last; do :; done\nif [ "$2" = sync ]; then '
        f'cp "$last" "{tmp_path}/synced"; fi\n'
    )
    (tmp_path / "bin/uname").write_text("#!/bin/sh\necho Linux\n")
    for name in ("uv", "uname"):
        (tmp_path / "bin" / name).chmod(0o755)
    return kept


def setup(calls: Path, build: str) -> tuple[list[str], str]:
    """Run envs/setup.sh; returns the calls of uv, and the requirements that it was to install."""
    process = start_setup(calls, build)
    process.communicate(timeout=600)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    said = [path.read_text().strip() for path in sorted(calls.iterdir())]
    return said, (calls.parent / "synced").read_text()


def start_setup(calls: Path, build: str) -> subprocess.Popen[str]:
    """Start envs/setup.sh with the stand-ins."""
    folder = calls.parent
    return subprocess.Popen(
        [shutil.which("sh") or "sh", "envs/setup.sh", str(folder / "venv"), build],
        cwd=ROOT,
        env=os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}", "PYTHON": sys.executable},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(
    ("build", "lock"),
    [("cuda13", "requirements.lock"), ("cuda12", "requirements-cuda12.lock")],
)
def test_a_build_with_cuda_is_its_lock_file_with_all_hashes(
    build: str, lock: str, calls: Path
) -> None:
    said, synced = setup(calls, build)
    assert synced == (ROOT / lock).read_text()
    assert "--require-hashes" in said[0]
    assert len(said) == 2
    assert not [line for line in said if "://" in line]


def test_the_build_for_cpus_takes_pytorch_alone_from_its_own_index(calls: Path) -> None:
    said, synced = setup(calls, "cpu")
    packages = [line.split("==")[0] for line in synced.splitlines() if not line.startswith(" ")]
    nvidia = [name for name in packages if name.startswith(("nvidia-", "cuda-", "triton"))]
    assert nvidia == ["nvidia-ml-py"]
    assert not {"torch", "torchvision"} & set(packages)
    assert "numpy" in packages
    assert synced.count("--hash") > 500
    assert "--require-hashes" in said[0]
    lock = (ROOT / "requirements.lock").read_text()
    pins = [
        line.split()[0]
        for line in lock.splitlines()
        if line.startswith(("torch==", "torchvision=="))
    ]
    assert said[1].split()[-2:] == pins
    assert "--no-deps" in said[1]
    assert "--index-url https://download.pytorch.org/whl/cpu" in said[1]
    assert len(said) == 3


def test_a_finished_setup_is_marked_and_not_repeated(calls: Path) -> None:
    setup(calls, "cuda13")
    assert [path.name for path in (calls.parent / "venv").glob(".[ru]*-*")] == [".ready-cuda13"]
    number = len(list(calls.iterdir()))
    setup(calls, "cuda13")
    assert len(list(calls.iterdir())) == number
    said, _ = setup(calls, "cuda12")
    assert len(said) == 2 * number
    assert [path.name for path in (calls.parent / "venv").glob(".[ru]*-*")] == [".ready-cuda12"]


def test_a_setup_that_fails_leaves_its_build_to_the_next(calls: Path) -> None:
    (calls.parent / "bin/uv").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(subprocess.CalledProcessError):
        setup(calls, "cuda12")
    assert built(calls.parent / "venv") == "cuda12"


def test_a_second_setup_of_one_folder_waits_for_the_first(calls: Path) -> None:
    """Two `make` in one new folder, in two terminals, installed into one environment at once."""
    venv = calls.parent / "venv"
    with (venv / ".setup-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = start_setup(calls, "cuda13")
        assert second.stdout is not None
        assert second.stdout.readline() == f"Waiting for another setup of {venv}\n"
        assert not list(calls.iterdir())
    second.communicate(timeout=600)
    assert second.returncode == 0
    assert (venv / ".ready-cuda13").exists()
    assert len(list(calls.iterdir())) == 2
