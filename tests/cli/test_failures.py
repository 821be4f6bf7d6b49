import errno
import os
import shutil
from pathlib import Path

import pytest

from fggp.cli import main
from fggp.cli.cuda_errors import BLOCKING, FIXES
from fggp.cli.failures import explained

ROOT = Path(__file__).parents[2]
ADVICE = (
    "\nSearch for `cudaErrorX' in https://docs.nvidia.com for more information.\n"
    "CUDA kernel errors might be asynchronously reported at some other API call, so the "
    "stacktrace below might be "
    "incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
)


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.ENOSPC, "make room; the same command then continues"),
        (errno.EROFS, "choose a folder that can be written to"),
        (errno.EACCES, "change its permissions, or choose another folder"),
        (errno.EMFILE, "allow more open files with `ulimit -n 4096`"),
        (errno.ENOLCK, "use a file system with locks for results/ and data/"),
        (errno.ENOENT, "check the path, and the folder in which the command is run"),
        (errno.EISDIR, "move it away, or choose another folder"),
    ],
)
def test_what_the_system_refuses_is_one_line_with_the_file_and_the_fix(
    number: int, fix: str
) -> None:
    line = explained(OSError(number, os.strerror(number), "results/x"))
    assert line == f"results/x: {os.strerror(number).lower()}; {fix}"


def test_a_full_disk_that_names_no_file_is_still_explained() -> None:
    assert explained(OSError(errno.ENOSPC, "No space left on device")) == (
        "no space left on device; make room; the same command then continues"
    )


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 2.13 PiB"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.\nmore"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=["python", "numpy", "cuda", "cublas", "torch"],
)
def test_a_lack_of_memory_is_one_line_that_names_what_to_make_smaller(error: Exception) -> None:
    line = explained(error)
    assert line is not None
    assert line.startswith("not enough memory (")
    assert "use a smaller training.batch_size or fewer trainings at once" in line
    assert "\n" not in line


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), OSError("odd"), ValueError("x")])
def test_a_mistake_of_the_program_keeps_its_traceback(error: Exception) -> None:
    assert explained(error) is None


# As libcudart of CUDA 13 words them, and PyTorch around it.
CUDA = {
    "no kernel image is available for execution on the device": "no kernels for this type of GPU",
    "device kernel image is invalid": "no kernels for this type of GPU",
    "CUDA driver version is insufficient for CUDA runtime version": "the driver is older",
    "the provided PTX was compiled with an unsupported toolchain.": "the driver is older",
    "forward compatibility was attempted on non supported HW": "the driver is older",
    "uncorrectable ECC error encountered": "the GPU is broken",
    "uncorrectable NVLink error detected during the execution": "the GPU is broken",
    "device-side assert triggered": "repeat with CUDA_LAUNCH_BLOCKING=1",
    "MPS client failed to connect to the MPS control daemon or the MPS server": "cells_per_gpu",
    "MPS server is not ready to accept new MPS client requests": "cells_per_gpu",
    "the MPS client has been terminated by the server": "a neighbour's training ended it",
    "the remote procedural call between the MPS server and the MPS client failed": "cells_per_gpu",
    "the hardware resources required to create MPS client have been exhausted": "cells_per_gpu",
    "the hardware resources required to support device connections have been exhausted": (
        "cells_per_gpu"
    ),
    "CUDA-capable device(s) is/are busy or unavailable": "another process has exclusive use",
    "an illegal memory access was encountered": "under MPS, another training did",
    "unspecified launch failure": "under MPS, another training did",
    "CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`": "usually for lack of GPU",
}


@pytest.mark.parametrize(("said", "fix"), list(CUDA.items()))
def test_an_error_of_cuda_is_one_line_with_its_words_and_the_fix(said: str, fix: str) -> None:
    line = explained(RuntimeError(f"CUDA error: {said}{ADVICE}"))
    assert line is not None
    assert line.startswith(f"the GPU cannot be used ({said}); ")
    assert fix in line
    assert "\n" not in line
    assert "stacktrace" not in line


def test_errors_of_other_libraries_of_cuda_are_known_too() -> None:
    cudnn = explained(RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"))
    assert cudnn is not None
    assert "a CUDA library cannot start" in cudnn
    old = explained(RuntimeError("The NVIDIA driver on your system is too old (found 11040)."))
    assert old is not None
    assert "update it, or install an older PyTorch" in old


def test_a_traceback_is_kept_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("CUDA error: device-side assert triggered")
    monkeypatch.setenv(BLOCKING, "0")
    assert explained(error) is not None
    monkeypatch.setenv(BLOCKING, "1")
    assert explained(error) is None


def test_a_command_that_meets_one_ends_with_that_line_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError(f"CUDA error: uncorrectable ECC error encountered{ADVICE}")

    monkeypatch.setattr("fggp.cli.methods.do", fail)
    assert main(["methods"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fggp: the GPU cannot be used (uncorrectable ECC error encountered); ")


def test_every_fix_is_on_the_page_of_troubles() -> None:
    page = (Path(__file__).parents[2] / "docs/troubleshooting.md").read_text()
    for fix in FIXES.values():
        begin = fix.replace(f"{BLOCKING}=1", "…=1").partition(": ")[0]
        assert f"> {begin}: " in page, fix


def test_a_device_that_does_not_exist_is_refused_once_and_not_for_every_cell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FGGP_DEVICE", "gpu")
    shutil.copytree(ROOT / "config", "config")
    assert main(["run", "demo"]) == 1
    told = capsys.readouterr().err
    assert told == (
        "fggp: device 'gpu' is not one of auto, cpu, cuda; change --device or FGGP_DEVICE\n"
    )
    assert not Path("results").exists()
