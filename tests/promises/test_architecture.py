"""The rules of the house, checked on the source itself."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lines_of_code import lines_of_code

import fggp
from fggp.models.registry import names

SOURCE = Path(fggp.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

# Rooms from the top of the house to the bottom: each imports only from those above it.
ROOMS = (
    *("foundation", "models"),
    *("storage", "data", "pruning"),
    *("methods", "fast"),
    "study",
    *("training", "analysis"),
    *("running", "publishing"),
    "cli",
)
DOORS = {"__init__", "__main__"}
WITH_TORCH = {
    *("models.zero_padded_shortcut", "models.residual_networks", "models.wide_residual_networks"),
    *(
        "pruning.saliency",
        "pruning.parameters",
        "pruning.integer_masks",
        "pruning.soft_masking",
        "pruning.vectors",
    ),
    "pruning.frozen_weights",
    *("pruning.rewinding", "pruning.pruner", "pruning.sparsify", "pruning.masks"),
    *("pruning.layer_kinds", "pruning.derived_weights", "pruning.prunable"),
    *("pruning.model_counts", "pruning.progress", "pruning.arguments"),
    *("pruning.masking", "pruning.forward_pass", "pruning.attachment", "pruning.dense_layers"),
    *("pruning.optimizers", "pruning.step_hooks", "pruning.buffers"),
    *("pruning.filters.walk", "pruning.filters.groups", "pruning.filters.constants"),
    *("pruning.filters.masks", "pruning.filters.positions", "pruning.filters.relevance"),
    *("storage.packing", "storage.state_dicts"),
    *("data.batches", "data.crops"),
    *("fast.modules", "fast.capture", "fast.plan", "fast.compiled", "fast.packed", "fast.public"),
    *("fast.shrinking", "fast.sizes"),
    *("fast.contenders", "fast.stopwatch", "running.latency"),
    "running.essential",
    *("training.torch_settings", "training.checkpoint", "training.build", "training.flops"),
    *("training.diagnostics", "training.outputs", "training.connectivity", "training.cuda_graphs"),
    *("training.memory_format", "training.small_dense", "training.initialization"),
    *("training.loss", "training.optimizer", "training.forward_seed"),
    *("training.step", "training.loop", "training.train", "training.device", "training.gpu_use"),
    "training.speed",
    "running.run_cell",
    *("running.gpu_check.training", "running.gpu_check.masks", "running.gpu_check.steps"),
}


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "__init__"


MODULES = {module_of(path): path for path in FILES}


def room_of(module: str) -> str:
    return module.partition(".")[0]


def imports(path: Path) -> Iterator[str]:
    """Modules of this package that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = [node.module or ""]
            if node.module == "fggp":
                names = [f"fggp.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("fggp.") for name in names if name.startswith("fggp."))


def test_every_file_is_in_a_room() -> None:
    assert {room_of(module) for module in MODULES} == {*ROOMS, *DOORS}
    assert len(ROOMS) == len(set(ROOMS))


def test_a_room_imports_only_from_rooms_above() -> None:
    places = {room: place for place, room in enumerate(ROOMS)}
    wrong = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        if module not in DOORS
        for name in imports(path)
        if places.get(room_of(name), -1) > places[room_of(module)]
    ]
    assert wrong == []


def test_every_import_inside_the_package_names_a_file_of_it() -> None:
    for path in FILES:
        for name in imports(path):
            assert name in MODULES, f"{path} imports fggp.{name}"


@pytest.mark.parametrize("room", ROOMS)
def test_the_files_of_a_room_do_not_import_in_a_circle(room: str) -> None:
    # A package names its files in its own __init__, which they may read for nothing but a type.
    inside = {
        module: {name for name in imports(path) if room_of(name) == room and name != room}
        for module, path in MODULES.items()
        if room_of(module) == room
    }
    while inside:
        free = [module for module, needed in inside.items() if not needed & inside.keys()]
        assert free, f"a circle among {sorted(inside)}"
        for module in free:
            del inside[module]


def test_analysis_reads_results_and_never_a_configuration_or_a_checkpoint() -> None:
    forbidden = ("study.config", "training", "running", "models", "pruning.pruner")
    for module, path in MODULES.items():
        if room_of(module) == "analysis":
            assert not [name for name in imports(path) if name.startswith(forbidden)], module


NETWORKS = {f"models.{name}" for name in names()}
LIGHT = [
    f"fggp.{module}" if module != "__init__" else "fggp"
    for module in MODULES
    if module != "__main__" and module not in WITH_TORCH | NETWORKS
]


def first_with_torch(modules: list[str], **environment: str) -> str:
    """Import modules one after the other in a new process until torch is there."""
    script = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    if 'torch' in sys.modules:\n"
        "        print(name)\n"
        "        break\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *modules],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return done.stdout.strip()


def test_rooms_that_need_no_torch_import_without_it() -> None:
    named = {
        "fggp",
        "fggp.study.config",
        "fggp.running.snakemake_grid",
        "fggp.methods",
        "fggp.models",
        "fggp.cli",
        "fggp.data",
    }
    assert named <= set(LIGHT)
    assert len([name for name in LIGHT if name.startswith("fggp.analysis.")]) >= 8
    assert first_with_torch(LIGHT) == ""


CORE = {"numpy", "pydantic", "pydantic_core", "safetensors", "torch", "zstandard"}
"""The packages that ``pip install fggp`` brings."""
OPTIONAL = {"fast.machine_code": {"llvmlite"}, "fast.contenders": {"onnxruntime"}}


def test_the_rooms_of_the_pruner_import_only_what_the_light_installation_brings() -> None:
    rooms = {"foundation", "pruning", "methods", "storage", "fast"}
    for module, path in MODULES.items():
        if room_of(module) in rooms or module in {"cli", "cli.verbs", "cli.pack", "cli.methods"}:
            nodes = list(ast.walk(ast.parse(path.read_text())))
            names = [it.name for node in nodes if isinstance(node, ast.Import) for it in node.names]
            names += [it.module or "" for it in nodes if isinstance(it, ast.ImportFrom)]
            others = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"fggp"}
            assert others <= CORE | OPTIONAL.get(module, set()), module


def test_the_check_for_torch_would_see_it(tmp_path: Path) -> None:
    (tmp_path / "torch.py").touch()  # the real one takes seconds
    modules = ["fggp.foundation.exact", "fggp.training.torch_settings", "fggp.cli"]
    assert first_with_torch(modules, PYTHONPATH=str(tmp_path)) == "fggp.training.torch_settings"


def size(path: Path) -> int:
    """Lines of code of a file."""
    text = path.read_text()
    return lines_of_code(ast.parse(text), text.splitlines())


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and lines of code of each function of a file."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, lines_of_code(node, text.splitlines())


def test_text_is_read_as_utf_8_whatever_the_locale() -> None:
    """Else a page made where the locale is Latin-1 has other characters, without a message."""
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                known = {keyword.arg for keyword in node.keywords}
                reads = node.func.attr == "read_text" or "newline" in known
                assert "encoding" in known or not reads, f"{module}, line {node.lineno}"


def test_files_stay_below_300_lines_and_functions_below_60() -> None:
    assert [module_of(path) for path in FILES if size(path) > 300] == []
    long = [
        f"{module_of(path)}.{name}: {lines}"
        for path in FILES
        for name, lines in functions(path)
        if lines > 60
    ]
    assert long == []


def test_the_median_file_has_less_than_80_lines_of_code() -> None:
    counts = sorted(map(size, FILES))
    assert counts[len(counts) // 2] < 80


def test_lines_of_code_leave_out_comments_docstrings_and_blank_lines() -> None:
    text = (
        '"""Doc.\n\nMore."""\n\n# why\nx = 1\n\ndef f():\n    """Doc."""\n    # why\n    return x\n'
    )
    tree = ast.parse(text)
    assert lines_of_code(tree, text.splitlines()) == 3
    assert lines_of_code(tree.body[2], text.splitlines()) == 2


def test_no_file_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "core", "misc", "common", "base", "tools"}
    assert not empty & {path.stem for path in FILES}
    assert not empty & {path.name for path in SOURCE.rglob("*") if path.is_dir()}


NO_METHODS = {"__init__", "plugins", "registry"}
METHOD_FILES = [p for p in FILES if p.parent.name == "methods" and p.stem not in NO_METHODS]


def folded(path: Path) -> int:
    """Lines that the formatter adds by giving each name of a long import one; an import is one."""
    imports = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ImportFrom)]
    return sum((node.end_lineno or node.lineno) - node.lineno for node in imports)


def test_a_method_is_a_file_of_at_most_20_lines_of_code() -> None:
    # The method under study carries every variant of its rule.
    sizes = {
        path.stem: size(path) - folded(path) - (40 if path.stem == "fggp" else 0)
        for path in METHOD_FILES
    }
    assert {name: lines for name, lines in sizes.items() if lines > 20} == {}


def test_a_method_imports_its_parts_in_one_line() -> None:
    rooms = {
        path.stem: [it for it in imports(path) if room_of(it) == "pruning"] for path in METHOD_FILES
    }
    assert {name: found for name, found in rooms.items() if found != ["pruning"]} == {}


WAITED_FOR = {"running.commands", "running.workers"}
"""Those that start processes and wait for them with limits of their own; trainings take days."""


def without_limit(module: str, text: str) -> list[str]:
    """Return the calls in a file that wait for a command without a limit."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "subprocess":
            found.append("an import of a name from subprocess hides its calls")
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        limited = isinstance(node, ast.Call) and "timeout" in [key.arg for key in node.keywords]
        if called in ("os.system", "os.popen", "subprocess.Popen"):
            limited = called == "subprocess.Popen" and module in WAITED_FOR
        if called.startswith(("os.system", "os.popen", "subprocess.")) and not limited:
            found.append(called)
    return found


def test_no_command_is_waited_for_without_a_limit() -> None:
    for module, path in MODULES.items():
        assert without_limit(module, path.read_text()) == [], (
            f"{module}: a driver or Slurm can hang"
        )
    assert without_limit("running.status", "subprocess.run(['squeue'])") == ["subprocess.run"]
    assert without_limit("running.status", "subprocess.run(['squeue'], timeout=60)") == []
    assert without_limit("running.status", "subprocess.Popen([])") == ["subprocess.Popen"]
    assert len(without_limit("running.status", "from subprocess import run")) == 1
