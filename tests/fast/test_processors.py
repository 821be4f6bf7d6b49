"""One text makes code for several instruction sets; what can run here runs and is right."""

import re
import subprocess
import sys

import pytest
import torch
from sparse_networks import assert_as_good_as_torch, backbone, images

import fggp
from fggp.fast import machine_code
from fggp.fast.capture import capture
from fggp.fast.processor import NAMED, Processor, host, named
from fggp.fast.program import write
from fggp.fast.refusal import CompileError
from fggp.fast.schedule import Schedule
from fggp.models.registry import names

REGISTERS = {"avx512": "zmm", "avx": "ymm", "sse": "xmm", "neon": r"fmla(\.4s)?\s+v"}
HERE = machine_code.llvm().get_host_cpu_features()
NEEDS = {"haswell": "avx2", "nehalem": "sse4.2", "x86-64": "sse2", "skylake-avx512": "avx512f"}


def runs_here(cpu: str) -> bool:
    return bool(cpu in NEEDS and HERE.get(NEEDS[cpu]))


@pytest.mark.parametrize("cpu", NAMED)
@pytest.mark.parametrize("group", [1, 16])
def test_code_is_written_for_a_processor_with_its_widest_vectors(cpu, group):
    processor = named(cpu)
    for name in names():
        network = capture(backbone(name, "1/4", 0.2))
        text = machine_code.assembly(
            write(Schedule(processor, network, (3, 32, 32), group)), processor
        )
        assert re.search(REGISTERS[NAMED[cpu][0]], text)
        if NAMED[cpu][0] == "avx":
            assert "zmm" not in text


@pytest.mark.parametrize("cpu", [it for it in NAMED if runs_here(it)])
@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("batched", [False, True])
def test_narrower_vectors_compute_the_same(cpu, name, batched):
    model, batch = backbone(name), images(18, 3, 24, 24)
    compiled = fggp.compile(model, processor=cpu, batched=batched)
    assert_as_good_as_torch(compiled(batch), model, batch)


def test_a_processor_that_is_not_known_is_named():
    with pytest.raises(CompileError, match="processor='pentium'; known are apple-m1"):
        fggp.compile(backbone("vgg19"), processor="pentium")


def test_a_processor_that_this_machine_cannot_run_is_refused():
    other = "apple-m1" if HERE.get("sse2") else "haswell"
    with pytest.raises(CompileError, match=f"processor={other!r}.*this machine is"):
        fggp.compile(backbone("vgg19"), processor=other)


def test_this_machine_is_one_of_the_kinds():
    found = host(machine_code.llvm())
    assert isinstance(found, Processor)
    assert found.lanes in {4, 8, 16}


def test_importing_fggp_imports_no_llvmlite_and_no_torch():
    script = (
        "import sys, fggp; 'compile' in fggp.__all__ or sys.exit(1);"
        "import fggp.cli; sys.exit('llvmlite' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_torch_keeps_its_number_of_threads():
    before = torch.get_num_threads()
    fggp.compile(backbone("vgg19"), threads=2)(images(4, 3, 16, 16))
    assert torch.get_num_threads() == before
