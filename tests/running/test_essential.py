"""``fggp essential``: dense networks without their smallest weights, in a file of their own."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from small import BACKBONE, DATA
from torch import Tensor

from fggp.analysis.figures import draw
from fggp.analysis.page import page
from fggp.analysis.study_tables import Material
from fggp.cli import main
from fggp.data import Dataset, load, save
from fggp.running.essential import dense_cells, levels
from fggp.running.run_cell import run_cell
from fggp.storage.packing import unpack
from fggp.study.config import cells
from fggp.study.config import load as load_study
from fggp.study.essential_file import ESSENTIAL, knee, read_essential
from fggp.study.result_file import read, weights_path
from fggp.study.study_folder import run_path, write_expected
from fggp.training.build import in_order, network_of

STUDY = f"""
description: for tests
data: {{kind: digits, name: digits, validation: {DATA["validation"]}, train: 400}}
backbones: {{vgg19: {{width: {BACKBONE["width"]}, lr: 0.2}}}}
sparsities: [0.9]
initial_sparsities: [0]
seeds: [1, 2]
methods: {{dense: {{}}, gmp: {{}}}}
training: {{epochs: 4, batch_size: 32, pad: 1, flip: false}}
pruning: {{update_every: 5, end_epoch: 2}}
"""


@pytest.fixture(scope="module")
def study(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of which one dense network of two is trained."""
    top = tmp_path_factory.mktemp("essential")
    (top / "data").mkdir()
    (top / "data/digits.npz").write_bytes(data.read_bytes())
    (top / "made.yaml").write_text(STUDY)
    described = load_study(top / "made.yaml")
    folder = top / "results/made"
    write_expected(described, folder / "cells.json")
    for cell in cells(described):
        if cell.seed == 1:
            assert run_cell(cell, data, run_path(folder, cell), device="cpu")
            break
    return folder


@pytest.fixture(autouse=True)
def beside_the_data(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.parents[1])


@pytest.fixture(scope="module")
def measured(study: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(study.parents[1])
        before = {it: it.read_bytes() for it in study.rglob("*.json")}
        assert main(["essential", str(study), "--step", "0.1", "--device", "cpu"]) == 0
        assert {it: it.read_bytes() for it in before} == before
    return study


def correct(state: dict[str, Tensor], study: Path, dataset: Dataset) -> int:
    (cell,) = dense_cells(study)
    cpu = torch.device("cpu")
    model = network_of(cell, len(dataset.classes), cpu)
    model.load_state_dict(state)
    model.eval()
    images = dataset.test_images, dataset.test_labels
    batches = in_order(cell, dataset, *images, cpu)
    with torch.no_grad():
        return sum(int((model(x).argmax(1) == y).sum()) for x, y in batches)


def test_each_sparsity_is_the_trained_network_without_its_smallest_weights(
    measured: Path, data: Path
) -> None:
    rows, dataset = read_essential(measured / ESSENTIAL), load(data)
    (cell,) = dense_cells(measured)
    result = read(run_path(measured, cell))
    assert [it.sparsity for it in rows] == [round(0.1 * it, 1) for it in range(10)]
    assert rows[0].correct == result["outcome"]["epochs"][-1]["test_correct"]
    assert {it.weights_sha256 for it in rows} == {result["outcome"]["weights_sha256"]}
    state = unpack(weights_path(run_path(measured, cell)))
    names = [layer["name"] for layer in result["outcome"]["layers"]]
    sizes = torch.cat([state[name].abs().flatten() for name in names])
    for row in (rows[3], rows[8]):
        assert row.weights == len(sizes)
        least = sizes.sort().values[len(sizes) - row.kept]
        pruned = {
            name: torch.where(it.abs() >= least, it, 0) if name in names else it
            for name, it in state.items()
        }
        assert row.correct == correct(pruned, measured, dataset)
    assert rows[8].correct < rows[0].correct


def test_the_knee_is_the_last_before_accuracy_first_falls_a_point() -> None:
    assert knee([95, 96, 94, 93, 95], 100) == 2
    assert knee([95, 94, 94], 100) == 2
    assert knee([95, 0], 100) == 0
    assert knee([950, 941, 939, 945], 1000) == 1
    assert levels(Fraction(1, 3)) == [0, Fraction(1, 3), Fraction(2, 3)]


def test_table_figure_and_page_show_it_where_it_is(measured: Path, tmp_path: Path) -> None:
    assert main(["aggregate", str(measured), "--partial"]) == 0
    assert main(["table", "essential", str(measured)]) == 0
    table = (measured / "tables/essential.md").read_text()
    assert "knee" in table
    assert "1 dense network, one training each, 10 sparsities" in table
    figure, data = draw("essential", Material(measured))
    assert len(data) == 10
    assert int(data["knee"].sum()) == 1
    assert len(figure.axes) == 1
    assert 'id="essential"' in page(measured)
    assert main(["analyse", str(measured), "--partial", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/tables/essential.md").read_text() == table


def test_measuring_again_replaces_the_numbers_and_leaves_those_of_others(
    measured: Path, tmp_path: Path
) -> None:
    path = measured / ESSENTIAL
    before = path.read_text()
    content = json.loads(before)
    other = content["essential"][0] | {"cell": "vgg19/s0/i0/dense/seed2"}
    path.write_text(json.dumps({"essential": [*content["essential"], other]}))
    assert main(["essential", str(measured), "--step", "0.5"]) == 0
    rows = read_essential(path)
    assert [it.sparsity for it in rows if it.cell.endswith("seed1")] == [0, 0.5]
    assert len([it for it in rows if it.cell.endswith("seed2")]) == 1
    path.write_text(before)


def test_numbers_of_a_network_that_was_trained_again_are_refused(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else its table, figure and page would show a network that is no longer there."""
    out = tmp_path / "out"
    assert main(["analyse", str(measured), "--partial", "--out", str(out)]) == 0
    path = out / ESSENTIAL
    rows = json.loads(path.read_text())["essential"]
    path.write_text(json.dumps({"essential": [it | {"weights_sha256": "0" * 64} for it in rows]}))
    capsys.readouterr()
    assert main(["table", "essential", str(out)]) == 1
    error = capsys.readouterr().err
    assert "dense/seed1 was measured on another training than that in runs.csv" in error
    assert f"fggp essential {out}" in error


def test_networks_of_other_settings_or_images_are_not_measured(
    study: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells_file, images = study / "cells.json", Path("data/digits.npz")
    before = cells_file.read_text()
    cells_file.write_text(before.replace('"batch_size": 32', '"batch_size": 40'))
    assert main(["essential", str(study), "--step", "0.5"]) == 1
    assert "was trained with other settings than the study now has" in capsys.readouterr().err
    cells_file.write_text(before)
    save(replace(load(data), mean=(0.5, 0.5, 0.5)), images)
    assert main(["essential", str(study), "--step", "0.5"]) == 1
    assert "has other images than those that vgg19" in capsys.readouterr().err
    images.write_bytes(data.read_bytes())


def test_a_network_that_depends_on_the_side_of_an_image_is_measured(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/digits.npz").write_bytes(data.read_bytes())
    Path("flat_for_essential.py").write_text(
        "from torch import nn\n\n\ndef build(classes, side):\n"
        "    layers = nn.Conv2d(3, 2, 3, padding=1), nn.Flatten()\n"
        "    return nn.Sequential(*layers, nn.Linear(2 * side * side, classes))\n"
    )
    text = STUDY.replace(
        f"width: {BACKBONE['width']}, lr: 0.2", "source: 'flat_for_essential:build'"
    )
    Path("flat.yaml").write_text(text.replace("vgg19", "flat").replace("epochs: 4", "epochs: 2"))
    described, folder = load_study(Path("flat.yaml")), Path("results/flat")
    write_expected(described, folder / "cells.json")
    (first, *_) = cells(described)
    assert run_cell(first, data, run_path(folder, first), device="cpu")
    assert main(["essential", str(folder), "--step", "0.5", "--device", "cpu"]) == 0
    outcome = read(run_path(folder, first))["outcome"]
    assert read_essential(folder / ESSENTIAL)[0].correct == outcome["epochs"][-1]["test_correct"]


def test_a_study_without_it_says_how_to_measure(study: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    write_expected(load_study(study.parents[1] / "made.yaml"), tmp_path / "other/cells.json")
    assert main(["aggregate", str(tmp_path / "other"), "--partial"]) == 0
    assert main(["table", "essential", str(tmp_path / "other")]) == 0
    assert "fggp essential" in (tmp_path / "other/tables/essential.md").read_text()
    figure, data = draw("essential", Material(tmp_path / "other"))
    assert "fggp essential" in str(figure.get_label())
    assert data.empty


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a file of one-shot accuracies"),
        ('{"essential": [{}]}', "delete it and measure again"),
    ],
)
def test_a_damaged_file_is_refused_with_the_fix(
    content: str, message: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    write_expected(load_study(study.parents[1] / "made.yaml"), folder / "cells.json")
    main(["aggregate", str(folder), "--partial"])
    (folder / ESSENTIAL).write_text(content)
    capsys.readouterr()
    assert main(["table", "essential", str(folder)]) == 1
    assert message in capsys.readouterr().err


def test_weights_of_another_result_and_missing_ones_are_refused(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (cell,) = dense_cells(study)
    path = weights_path(run_path(study, cell))
    before = path.read_bytes()
    state = unpack(path)
    state["classifier.weight"] += 1
    from fggp.storage.packing import pack

    pack(state, path)
    assert main(["essential", str(study), "--step", "0.5"]) == 1
    assert "does not belong to the result next to it" in capsys.readouterr().err
    path.unlink()
    assert main(["essential", str(study)]) == 1
    assert "no trained dense network has its weights" in capsys.readouterr().err
    path.write_bytes(before)
    with pytest.raises(SystemExit):
        main(["essential", str(study), "--step", "0.9"])
    assert "not a share from 0.001 to 0.5" in capsys.readouterr().err
