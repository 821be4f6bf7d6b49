import json
import re
import sys
from pathlib import Path

import pytest
from checkout import Checkout

import fggp
from fggp.cli import main
from fggp.methods import METHODS
from fggp.study.cell import Cell
from fggp.study.config import cells, load

CELL = "vgg19/s90/i50/fggp/seed1"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """One checkout for all commands that fail before they change anything."""
    return Checkout.fresh(tmp_path_factory.mktemp("cli") / "place")


def verbs(capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    return re.findall(r"^    ([a-z][a-z-]*)(?: |$)", capsys.readouterr().out, re.MULTILINE)


def tiny_cell(checkout: Checkout) -> Cell:
    found = {cell.id: cell for cell in cells(load(checkout / "config/tiny.yaml"))}
    return found[CELL]


def test_help_lists_the_verbs_on_the_real_command_line(place: Checkout) -> None:
    ran = place.fggp("--help")
    assert not ran.err
    for verb in ("prepare", "plan", "train", "run", "aggregate", "analyse", "table", "figure"):
        assert re.search(rf"^    {verb}\b", ran.out, re.MULTILINE), ran


def test_every_verb_has_help_that_ends_with_an_example_of_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    listed = verbs(capsys)
    assert len(listed) >= 9
    for verb in listed:
        with pytest.raises(SystemExit) as ended:
            main([verb, "--help"])
        assert ended.value.code == 0
        text = capsys.readouterr().out
        assert f"example:\n  fggp {verb}" in text


def test_every_example_in_the_help_names_options_and_studies_that_exist(
    capsys: pytest.CaptureFixture[str], place: Checkout
) -> None:
    for verb in verbs(capsys):
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        text, _, example = capsys.readouterr().out.partition("example:")
        for option in re.findall(r"--[a-z-]+", example.splitlines()[1]):
            assert option in text, (verb, option)
        words = re.findall(r"fggp .*", example)
        named = [word for line in words for word in line.rstrip(")").split()[2:3]]
        for word in named:
            known = (place / f"config/{word}.yaml").exists()
            free = {"check-results", "table", "figure", "methods", "pack", "unpack", "power"}
            free |= {"shrink", "schema", "completion"}
            assert known or verb in free, (verb, word)


def test_a_start_without_training_does_not_load_torch_or_the_analysis(place: Checkout) -> None:
    script = (
        "import sys\nfrom fggp.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(*sorted({'torch', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules)),"
        " file=sys.stderr)\n"
    )
    for arguments in (["--help"], ["train", "--help"], ["plan", "demo"], ["methods"]):
        ran = place.run(sys.executable, "-c", script, *arguments)
        assert ran.err == "\n", ran
        assert ran.out, ran


def test_the_demo_has_52_cells_seed_by_seed_with_the_dense_ones_first(place: Checkout) -> None:
    ran = place.fggp("plan", "demo", "--cells")
    listed = re.findall(r"^to do  (\S+)$", ran.out, re.MULTILINE)
    seeds = [cell.rpartition("/seed")[2] for cell in listed]
    assert seeds == ["1"] * 26 + ["2"] * 26, ran
    assert "all                          52 cells, 0 done" in ran.out, ran
    for half in (listed[:26], listed[26:]):
        backbones = [cell.partition("/")[0] for cell in half]
        assert backbones == ["vgg19"] * 13 + ["resnet50"] * 13
        for part in (half[:13], half[13:]):
            labels = [cell.split("/")[3] for cell in part]
            assert labels == ["dense"] + ["gmp"] * 4 + ["granet"] * 4 + ["fggp"] * 4
            assert [cell.split("/")[1:3] for cell in part[1:5]] == [
                *(["s90", "i0"], ["s90", "i50"], ["s95", "i0"], ["s95", "i50"])
            ]
    assert not (place / "results").exists(), "plan without --write writes nothing"


@pytest.mark.long
def test_plan_says_what_is_done(trained: Checkout) -> None:
    ran = trained.fggp("plan", "tiny", "--cells")
    assert len(re.findall(r"^done  vgg19/", ran.out, re.MULTILINE)) == 7, ran
    assert "7 cells, 7 done" in ran.out, ran


@pytest.mark.parametrize("name", ["demo", "config/demo.yaml", "results/demo", "results/demo/"])
def test_a_study_is_named_by_stem_by_file_or_by_results_folder(name: str, place: Checkout) -> None:
    assert "52 cells" in place.fggp("plan", name).out


def test_methods_names_every_registered_method_with_its_settings(place: Checkout) -> None:
    ran = place.fggp("methods")
    assert sorted(re.findall(r"^(\S+): ", ran.out, re.MULTILINE)) == sorted(METHODS)
    for name, method in METHODS.items():
        block = re.split(rf"^{name}: ", ran.out, maxsplit=1, flags=re.MULTILINE)[1]
        block = block.partition("\n\n")[0]
        assert f"    {method.kind}, " in block
        assert method.paper in block
        assert all(f"{key}: " in block for key in method.settings.model_fields), name


REFUSED = {
    "unknown study": (["plan", "dmeo"], "config/dmeo.yaml: no such study; did you mean 'demo'?"),
    "unknown file": (
        ["run", "config/papr.yaml"],
        "config/papr.yaml: no such study; did you mean 'config/paper.yaml'?",
    ),
    "unknown folder": (["status", "results/nothing"], "results/nothing: no such study; "),
    "another file": (["plan", "Snakefile"], "Snakefile: not a study; give a .yaml file"),
    "unknown cell": (
        ["train", "demo", "vgg19/s95/i50/fggp/seed7"],
        "has no cell 'vgg19/s95/i50/fggp/seed7'; did you mean 'vgg19/s95/i50/fggp/seed",
    ),
    "no cell": (["train", "demo"], "train needs a study and a cell; see fggp train"),
    "cell without data": (["train", "--cell", "{}"], "--cell needs --data, and --out with one"),
    "cell without out": (
        ["train", "--cell", "{}", "--data", "x.npz"],
        "--cell needs --data, and --out with one file for each cell",
    ),
    "two cells and one file": (
        ["train", "--cell", "{}", "{}", "--data", "x.npz", "--out", "x.json"],
        "--cell needs --data, and --out with one file for each cell",
    ),
    "not analysed": (["aggregate", "demo"], "results/demo/cells.json: not the list of a study's"),
    "no rows": (["table", "ranking", "demo"], "results/demo/runs.csv"),
    "no rows to draw": (["figure", "accuracy_vs_sparsity", "demo"], "results/demo/runs.csv"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mistake_is_answered_in_one_line(case: str, place: Checkout) -> None:
    arguments, expected = REFUSED[case]
    assert expected in place.fggp(*arguments, status=1).complaint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "--cell: not the JSON of a cell ("),
        ("[1]", "--cell: not the JSON of a cell ("),
        ("3", "--cell: not the JSON of a cell ("),
        ('{"seed": 1}', "--cell: backbone: is missing"),
    ],
)
def test_what_is_not_a_cell_is_refused_in_one_line(
    text: str, expected: str, place: Checkout
) -> None:
    more = ("--data", "data/none.npz", "--out", "out.json")
    assert expected in place.fggp("train", "--cell", text, *more, status=1).complaint


@pytest.mark.parametrize("name", ["ranking_al", "accuracy_vs_sparsty"])
def test_a_table_or_figure_that_does_not_exist_is_a_wrong_use_with_the_nearest_name(
    name: str, place: Checkout
) -> None:
    verb, meant = {
        "ranking_al": ("table", "ranking_all"),
        "accuracy_vs_sparsty": ("figure", "accuracy_vs_sparsity"),
    }[name]
    ran = place.fggp(verb, name, "demo", status=2)
    assert f"no {verb} is called {name!r}; did you mean {meant!r}?" in ran.err


def test_a_missing_data_file_is_named_with_the_way_to_make_it(place: Checkout) -> None:
    cell = tiny_cell(place).canonical()
    out = "out/missing.json"
    more = ("--data", "data/none.npz", "--out", out)
    complaint = place.fggp("train", "--cell", cell, *more, status=1).complaint
    assert "data/none.npz does not exist; make it with `fggp prepare`" in complaint
    assert not (place / out).exists()


@pytest.mark.long
def test_cuda_where_there_is_none_is_refused_in_one_line(trained: Checkout, tmp_path: Path) -> None:
    ran = trained.fggp(
        *("train", "--cell", tiny_cell(trained).canonical(), "--data", "data/digits.npz"),
        *("--out", str(tmp_path / "out.json"), "--device", "cuda"),
        status=1,
        CUDA_VISIBLE_DEVICES="",
    )
    assert ran.complaint.startswith("fggp: no CUDA device is visible to PyTorch (")
    assert ran.complaint.endswith("); train with --device cpu")


@pytest.mark.long
def test_a_cell_of_a_method_that_is_not_here_is_refused_in_one_line(
    trained: Checkout, tmp_path: Path
) -> None:
    cell = json.loads(tiny_cell(trained).canonical())
    cell["method"] = {"name": "fgp", "settings": {}}
    more = ("--data", "data/digits.npz", "--out", str(tmp_path / "out.json"))
    ran = trained.fggp("train", "--cell", json.dumps(cell), *more, status=1)
    assert "fggp: --cell: " in ran.complaint
    assert "'fgp'" in ran.complaint


def test_a_command_runs_in_the_folder_that_is_named(place: Checkout, tmp_path: Path) -> None:
    ran = place.run(
        sys.executable, "-m", "fggp", "-C", str(place.path), "check-results", "no-such", status=1
    )
    assert ran.complaint.startswith("fggp: no-such: no such folder")
    away = place.run(sys.executable, "-m", "fggp", "-C", str(tmp_path), "plan", "demo", "--write")
    assert (tmp_path / "results/demo/cells.json").is_file(), away
    assert not (place / "results").exists()
    assert place.fggp("-C", "no-such", "plan", "demo", status=1).complaint


def test_the_version_is_printed(place: Checkout) -> None:
    assert place.fggp("--version").out == f"fggp {fggp.__version__}\n"
