import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysed_study import ARMS, Analysed
from fabricate import analysed, older
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from fggp.analysis import figure_style as style
from fggp.analysis.catalogue import TABLES
from fggp.analysis.figures import FIGURES, draw, layout, write_figures
from fggp.analysis.figures.layout import notes
from fggp.analysis.latencies import CONTENDERS
from fggp.analysis.study_tables import Material
from fggp.cli import main
from fggp.foundation.errors import ResultError
from fggp.study.essential_file import ESSENTIAL, Essential, write_essential
from fggp.study.latency_file import LATENCY, Latency, write_latency
from fggp.study.stored_results import StoredResult

FORMS = ("pdf", "png", "svg", "csv", "rst")
RATES = (0.2, 0.4, 0.6, 0.8)


def words(figure: Figure) -> str:
    """Return the notes in the caption of a figure."""
    return " ".join(notes(figure))


def drawn(folder: Path, name: str = "accuracy_vs_sparsity") -> tuple[Figure, pd.DataFrame]:
    with style.styled():
        return draw(name, Material(folder))


@pytest.fixture(scope="module")
def partial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("partial")
    return analysed(folder, partial=True, skip=lambda cell: cell.label == "gmp", methods=ARMS)


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nothing")
    return analysed(folder, partial=True, skip=lambda cell: True, sparsities=[0.9])


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return analysed(tmp_path_factory.mktemp("old"), change=older, methods=ARMS, sparsities=[0.9])


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rates = {f"fggp-at-a-rate-of-{rate}": {"method": "fggp", "rho": rate} for rate in RATES}
    folder = analysed(
        tmp_path_factory.mktemp("crowded"),
        description="A study of many labels with names that are long, on two narrow backbones",
        backbones={"vgg19": {"width": "1/8"}, "resnet50": {"width": "1/8"}},
        sparsities=[0.95, 0.98],
        seeds=[1, 2, 3],
        methods={"random": {}, "granet": {}, **ARMS, **rates},
    )
    write_latency(folder / LATENCY, list(latencies()))
    write_essential(folder / ESSENTIAL, list(one_shot(folder)))
    return folder


def latencies() -> Iterator[Latency]:
    """Every way of computing two networks at two sparsities, one image and many."""
    ways = product(("vgg19", "resnet50"), (95, 98), CONTENDERS, (1, 32))
    for number, (backbone, rate, contender, batch) in enumerate(ways):
        yield Latency(
            cell=f"{backbone}/s{rate}/i0/granet/seed1", weights_sha256="0" * 64,
            kept=(100 - rate) * 1000, weights=100_000, side=32, contender=contender, batch=batch,
            threads=1, least_ms=number + 1, median_ms=number + 2, rounds=5, clock="cpu",
            processor="a processor", cores=2, system="Linux", torch="2.15.0", onnxruntime=None,
            measured="2026-11-28T12:00:00+00:00",
        )  # fmt: skip


def one_shot(folder: Path) -> Iterator[Essential]:
    """The dense networks of both backbones without a share of their weights."""
    for backbone, seed, tenth in product(("vgg19", "resnet50"), (1, 2), range(10)):
        cell = f"{backbone}/s0/i0/dense/seed{seed}"
        trained = StoredResult.read(folder / f"runs/{cell}.json")
        yield Essential(
            cell=cell, weights_sha256=trained.outcome.weights_sha256,
            sparsity=tenth / 10, kept=1000 - 100 * tenth, weights=1000,
            correct=950 - tenth**3 - seed, images=1000, device="cpu", device_name="a processor",
            torch="2.15.0", measured="2026-11-28T12:00:00+00:00",
        )  # fmt: skip


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_its_data_beside_it_and_names_no_time(
    analysed_once: Analysed, name: str
) -> None:
    paths = [analysed_once.out / "figures" / f"{name}.{form}" for form in FORMS]
    assert set(paths) <= set(analysed_once.printed)
    contents = [path.read_bytes() for path in paths]
    assert all(contents)
    assert b"/Type3" not in contents[0]
    assert b"CreationDate" not in contents[0]


def test_pictures_have_300_points_per_inch_and_the_width_of_a_page(
    analysed_once: Analysed, tmp_path: Path
) -> None:
    shutil.copytree(analysed_once.out, tmp_path / "out")
    written = write_figures(["run_overview"], tmp_path / "out")[1].read_bytes()
    assert int.from_bytes(written[16:20]) == 1650  # the width, in the first block of a PNG


def test_the_csv_is_what_is_drawn(tmp_path: Path) -> None:
    folder = analysed(tmp_path)
    write_figures(["accuracy_vs_sparsity"], folder)
    stored = pd.read_csv(folder / "figures/accuracy_vs_sparsity.csv")
    figure, data = drawn(folder)
    assert len(stored) == len(data)
    sparse, dense = stored[stored["label"] != "dense"], stored[stored["label"] == "dense"]
    lines = [line for axes in figure.axes for line in axes.lines]
    dots = [line for line in lines if line.get_linestyle() == "None"]
    means = [line for line in lines if line.get_linestyle() == "-"]
    references = [line for line in lines if line.get_linestyle() == "--"]
    points = sparse.drop_duplicates(["backbone", "start", "label", "sparsity"])
    assert same_points(dots, sparse[["sparsity", "accuracy_percent"]])
    assert same_points(means, points[["sparsity", "mean"]])
    assert len(references) == 2
    assert all(np.allclose(line.get_ydata(), dense["mean"].iloc[0]) for line in references)


def same_points(lines: list[Line2D], frame: pd.DataFrame) -> bool:
    seen = sorted(map(tuple, np.concatenate([line.get_xydata() for line in lines])))
    return np.allclose(seen, sorted(map(tuple, frame.to_numpy())), rtol=1e-12)


def test_sparsity_rises_to_the_right_on_a_log_axis_of_density(tmp_path: Path) -> None:
    figure, _ = drawn(analysed(tmp_path, sparsities=[0.9, 0.95, 0.995]))
    axes = figure.axes[-1]
    left, right = axes.get_xlim()
    assert left < right
    at = [axes.transData.transform((it, 0))[0] for it in (0.9, 0.95, 0.995)]
    assert (at[1] - at[0]) / (at[2] - at[0]) == pytest.approx(np.log(2) / np.log(20))
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert ticks == ["90 %", "95 %", "99.5 %"]


def test_one_start_methods_stand_in_every_row_and_are_named_so(tmp_path: Path) -> None:
    figure, data = drawn(analysed(tmp_path))
    assert legend(figure) == ["random (one start)", "gmp", "fggp", "dense"]
    rows = data[data["label"] == "random"].groupby("start").size()
    assert dict(rows) == {"dense start": 4, "50 % sparse start": 4}


def test_every_mark_is_at_its_sparsity(tmp_path: Path) -> None:
    figure, data = drawn(analysed(tmp_path, sparsities=[0.9, 0.95, 0.98]))
    marks = [
        x
        for axes in figure.axes
        for line in axes.lines
        if line.get_marker() not in {"", "None", None}
        for x in line.get_xdata()
    ]
    assert set(marks) == set(data.loc[data["label"] != "dense", "sparsity"]) == {0.9, 0.95, 0.98}


def test_one_sparsity_is_a_row_per_method_the_most_accurate_above(tmp_path: Path) -> None:
    figure, data = drawn(analysed(tmp_path, sparsities=[0.9]))
    means = data[data["label"] != "dense"].groupby("label")["mean"].mean()
    best = list(means.sort_values(ascending=False).index)
    names = [text.get_text().split(" ")[0] for text in figure.axes[0].get_yticklabels()]
    assert names == best
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > top  # the first is above
    for axes in figure.axes:
        dense = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [set(line.get_xdata()) for line in dense] == [
            set(data.loc[data["label"] == "dense", "mean"])
        ]


@pytest.mark.parametrize("name", FIGURES)
def test_titles_are_one_line_and_the_rest_is_in_the_caption(
    analysed_once: Analysed, name: str
) -> None:
    figure, data = drawn(analysed_once.out, name)
    assert "\n" not in figure.get_suptitle()
    assert len(figure.get_suptitle()) < 110
    caption = (analysed_once.out / f"figures/{name}.rst").read_text()
    assert caption.startswith(FIGURES[name].caption)
    assert notes(figure)
    assert all(note in caption for note in notes(figure))
    assert data.empty == any("Skipped: " in note for note in notes(figure))


def test_a_title_that_is_too_long_loses_clauses_and_the_caption_has_them(
    analysed_once: Analysed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title, fitting in (
        ("Twenty images, 1/8 width, 4 epochs", "Twenty images"),
        ("Twenty images, thin", "Twenty images, thin"),
        ("many words without a clause", "many words …"),
    ):
        figure = Figure(figsize=(1, 1))
        layout.entitle(figure, title)
        assert figure.get_suptitle() == fitting
    folder = shutil.copytree(analysed_once.out, tmp_path / "out")
    for words, more in ((1, []), (40, [f"{', '.join(['clause'] * 40)}."])):
        monkeypatch.setattr(Material, "title", ", ".join(["clause"] * words))
        write_figures(["run_overview"], folder, formats=["png"])
        caption = (folder / "figures/run_overview.rst").read_text().strip().split("\n\n")
        assert [text for text in caption if text.startswith("clause")] == more


def test_a_figure_for_a_paper_has_its_width_its_formats_and_no_title(
    analysed_once: Analysed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(analysed_once.out, tmp_path / "out")
    shutil.rmtree(folder / "figures")
    options = ["--no-title", "--width", "3.25", "--format", "pdf,svg"]
    assert main(["figure", "run_overview", str(folder), *options]) == 0
    written = [Path(line).name for line in capsys.readouterr().out.split()]
    assert written == [f"run_overview.{form}" for form in ("pdf", "svg", "csv", "rst")]
    assert {path.name for path in (folder / "figures").iterdir()} == set(written)
    assert 'width="234pt"' in (folder / "figures/run_overview.svg").read_text()
    with style.styled(3.25):
        figure, _ = draw("run_overview", Material(folder))
        layout.entitle(figure, "")
    rendered(figure)
    assert figure.get_suptitle() == ""
    assert all(
        figure.bbox.padded(1).x0 <= box.x0 and box.x1 <= figure.bbox.padded(1).x1
        for box in (text.get_window_extent() for text in inscribed(figure))
    )
    with pytest.raises(SystemExit):
        main(["figure", "run_overview", str(folder), "--format", "pdf,gif"])
    assert "'gif' is not a figure format; use pdf, png, svg" in capsys.readouterr().err


def test_labels_are_written_by_their_display_names(
    analysed_once: Analysed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "colours.yaml"
    path.write_text("gmp: {colour: '#0072B2', marker: s, name: Gradual}\n")
    monkeypatch.setattr(style, "COLOURS", path)
    for name in ("drop_to_dense", "rank_heatmap", "run_overview"):
        figure, data = drawn(analysed_once.out, name)
        ticks = {text.get_text() for axes in figure.axes for text in axes.get_yticklabels()}
        assert any("Gradual" in tick for tick in ticks), name
        assert not any("gmp" in tick for tick in ticks), name
        assert "gmp" in set(data["label"])
    figure, _ = drawn(analysed_once.out, "training_curves")
    assert {"Gradual", "fggp"} <= set(legend(figure))


def bars(figure: Figure) -> int:
    return sum(
        isinstance(item, LineCollection) for axes in figure.axes for item in axes.collections
    )


def test_error_bars_need_two_seeds(tmp_path: Path) -> None:
    one, _ = drawn(analysed(tmp_path / "one", seeds=[1]))
    two, _ = drawn(analysed(tmp_path / "two", seeds=[1, 2]))
    assert bars(one) == 0
    assert bars(two) == 6
    assert "n = 1 seed" in words(one)
    assert "n = 2 seeds" in words(two)
    assert "sample standard deviation" in words(two)


@pytest.mark.parametrize("name", FIGURES)
def test_a_partial_study_is_watermarked(partial: Path, name: str) -> None:
    figure, _ = drawn(partial, name)
    assert "PARTIAL" in texts(figure)


def test_a_whole_study_is_not_watermarked(tmp_path: Path) -> None:
    figure, _ = drawn(analysed(tmp_path))
    assert "PARTIAL" not in texts(figure)


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
    analysed(tmp_path, **changes)
    for name in FIGURES:
        figure, data = drawn(tmp_path, name)
        said = [text for text in texts(figure) if text]
        assert data.empty == (not figure.axes), name
        assert figure.axes or said, name


def test_a_backbone_with_its_reference_alone_has_no_facet(tmp_path: Path) -> None:
    figure, data = drawn(
        analysed(
            tmp_path,
            partial=True,
            backbones={"vgg19": {}, "resnet50": {}},
            skip=lambda c: c.backbone.name == "vgg19" and c.label != "dense",
        )
    )
    assert [axes.get_title() for axes in figure.axes] == ["resnet50", ""]
    assert set(data["backbone"]) == {"resnet50"}


def test_a_warning_below_the_panels_covers_no_legend(tmp_path: Path) -> None:
    folder = analysed(tmp_path, partial=True, skip=lambda cell: cell.seed == 2)
    with style.styled():
        figure, _ = draw("accuracy_vs_sparsity", Material(folder), layout.warn_below)
        figure.draw_without_rendering()
    (told,) = [it for it in figure.texts if it.get_text().startswith("PARTIAL")]
    (legend,) = figure.legends
    assert told.get_window_extent().y1 <= legend.get_window_extent().y0
    lowest = min(axes.get_tightbbox().y0 for axes in figure.axes)
    assert legend.get_window_extent().y1 <= lowest


@pytest.mark.parametrize("name", FIGURES)
def test_no_result_at_all_is_told(nothing: Path, name: str) -> None:
    figure, data = drawn(nothing, name)
    assert "PARTIAL" in texts(figure)
    if name == "run_overview":
        assert "0 completed, 0 diverged, 12 missing" in words(figure)
        assert set(data["verdict"]) == {"missing"}
    else:
        assert data.empty
        assert not figure.axes
        assert any(len(text) > 20 for text in texts(figure))


@pytest.mark.parametrize("name", FIGURES)
def test_results_of_older_versions_are_drawn_or_it_is_said_why_not(old: Path, name: str) -> None:
    figure, _ = drawn(old, name)
    lacking = {
        "mask_churn": "before mask changes were",
        "accuracy_vs_flops": "before FLOPs were",
        "latency": "no latencies measured",
        "accuracy_vs_latency": "no latencies measured",
        "essential": "no one-shot accuracy was measured",
        "critical_difference": "n = 2 seeds: values only",
        "rate_ablation": "three constant rates",
        "seed_pairs": "3 seeds",
    }
    if name in lacking:
        assert lacking[name] in words(figure)
    else:
        assert figure.axes, texts(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_everything_named_lies_inside_the_figure(crowded: Path, name: str) -> None:
    figure, _ = drawn(crowded, name)
    with style.styled():
        rendered(figure)
        boxes = [text.get_window_extent() for text in inscribed(figure)]
        legends = [legend.get_window_extent() for legend in figure.legends]
    room = figure.bbox.padded(1)
    assert figure.axes
    assert all(room.x0 <= box.x0 and box.x1 <= room.x1 for box in [*boxes, *legends])
    assert all(room.y0 <= box.y0 and box.y1 <= room.y1 for box in [*boxes, *legends])
    assert not any(legend.overlaps(box) for legend in legends for box in boxes)
    heading = figure._suptitle.get_window_extent()  # type: ignore[attr-defined]
    titles = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    assert not any(heading.overlaps(title) for title in titles)
    lines = {round(title.y0) for title in titles}
    for line in lines:
        beside = sorted((it for it in titles if round(it.y0) == line), key=lambda it: it.x0)
        assert all(left.x1 <= right.x0 for left, right in pairwise(beside))


def inscribed(figure: Figure) -> list[Text]:
    """All texts that are seen of a figure, but those of its legends and the watermark."""
    inside: list[Text] = []
    for panel in [axes for axes in figure.axes if axes.get_visible()]:
        for axis in (panel.xaxis, panel.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            inside += [axis.label, *(tick.label1 for tick in ticks)]
        inside += [panel.title, *panel.texts]
    around = [*figure.texts, figure._supxlabel, figure._supylabel]  # type: ignore[attr-defined]
    known = [it for it in [*inside, *around] if it is not None and it.get_text()]
    return [it for it in known if it.get_visible() and it.get_rotation() != 20]


def rendered(figure: Figure) -> None:
    with style.styled():
        figure.draw_without_rendering()


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
        write_figures(["accuracy_sparsity"], tmp_path)
    with pytest.raises(SystemExit):
        main(["figure", "accuracy_sparsity", "demo"])
    assert "did you mean 'accuracy_vs_sparsity'" in capsys.readouterr().err


def test_one_command_writes_all_tables_and_figures_and_the_page(analysed_once: Analysed) -> None:
    paths = set(analysed_once.printed)
    names = [f"tables/{name}.{form}" for name in TABLES for form in ("csv", "md", "tex")]
    names += [f"figures/{name}.{form}" for name in FIGURES for form in FORMS]
    names += ["page.html", "runs.csv", "epochs.csv", "layers.csv", "updates.csv"]
    assert {analysed_once.out / name for name in names} <= paths
    assert all(path.exists() for path in paths)


def test_neither_the_verbs_nor_the_analysis_import_what_they_do_not_need() -> None:
    code = (
        "import sys, fggp.cli.analyse\n"
        "assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "import fggp.analysis.figures, fggp.analysis.tables, fggp.analysis.collect.aggregate\n"
        "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_look_that_matplotlib_draws_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "colours.yaml"
    listed.write_text(
        "fggp: {colour: red, marker: $a$, line: dashed, name: 'cost in $'}\n"
        "gmp: {colour: '#00f', marker: '', name: '$\\ell_1$'}\n"
    )
    monkeypatch.setattr(style, "COLOURS", listed)
    assert style.looks(["fggp"])["fggp"].line == "dashed"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("fggp: {colour: '#D55E00', marker: circle}", "fggp: 'circle' is not a marker"),
        ("fggp: {colour: orangey, marker: o}", "fggp: 'orangey' is not a colour"),
        ("fggp: {colour: red, marker: o, line: dots}", "fggp: 'dots' is not a line"),
        (r"fggp: {colour: red, marker: o, name: '$\foo$'}", "fggp: the mathematics in its name"),
        (b"fggp: {colour: red, marker: o, name: \xe9}", "not a map of colours"),
    ],
)
def test_a_look_that_cannot_be_drawn_is_refused_in_one_line(
    content: str | bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "colours.yaml"
    listed.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setattr(style, "COLOURS", listed)
    with pytest.raises(ResultError, match=re.escape(words)) as refusal:
        style.looks(["fggp"])
    assert "\n" not in str(refusal.value)
