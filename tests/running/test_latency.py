"""``fggp latency``: milliseconds of packed networks, in a file of their own, shown where it is."""

import json
from pathlib import Path

import pytest
import torch
from fabricate import fabricate, grid
from sparse_networks import backbone, prune
from torch import nn

import fggp
from fggp.analysis.figures import draw
from fggp.analysis.page import page
from fggp.analysis.study_tables import Material
from fggp.cli import main
from fggp.fast.contenders import NAMES, OPTIONAL, SHRUNK
from fggp.fast.refusal import CompileError
from fggp.fast.stopwatch import times
from fggp.running.latency import measure, subjects
from fggp.study.latency_file import LATENCY, read_latency
from fggp.study.networks import build
from fggp.study.result_file import weights_path
from fggp.study.study_folder import run_path

pytestmark = pytest.mark.long

QUICK = ("--rounds", "2", "--one-thread")


def here() -> set[str]:
    from importlib.util import find_spec

    return set(NAMES) if all(map(find_spec, OPTIONAL)) else set(NAMES) - {"onnxruntime"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "made"
    study = grid(
        sparsities=[0.9], initial_sparsities=[0], seeds=[1, 2], methods={"dense": {}, "gmp": {}},
        backbones={"vgg19": {"width": "1/16"}},
    )  # fmt: skip
    for cell in fabricate(folder, study):
        if cell.label == "gmp":
            fggp.pack(backbone("vgg19", "1/16"), weights_path(run_path(folder, cell)))
    return folder


@pytest.fixture(scope="module")
def measured(study: Path) -> Path:
    before = {it: it.read_bytes() for it in study.rglob("*.json")}
    assert main(["latency", str(study), *QUICK]) == 0
    assert {it: it.read_bytes() for it in before} == before
    return study


def test_a_network_from_outside_the_package_is_made_from_its_source(tmp_path: Path) -> None:
    source = {"resnet18": {"source": "torchvision", "stem": "small"}}
    data = {"kind": "cifar10", "name": "cifar10", "validation": 100}
    study = grid(backbones=source, sparsities=[0.9], seeds=[1], methods={"gmp": {}}, data=data)
    for cell in fabricate(tmp_path / "made", study):
        network = prune(build(cell.backbone), 0.1)
        fggp.pack(network, weights_path(run_path(tmp_path / "made", cell)))
    (subject, *_) = subjects(tmp_path / "made")
    rows = measure(subject, rounds=1, threads=[1])
    layers = [it for it in network.modules() if isinstance(it, nn.Conv2d | nn.Linear)]
    assert {it.weights for it in rows} == {sum(it.weight.numel() for it in layers)}
    assert {it.contender for it in rows} >= here() - {"onnxruntime"}


def test_a_file_of_its_own_holds_every_way_with_batch_threads_and_machine(measured: Path) -> None:
    rows = read_latency(measured / LATENCY)
    assert {it.cell for it in rows} == {"vgg19/s90/i0/gmp/seed1"}
    assert {it.contender for it in rows if it.batch == 32} == here()
    assert {it.contender for it in rows if it.batch == 1} == here() - {"fggp batched"}
    for row in rows:
        assert 0 < row.least_ms <= row.median_ms
        assert (row.threads, row.rounds, row.clock) == (1, 2, "cpu")
        assert 0 < row.kept < row.weights
        assert row.processor
        assert row.torch
        assert row.side == 16


def test_the_numbers_of_a_network_are_replaced_and_those_of_others_stay(measured: Path) -> None:
    path = measured / LATENCY
    before = path.read_text()
    content = json.loads(before)
    content["latency"].append(content["latency"][0] | {"cell": "vgg19/s90/i0/gmp/seed2"})
    path.write_text(json.dumps(content))
    assert main(["latency", str(measured), "--only", "gmp", *QUICK]) == 0
    rows = read_latency(path)
    assert len([it for it in rows if it.cell.endswith("seed1")]) == len(content["latency"]) - 1
    assert len([it for it in rows if it.cell.endswith("seed2")]) == 1
    path.write_text(before)


def test_table_figure_and_page_show_it_where_it_is(measured: Path, tmp_path: Path) -> None:
    assert main(["aggregate", str(measured), "--partial"]) == 0
    assert main(["table", "latency", str(measured)]) == 0
    table = (measured / "tables/latency.md").read_text()
    assert "× torch" in table
    assert "vgg19" in table
    _, data = draw("latency", Material(measured))
    assert set(data["contender"]) == here()
    assert 'id="latency"' in page(measured)
    assert main(["analyse", str(measured), "--partial", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/tables/latency.md").read_text() == table


def test_times_of_a_network_that_was_trained_again_are_refused(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a figure would show the accuracy of one network at the time of another."""
    out = tmp_path / "out"
    assert main(["analyse", str(measured), "--partial", "--out", str(out)]) == 0
    rows = json.loads((out / LATENCY).read_text())["latency"]
    former = [it | {"measured": "2024-12-31T00:00:00+00:00"} for it in rows]
    (out / LATENCY).write_text(json.dumps({"latency": former}))
    capsys.readouterr()
    assert main(["table", "latency", str(out)]) == 1
    error = capsys.readouterr().err
    assert "was measured on another training than that in runs.csv" in error
    assert f"fggp latency {out}" in error


def test_a_study_without_it_says_how_to_measure(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    fabricate(folder, grid(sparsities=[0.9], initial_sparsities=[0], seeds=[1]))
    main(["aggregate", str(folder)])
    assert main(["table", "latency", str(folder)]) == 0
    assert "fggp latency" in (folder / "tables/latency.md").read_text()
    figure, data = draw("latency", Material(folder))
    assert "fggp latency" in str(figure.get_label())
    assert data.empty
    assert 'id="latency"' not in page(folder)


def test_a_network_without_filters_is_measured_shrunk_too(tmp_path: Path) -> None:
    model, path = backbone("vgg19", "1/16", density=1), tmp_path / "filters.fggp"
    with torch.no_grad():
        for module in list(model.modules())[4:]:
            if isinstance(module, nn.Conv2d):
                module.weight[:, ::2] = 0
    fggp.pack(model, path)
    assert main(["latency", str(path), "--side", "16", *QUICK]) == 0
    rows = read_latency(Path(f"{path}.latency.json"))
    assert {it.contender for it in rows if it.batch == 1} == here() - {"fggp batched"} | set(SHRUNK)


def test_a_packed_file_is_measured_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.fggp"
    fggp.pack(backbone("vgg19", "1/16"), path)
    assert main(["latency", str(path), "--side", "16", *QUICK]) == 0
    out = capsys.readouterr().out
    assert "× torch" in out
    assert f"{path}.latency.json" in out
    assert read_latency(Path(f"{path}.latency.json"))[0].side == 16


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not a file of latencies"), ('{"latency": [{}]}', "delete it and measure again")],
)
def test_a_damaged_file_is_refused_with_the_fix(
    content: str, message: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "other"
    fabricate(folder, grid(sparsities=[0.9], initial_sparsities=[0], seeds=[1]))
    main(["aggregate", str(folder)])
    (folder / LATENCY).write_text(content)
    capsys.readouterr()
    assert main(["table", "latency", str(folder)]) == 1
    assert message in capsys.readouterr().err


def test_networks_that_cannot_be_compiled_are_skipped_and_the_others_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "smooth.py").write_text(
        "from torch import nn\n\n\ndef network(classes):\n"
        "    layers = [nn.Conv2d(3, 8, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]\n"
        "    return nn.Sequential(*layers, nn.Linear(8, classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    networks = {"smooth": {"source": "smooth:network"}, "vgg19": {"width": "1/16"}}
    data = {"kind": "cifar10", "name": "cifar10", "validation": 100}
    study = grid(
        backbones=networks, sparsities=[0.9], initial_sparsities=[0], seeds=[1],
        methods={"gmp": {}}, data=data,
    )  # fmt: skip
    for cell in fabricate(tmp_path / "made", study):
        network = prune(build(cell.backbone), 0.1)
        fggp.pack(network, weights_path(run_path(tmp_path / "made", cell)))
    assert main(["latency", str(tmp_path / "made"), *QUICK]) == 0
    assert "skipped smooth/s90/i0/gmp/seed1: " in capsys.readouterr().out
    cells = {it.cell for it in read_latency(tmp_path / "made" / LATENCY)}
    assert cells == {"vgg19/s90/i0/gmp/seed1"}
    assert main(["latency", str(tmp_path / "made"), "--only", "smooth", *QUICK]) == 1
    assert "GELU is not known" in capsys.readouterr().err


def test_a_study_without_weights_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fabricate(tmp_path / "none", grid(sparsities=[0.9], seeds=[1]))
    assert main(["latency", str(tmp_path / "none")]) == 1
    assert "no trained network has its weights" in capsys.readouterr().err


def test_the_stopwatch_never_times_a_dense_network_as_ours() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU()).eval()
    with pytest.raises(CompileError, match="GELU is not known"):
        times(model, (3, 8, 8), rounds=1)
