import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fabricate import fabricate, grid
from fggp.analysis import style
from fggp.analysis.accuracy import accuracy_vs_sparsity
from fggp.analysis.aggregate import aggregate
from fggp.analysis.figures import FIGURES, write_figure
from fggp.analysis.frames import read_runs
from fggp.cli import analyse as verb
from fggp.cli import main
from fggp.results import ResultError

FORMS = ("pdf", "png", "csv")


def study(folder: Path, *, partial: bool = False, skip: Any = None, **changes: Any) -> Path:
    fabricate(folder, grid(**changes), skip=skip or (lambda cell: False))
    aggregate(folder, partial=partial)
    return folder


def drawn(folder: Path) -> tuple[Figure, pd.DataFrame]:
    with style.styled():
        return accuracy_vs_sparsity(read_runs(folder))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_names_on_the_command_line_are_those_of_the_registry() -> None:
    assert tuple(FIGURES) == verb.FIGURES


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_its_data_beside_it_and_stable_bytes(tmp_path: Path, name: str) -> None:
    folder = study(tmp_path)
    paths = write_figure(name, folder)
    assert paths == [folder / "figures" / f"{name}.{form}" for form in FORMS]
    before = [path.read_bytes() for path in paths]
    assert b"/Type3" not in before[0]
    assert b"CreationDate" not in before[0]
    assert [path.read_bytes() for path in write_figure(name, folder)] == before


def test_the_csv_is_what_is_drawn(tmp_path: Path) -> None:
    folder = study(tmp_path)
    write_figure("accuracy_vs_sparsity", folder)
    stored = pd.read_csv(folder / "figures/accuracy_vs_sparsity.csv")
    figure, data = drawn(folder)
    assert len(stored) == len(data)
    sparse, dense = stored[stored["label"] != "dense"], stored[stored["label"] == "dense"]
    lines = [line for axes in figure.axes for line in axes.lines]
    dots = [line for line in lines if line.get_linestyle() == "None"]
    means = [line for line in lines if line.get_linestyle() == "-"]
    references = [line for line in lines if line.get_linestyle() == "--"]
    points = sparse.drop_duplicates(["backbone", "start", "label", "sparsity"])
    assert same_points(dots, sparse[["x", "accuracy_percent"]])
    assert same_points(means, points[["x", "mean"]])
    assert len(references) == 2
    assert all(np.allclose(line.get_ydata(), dense["mean"].iloc[0]) for line in references)


def same_points(lines: list[Line2D], frame: pd.DataFrame) -> bool:
    seen = sorted(map(tuple, np.concatenate([line.get_xydata() for line in lines])))
    return np.allclose(seen, sorted(map(tuple, frame.to_numpy())), rtol=1e-12)


def test_sparsity_rises_to_the_right_on_a_log_axis_of_density(tmp_path: Path) -> None:
    figure, _ = drawn(study(tmp_path, sparsities=[0.9, 0.95, 0.995]))
    axes = figure.axes[-1]
    assert axes.get_xscale() == "log"
    left, right = axes.get_xlim()
    assert left > right
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert ticks == ["90 %", "95 %", "99.5 %"]


def test_one_start_methods_stand_in_every_row_and_are_named_so(tmp_path: Path) -> None:
    figure, data = drawn(study(tmp_path))
    assert legend(figure) == ["random (one start)", "gmp", "fggp", "dense"]
    rows = data[data["label"] == "random"].groupby("start").size()
    assert dict(rows) == {"dense start": 4, "50 % sparse start": 4}


def test_labels_stand_beside_each_other(tmp_path: Path) -> None:
    _, data = drawn(study(tmp_path))
    here = data[(data["sparsity"] == 0.9) & (data["start"] == "dense start")]
    assert here.groupby("label")["x"].first().nunique() == 3
    assert (here["x"] / here["density"]).between(0.9, 1.1).all()


def bars(figure: Figure) -> int:
    return sum(
        isinstance(item, LineCollection) for axes in figure.axes for item in axes.collections
    )


def test_error_bars_need_two_seeds(tmp_path: Path) -> None:
    one, _ = drawn(study(tmp_path / "one", seeds=[1]))
    two, _ = drawn(study(tmp_path / "two", seeds=[1, 2]))
    assert bars(one) == 0
    assert bars(two) == 6
    assert "n = 1 seed" in one.get_suptitle()
    assert "n = 2 seeds" in two.get_suptitle()
    assert "sample standard deviation" in two.get_suptitle()


def test_a_partial_study_is_watermarked(tmp_path: Path) -> None:
    whole, _ = drawn(study(tmp_path / "whole"))
    part, _ = drawn(study(tmp_path / "part", partial=True, skip=lambda c: c.label == "gmp"))
    assert "PARTIAL" in texts(part)
    assert "PARTIAL" not in texts(whole)


@pytest.mark.parametrize(
    "changes",
    [
        {"sparsities": [0.9], "initial_sparsities": [0], "seeds": [1], "methods": {"fggp": {}}},
        {"methods": {"random": {}}},
        {"methods": {"dense": {}}},
        {"backbones": {"vgg19": {}, "resnet50": {"width": "1/8"}}, "sparsities": [0.98]},
    ],
)
def test_a_small_study_is_drawn_all_the_same(tmp_path: Path, changes: dict[str, Any]) -> None:
    write_figure("accuracy_vs_sparsity", study(tmp_path, **changes))
    figure, data = drawn(tmp_path)
    if data.empty or set(data["label"]) == {"dense"}:
        assert "no results of sparse networks yet" in texts(figure)
    else:
        assert len(figure.axes) == data.groupby(["backbone", "start"]).ngroups


def test_a_backbone_with_its_reference_alone_has_no_facet(tmp_path: Path) -> None:
    figure, data = drawn(
        study(
            tmp_path,
            partial=True,
            backbones={"vgg19": {}, "resnet50": {}},
            skip=lambda c: c.backbone.name == "vgg19" and c.label != "dense",
        )
    )
    assert [axes.get_title() for axes in figure.axes] == ["resnet50", ""]
    assert set(data["backbone"]) == {"resnet50"}


def test_no_result_at_all_is_told(tmp_path: Path) -> None:
    figure, data = drawn(study(tmp_path, partial=True, skip=lambda cell: True))
    assert "no results of sparse networks yet" in texts(figure)
    assert "PARTIAL" in texts(figure)
    assert data.empty


def test_everything_named_lies_inside_the_figure(tmp_path: Path) -> None:
    methods = {"dense": {}, "random": {}, "gmp": {}, "granet": {}, "fggp": {}} | {
        f"fggp-at-rate-{rate}": {"method": "fggp", "rate": rate} for rate in (0.1, 0.25, 0.75)
    }
    folder = study(tmp_path, backbones={"vgg19": {}, "resnet50": {}}, methods=methods)
    with style.styled():
        figure, _ = accuracy_vs_sparsity(read_runs(folder))
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
        names = [axes.get_xaxis().label.get_window_extent() for axes in figure.axes[-2:]]
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert not any(box.overlaps(name) for name in names)


def test_a_label_looks_the_same_in_every_figure() -> None:
    alone, among = style.looks(["fggp"]), style.looks(["gmp", "new", "fggp", "dense", "newer"])
    assert alone["fggp"] == among["fggp"] == style.Look("#D55E00", "o")
    assert among["dense"].line == "--"
    assert style.looks(["new", "newer"]) == {name: among[name] for name in ("new", "newer")}


def test_many_unlisted_labels_all_look_different() -> None:
    labels = ["fggp", "gmp", "granet", "random", "dense", *(f"x{i}" for i in range(60))]
    assert len(set(style.looks(labels).values())) == len(labels)


def test_a_broken_map_of_colours_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "colours.yaml"
    monkeypatch.setattr(style, "COLOURS", path)
    assert style.looks(["fggp"])["fggp"] == style.FIXED["fggp"]
    path.write_text("fggp: red\n")
    with pytest.raises(ResultError, match=r"colours\.yaml: not a map of colours"):
        style.looks(["fggp"])


def test_an_unknown_name_gets_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ResultError, match="did you mean 'accuracy_vs_sparsity'"):
        write_figure("accuracy", tmp_path)
    with pytest.raises(SystemExit):
        main(["figure", "accuracy", "demo"])
    assert "did you mean 'accuracy_vs_sparsity'" in capsys.readouterr().err


def test_one_command_writes_all_tables_and_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fabricate(tmp_path)
    assert main(["analyse", str(tmp_path)]) == 0
    paths = capsys.readouterr().out.split()
    assert len(paths) == 4 + 3 * len(verb.TABLES) + 3 * len(verb.FIGURES)
    assert all(Path(path).exists() for path in paths)


def test_neither_the_verbs_nor_the_analysis_import_what_they_do_not_need() -> None:
    code = (
        "import sys, fggp.cli.analyse\n"
        "assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "import fggp.analysis.figures, fggp.analysis.tables, fggp.analysis.aggregate\n"
        "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
