"""Compile IR to machine code in this process with llvmlite; nothing is written to disk."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from fggp.fast.processor import Processor
from fggp.fast.program import ENTRY, Program
from fggp.fast.refusal import CompileError

OPTIMIZATION = 3
Forward = Callable[[int, int, int, int, int], None]
"""Addresses of images, logits, memory and arrays, and the number of images or groups."""


@cache
def llvm() -> Any:
    """Return the module ``llvmlite.binding``, ready for every architecture that it knows.

    Raises:
        CompileError: where llvmlite is not installed.

    """
    try:
        from llvmlite import binding
    except ImportError:
        raise CompileError(
            "llvmlite, which makes the machine code, is not installed; pip install 'llvmlite>=0.45'"
        ) from None
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    return binding


def assembly(program: Program, processor: Processor) -> str:
    """Return the assembly of a program for any processor."""
    module, machine = _parsed(program, processor)
    return str(machine.emit_assembly(module))


@dataclass(frozen=True)
class MachineCode:
    """A program that can be called.

    Attributes:
        forward: the function; it lets other threads of Python run.
        engine: owner of the code, which must live as long.

    """

    forward: Forward
    engine: Any


def load(program: Program, processor: Processor) -> MachineCode:
    """Compile a program for this process."""
    module, machine = _parsed(program, processor)
    # An engine owns its machine: a second one on the same machine would crash the process.
    engine = llvm().create_mcjit_compiler(module, machine)
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64)
    return MachineCode(kind(engine.get_function_address(ENTRY)), engine)


def _parsed(program: Program, processor: Processor) -> tuple[Any, Any]:
    binding = llvm()
    module = binding.parse_assembly(program.text)
    module.verify()
    target = binding.Target.from_triple(processor.triple)
    machine = target.create_target_machine(
        cpu=processor.cpu, features=processor.features, opt=OPTIMIZATION
    )
    module.triple = processor.triple
    module.data_layout = str(machine.target_data)
    return module, machine
