import json
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from fabricate import TEST_IMAGES, fabricate, grid, likely, result_of

from fggp.analysis.collect.aggregate import aggregate
from fggp.analysis.collect.runs_csv import RUNS, read_runs
from fggp.foundation.errors import ResultError
from fggp.study.cell import Cell
from fggp.study.result_file import SEAL, Result, write
from fggp.study.study_folder import run_path

TABLES = ["runs.csv", "epochs.csv", "layers.csv", "updates.csv"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "small"


def refusal(folder: Path, **options: bool) -> str:
    with pytest.raises(ResultError) as caught:
        aggregate(folder, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def changed(cell: Cell) -> bool:
    return cell.id == "vgg19/s90/i50/fggp/seed2"


CHANGED = "runs/vgg19/s90/i50/fggp/seed2.json"


def test_every_cell_is_one_row_in_study_order(folder: Path) -> None:
    cells = fabricate(folder)
    assert aggregate(folder) == [folder / name for name in TABLES]
    runs = read_runs(folder)
    assert list(runs.columns) == list(RUNS)
    assert list(zip(runs["label"], runs["seed"], strict=True)) == [(c.label, c.seed) for c in cells]
    assert list(runs["correct_last"]) == [likely(cell) for cell in cells]
    assert list(runs["accuracy_last"]) == [likely(cell) / TEST_IMAGES for cell in cells]
    assert not runs["partial"].any()
    assert not runs["mixed_device"].any()


@pytest.mark.parametrize(
    ("methods", "ranked"),
    [
        ({"l1-filter": {}, "gmp-filter": {}, "small-dense": {}}, {"l1-filter", "gmp-filter"}),
        ({"l1-filter": {}, "gmp": {}, "sr-ste": {}}, {"gmp"}),
        ({"gmp": {}, "fggp": {}}, {"gmp", "fggp"}),
    ],
)
def test_filters_rank_among_themselves_and_never_with_single_weights(
    methods: dict[str, dict[str, str]], ranked: set[str], folder: Path
) -> None:
    study = grid(methods={"dense": {}, **methods}, initial_sparsities=[0], sparsities=[0.9])
    fabricate(folder, study)
    aggregate(folder)
    runs = read_runs(folder)
    assert set(runs.loc[runs["ranks"], "label"]) - {"dense"} == ranked


def test_starts_are_told_in_words(folder: Path) -> None:
    fabricate(folder)
    aggregate(folder)
    runs = read_runs(folder)
    starts = runs.groupby("label")["start"].unique().map(set).to_dict()
    assert starts == {
        "dense": {"dense start"},
        "random": {"one start"},
        "gmp": {"dense start", "50 % sparse start"},
        "fggp": {"dense start", "50 % sparse start"},
    }
    assert runs["initial_sparsity"].isna().equals(runs["label"] == "random")


def test_counts_stay_integers_and_add_up(folder: Path) -> None:
    cells = fabricate(folder)
    aggregate(folder)
    runs = read_runs(folder)
    epochs, layers, updates = (pd.read_csv(folder / name) for name in TABLES[1:])
    assert ".0," not in (folder / "layers.csv").read_text().split(",total,", 1)[1].split("\n")[0]
    assert layers["kept"].dtype == layers["total"].dtype == epochs["kept"].dtype == "int64"
    assert len(epochs) == 4 * len(cells)
    assert layers.groupby(["label", "seed"])["kept"].sum().sum() == runs["kept"].sum()
    assert list(layers["shape"][:2]) == ["8x3x3x3", "16x8x3x3"]
    assert (runs["kept"] == runs["target"]).all()
    last = updates[updates["update"] == 2]
    assert (last["realised_sparsity"] - last["sparsity"]).abs().max() < 1e-3


def test_equal_results_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    fabricate(folder)
    fabricate(tmp_path / "again")
    first, second = aggregate(folder), aggregate(tmp_path / "again")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_missing_results_are_refused_with_the_command_that_trains_them(folder: Path) -> None:
    cells = fabricate(folder, skip=lambda cell: cell.label == "fggp")
    message = refusal(folder)
    assert message.startswith(f"8 of {len(cells)} results are missing (")
    assert str(folder / "runs/vgg19/s90/i0/fggp/seed1.json") in message
    assert "`fggp run small`, or pass --partial" in message
    assert message.count("seed") == 3


def test_partial_leaves_them_out_and_marks_every_row(folder: Path) -> None:
    fabricate(folder, skip=lambda cell: cell.label == "fggp")
    aggregate(folder, partial=True)
    runs = read_runs(folder)
    assert set(runs["label"]) == {"dense", "random", "gmp"}
    assert runs["partial"].all()


def test_partial_marks_nothing_where_nothing_is_missing(folder: Path) -> None:
    fabricate(folder)
    aggregate(folder, partial=True)
    assert not read_runs(folder)["partial"].any()


def test_a_study_without_results_gives_tables_without_rows(folder: Path) -> None:
    fabricate(folder, skip=lambda cell: True)
    aggregate(folder, partial=True)
    assert read_runs(folder).empty


def test_a_damaged_result_is_named(folder: Path) -> None:
    fabricate(folder)
    (folder / CHANGED).write_text("{")
    assert refusal(folder, partial=True).startswith(f"{folder / CHANGED}: not a result")


def test_a_result_without_all_its_blocks_is_named(folder: Path) -> None:
    def change(cell: Cell, result: Result) -> None:
        if changed(cell):
            del result["outcome"]["accuracy"]

    fabricate(folder, change=change)
    message = refusal(folder)
    assert message.startswith(f"{folder / CHANGED}: not a result (outcome.accuracy: is missing")
    assert ".seed2.kept.json" in message


def test_two_results_of_one_cell_are_refused(folder: Path) -> None:
    fabricate(folder)
    copy = folder / "runs/vgg19/s90/i50/fggp/seed9.json"
    copy.write_text((folder / CHANGED).read_text())
    message = refusal(folder)
    assert message.startswith("1 cell has more than one result")
    assert f"{folder / CHANGED} and {copy}" in message


def test_a_copy_in_the_place_of_another_cell_is_told_as_a_copy(folder: Path) -> None:
    fabricate(folder)
    one = folder / "runs/vgg19/s90/i50/fggp/seed1.json"
    one.write_text((folder / CHANGED).read_text())
    assert "more than one result" in refusal(folder)


def test_files_of_no_expected_cell_are_ignored(folder: Path) -> None:
    fabricate(folder)
    (folder / "runs/notes.json").write_text("{}")
    cell = fabricate(folder.with_name("other"), grid(seeds=[7]))[0]
    write(result_of(cell, 900), run_path(folder, cell))
    before = [path.read_bytes() for path in aggregate(folder)]
    fabricate(folder.with_name("clean"))
    assert before == [path.read_bytes() for path in aggregate(folder.with_name("clean"))]


def test_results_of_other_settings_name_the_first_difference(folder: Path) -> None:
    fabricate(folder, grid(training={"epochs": 4, "lr": 0.05}))
    old = fabricate(folder.with_name("old"), grid(training={"epochs": 4, "lr": 0.1}))
    for cell in old[:2]:
        write(result_of(cell, 900), run_path(folder, cell))
    message = refusal(folder)
    assert message.startswith("2 of 22 results were trained with other settings (")
    assert "seed1.json: training.lr is 0.1 there and 0.05 in the study" in message
    assert "`fggp run small` retrains exactly these" in message


def test_masks_off_their_target_are_refused(folder: Path) -> None:
    def change(cell: Cell, result: Result) -> None:
        if changed(cell):
            result["outcome"]["target"] -= 1

    fabricate(folder, change=change)
    message = refusal(folder, partial=True)
    assert f"{folder / CHANGED}: 367 weights are kept, but the target is 366" in message


def test_weights_outside_their_mask_are_refused(folder: Path) -> None:
    def change(cell: Cell, result: Result) -> None:
        if changed(cell):
            result["outcome"]["layers"][1]["nonzero"] += 1

    fabricate(folder, change=change)
    message = refusal(folder)
    assert "weights are nonzero in conv2.weight, but its mask keeps" in message
    assert ".NAME.kept.json" in message


def test_a_diverged_training_stays_in_as_a_result(folder: Path) -> None:
    def change(cell: Cell, result: Result) -> None:
        if changed(cell):
            result["outcome"]["verdict"] = "diverged"
            result["outcome"]["target"] -= 1
            result["outcome"]["epochs"][-1]["train_loss"] = None

    cells = fabricate(folder, change=change)
    aggregate(folder)
    runs = read_runs(folder)
    assert len(runs) == len(cells)
    assert list(runs["verdict"]).count("diverged") == 1


def test_a_training_that_was_cut_inside_its_window_is_a_result_off_its_target(
    folder: Path,
) -> None:
    def change(cell: Cell, result: Result) -> None:
        if changed(cell):
            result["outcome"]["verdict"] = "disconnected"
            result["outcome"]["target"] += off

    off = -1
    fabricate(folder, change=change)
    aggregate(folder)
    assert list(read_runs(folder)["verdict"]).count("disconnected") == 1
    off = 1  # fewer weights than the target are never left
    fabricate(folder, change=change)
    assert "off their target" in refusal(folder)


@pytest.mark.parametrize(
    ("block", "key", "value", "words"),
    [
        ("outcome", "numerics", 2, "numerics versions are mixed: 1 in 21 ("),
        ("cell", "data", "e" * 64, "data checksums are mixed: dddddddddddd in 21 ("),
    ],
)
def test_what_must_never_share_a_table_is_refused(
    folder: Path, block: str, key: str, value: object, words: str
) -> None:
    def change(cell: Cell, result: Result) -> None:
        if changed(cell) and key == "data":
            result[block][key]["sha256"] = value
        elif changed(cell):
            result[block][key] = value

    fabricate(folder, change=change)
    message = refusal(folder, partial=True, allow_mixed_device=True)
    assert message.startswith(words)
    assert f"in 1 ({folder / CHANGED})" in message


def on_cuda(cell: Cell, result: Result) -> None:
    if cell.seed == 2:
        result["provenance"]["device"] = "cuda"


def test_mixed_devices_are_refused_unless_allowed_and_then_marked(folder: Path) -> None:
    fabricate(folder, change=on_cuda)
    message = refusal(folder)
    assert message.startswith("devices are mixed: cpu in 11 (")
    assert "--allow-mixed-device" in message
    aggregate(folder, allow_mixed_device=True)
    assert read_runs(folder)["mixed_device"].all()


def test_the_study_itself_may_allow_mixed_devices(folder: Path) -> None:
    fabricate(folder, grid(allow_mixed_device=True), change=on_cuda)
    aggregate(folder)
    assert read_runs(folder)["mixed_device"].all()


def test_mixed_code_and_torch_only_warn(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(cell: Cell, result: Result) -> None:
        if changed(cell):
            result["provenance"]["code_sha256"] = "f" * 64
            result["provenance"]["versions"]["torch"] = "2.12.0"

    fabricate(folder, change=change)
    aggregate(folder)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("fggp: code versions are mixed: cccccccccccc in 21 (")
    assert lines[1].startswith("fggp: PyTorch versions are mixed: 2.11.0 in 21 (")


def test_a_folder_without_its_list_of_cells_says_how_to_write_it(folder: Path) -> None:
    assert f"plan {folder.name} --write" in refusal(folder)


def test_missing_or_old_runs_say_how_to_write_them(folder: Path) -> None:
    fabricate(folder)
    with pytest.raises(ResultError, match=r"runs\.csv: missing; .*fggp aggregate .*/small`"):
        read_runs(folder)
    (folder / "runs.csv").write_text("label\nfggp\n")
    with pytest.raises(ResultError, match=r"aggregate .*/small`"):
        read_runs(folder)


def test_a_label_that_reads_like_nothing_stays_a_label(folder: Path) -> None:
    fabricate(folder, grid(methods={"nan": {"method": "fggp"}, "gmp": {}}))
    aggregate(folder)
    assert set(read_runs(folder)["label"]) == {"nan", "gmp"}


def test_the_fabricated_study_is_what_training_writes(folder: Path) -> None:
    cells = fabricate(folder)
    result = json.loads(run_path(folder, cells[0]).read_text())
    assert set(result["outcome"]) == {
        "numerics", "verdict", "images", "steps_per_epoch", "prunable", "target", "accuracy",
        "epochs", "updates", "layers", "weights_sha256", "explored", "dense_macs",
        "inference_macs", "training_macs", "dead_neurons",
    }  # fmt: skip


def test_a_study_from_before_a_setting_came_is_still_its_own(folder: Path) -> None:
    fabricate(folder)
    for path in [folder / "cells.json", *folder.rglob("seed*.json")]:
        content = json.loads(path.read_text())
        content.get("provenance", {}).pop(SEAL, None)  # which came later still
        for cell in content.get("cells", [content.get("cell")]):
            if cell["method"]["name"] == "fggp":
                cell["method"]["settings"] = {"rate": cell["method"]["settings"]["rate"]}
        path.write_text(json.dumps(content))
    assert len(aggregate(folder)) == 4


# ------------------------------------------------------------------------------- diagnostics

LATE = {"runs.csv": ("inference_macs", "training_macs", "dense_macs", "explored_share",
                     "dead_neurons_share"),
        "layers.csv": ("macs",),
        "updates.csv": ("dropped", "grown", "jaccard", "explored_share")}  # fmt: skip
LATE_FIELDS = {"explored", "dense_macs", "inference_macs", "training_macs", "dead_neurons"}


def make_old(cell: Cell, result: Result) -> None:
    """Take out what results did not hold at first."""
    outcome = result["outcome"]
    for key in LATE_FIELDS:
        del outcome[key]
    for layer in outcome["layers"]:
        del layer["macs"]
    for update in outcome["updates"]:
        for key in ("dropped", "grown", "explored"):
            del update[key]


def texts(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_work_and_exploration_and_dead_neurons_are_columns(folder: Path) -> None:
    cells = fabricate(folder)
    aggregate(folder)
    runs = read_runs(folder)
    outcomes = [json.loads(run_path(folder, cell).read_text())["outcome"] for cell in cells]
    for column in ("inference_macs", "training_macs", "dense_macs"):
        assert list(runs[column]) == [outcome[column] for outcome in outcomes]
    layers = pd.read_csv(folder / "layers.csv")
    assert layers["macs"].sum() == runs["inference_macs"].sum()
    dense = runs[runs["label"] == "dense"]
    assert (dense["inference_macs"] == dense["dense_macs"]).all()
    assert list(runs["explored_share"]) == [o["explored"] / 3672 for o in outcomes]
    assert (runs["dead_neurons_share"] == 3 / 40).all()


def test_jaccard_is_that_of_the_two_masks(folder: Path) -> None:
    sets = [set(range(10)), {0, 1, 2, 3, 20, 21}, {1, 2, 3, 20, 30}]

    def change(cell: Cell, result: Result) -> None:
        for update, before, after in zip(
            result["outcome"]["updates"], sets, sets[1:], strict=False
        ):
            update["kept"] = [len(after), 0, 0]
            update["dropped"], update["grown"] = len(before - after), len(after - before)

    fabricate(folder, change=change)
    aggregate(folder)
    updates = pd.read_csv(folder / "updates.csv")
    expected = [len(a & b) / len(a | b) for a, b in pairwise(sets)]
    assert list(updates["jaccard"]) == expected * (len(updates) // 2)


def test_two_empty_masks_are_the_same_mask(folder: Path) -> None:
    def change(cell: Cell, result: Result) -> None:
        for update in result["outcome"]["updates"]:
            update |= {"kept": [0, 0, 0], "dropped": 0, "grown": 0}

    fabricate(folder, change=change)
    aggregate(folder)
    assert (pd.read_csv(folder / "updates.csv")["jaccard"] == 1).all()


def test_results_from_before_the_diagnostics_leave_their_columns_empty(folder: Path) -> None:
    fabricate(folder, change=make_old)
    aggregate(folder)
    for name, columns in LATE.items():
        table = texts(folder / name)
        assert len(table)
        assert (table[list(columns)] == "").all(axis=None), name
    assert read_runs(folder)[list(LATE["runs.csv"])].isna().all(axis=None)


def test_old_and_new_results_share_tables_and_every_count_stays_exact(folder: Path) -> None:
    large = 2**60 + 1  # no float

    def change(cell: Cell, result: Result) -> None:
        if changed(cell):
            make_old(cell, result)
        else:
            result["outcome"]["training_macs"] = large

    cells = fabricate(folder, change=change)
    aggregate(folder)
    runs = read_runs(folder)
    old = [changed(cell) for cell in cells]
    assert sum(old) == 1
    assert list(runs["training_macs"].isna()) == old
    assert (runs["training_macs"].dropna() == large).all()
    for name, columns in LATE.items():
        table = texts(folder / name)
        numbers = table[[column for column in columns if not column.endswith(("share", "jaccard"))]]
        assert numbers.map(lambda text: text == "" or text.isdigit()).all(axis=None), name
