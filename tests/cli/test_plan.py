"""The estimates of ``plan``: hours, energy and disk space."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from fabricate import GRID, measured, result_of

from fggp.cli import main
from fggp.cli.parser import parser
from fggp.cli.train import _named
from fggp.study import costs, gpu_measurements
from fggp.study.cell import Cell
from fggp.study.config import cells, load
from fggp.study.result_file import write
from fggp.study.study_folder import run_path

ROOT = Path(__file__).parents[2]
PAPER = {
    "data": {"kind": "cifar10", "name": "cifar10", "validation": 5000},
    "training": {"epochs": 160, "precision": "tf32"},
    "pruning": {"update_every": 1000, "end_epoch": 80},
}


CIFAR = costs.Size(50_000, 10_000, 32)
H200 = costs.device("h200")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)


def study(**changes: Any) -> None:
    Path("config").mkdir(exist_ok=True)
    Path("config/small.yaml").write_text(yaml.safe_dump(GRID | changes, sort_keys=False))


def plan(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    capsys.readouterr()
    assert main(["plan", "small", *options]) == 0
    return capsys.readouterr().out


def listed() -> list[Cell]:
    return cells(load(Path("config/small.yaml")))


def minutes(text: str, words: str) -> float:
    found = re.search(rf"{words}: ([\d.]+) min", text)
    assert found, text
    return float(found[1])


def hours(text: str) -> float:
    found = re.search(r"cells, ([\d.]+) (?:GPU|core) hours", text)
    assert found, text
    return float(found[1])


def test_it_says_hours_energy_and_disk_and_that_they_are_estimates(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study(**PAPER)
    text = plan(capsys)
    assert "all                          22 cells, 0 done" in text
    assert re.search(r"remaining \(estimate\): 22 cells, [\d.]+ GPU hours \(h200\)", text)
    assert re.search(r"energy \(estimate\): [\d.]+ kWh at 700 W per GPU \(the board's", text)
    assert "on disk" in text
    assert re.search(r"basis: vgg19: [\d.]+ s per epoch; estimate, not measured by this", text)
    assert not Path("results").exists()


def test_a_study_in_full_precision_is_estimated_for_a_cpu(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study()
    assert "core hours (cpu)" in plan(capsys)
    assert "GPU hours (a100)" in plan(capsys, "--device", "a100")


def test_several_at_once_take_less_time_and_as_many_hours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study(**PAPER)
    one, four = plan(capsys), plan(capsys, "--gpus", "4")
    assert hours(one) == hours(four)
    assert minutes(one, "one after the other") == pytest.approx(60 * hours(one), abs=4)
    assert minutes(four, "4 at once") == pytest.approx(15 * hours(one), abs=1.5)
    with pytest.raises(SystemExit):
        main(["plan", "small", "--gpus", "0"])


def test_no_number_of_gpus_beats_the_longest_cell_after_the_one_that_it_starts_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study(**PAPER | {"methods": {"dense": {}, "global-mp": {}}, "seeds": [1]})
    each = {cell.label: costs.seconds(cell, CIFAR, H200) for cell in listed()}
    chain = (each["dense"] + each["global-mp"]) / 60
    assert minutes(plan(capsys, "--gpus", "99"), "99 at once") == pytest.approx(chain, abs=0.5)
    study(**PAPER | {"methods": {"dense": {}, "gmp": {}}, "seeds": [1]})
    longest = each["dense"] / 60
    assert minutes(plan(capsys, "--gpus", "99"), "99 at once") == pytest.approx(longest, abs=0.5)


def test_power_may_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    study(**PAPER)
    text = plan(capsys, "--watts", "1000")
    assert f"{hours(text):.1f} kWh at 1000 W per GPU (--watts)" in text


def test_finished_cells_say_what_the_others_take(capsys: pytest.CaptureFixture[str]) -> None:
    study()
    before = hours(plan(capsys))
    for cell in listed():
        if cell.seed == 1:
            result = result_of(cell, 900)
            result["provenance"]["seconds"] = 4 * 3600.0
            write(result, run_path(Path("results/small"), cell))
    text = plan(capsys)
    assert "remaining (estimate): 11 cells" in text
    assert hours(text) == pytest.approx(11 * 4, rel=0.01)
    assert before < 1
    assert "3.6e+03 s per epoch, the median of 11 finished cells of this study" in text
    assert "board's limit" in plan(capsys, "--device", "h200")


def test_finished_cells_say_what_power_the_others_draw(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study()
    for cell in listed():
        if cell.seed == 1:
            result = result_of(cell, 900)
            measured(cell, result)
            write(result, run_path(Path("results/small"), cell))
    found = plan(capsys, "--device", "cpu")
    assert "at 40 W per core (measured in 11 finished cells of this study)" in found
    assert "at 100 W per core (--watts)" in plan(capsys, "--device", "cpu", "--watts", "100")
    assert "board's limit" in plan(capsys, "--device", "h200")


def test_a_finished_study_costs_nothing_more(capsys: pytest.CaptureFixture[str]) -> None:
    study()
    for cell in listed():
        write(result_of(cell, 900), run_path(Path("results/small"), cell))
    assert plan(capsys).endswith("22 cells, 22 done, \nall cells are done\n")


def test_images_that_nobody_counted_are_called_assumed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study(data={"kind": "folder", "name": "mine", "path": "mine", "validation": 100})
    assert "50 000 training images assumed" in plan(capsys)
    study()
    assert "assumed" not in plan(capsys)


def test_a_gpu_that_is_not_known_is_priced_as_the_slowest_and_the_plan_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study()
    first = next(cell for cell in listed() if cell.label == "gmp")
    result = result_of(first, 900)
    result["provenance"] |= {"device": "cuda", "device_name": "Tesla V100-SXM2-32GB"}
    write(result, run_path(Path("results/small"), first))
    text = plan(capsys)
    assert "GPU hours (a100)" in text
    line = "basis: Tesla V100-SXM2-32GB is not in costs.yaml: priced as a100, the slowest GPU there"
    assert line in text.splitlines()
    assert "costs.yaml" not in plan(capsys, "--device", "a100"), "what was asked for is known"


def test_updates_after_every_step_are_said_to_be_missing_from_an_estimate_for_a_gpu(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study(methods={"gmp": {}, "deep-r": {}}, **PAPER)
    (line,) = [it for it in plan(capsys).splitlines() if "deep-r:" in it]
    assert "the host draws a random number per active weight, not counted" in line
    assert "deep-r:" not in plan(capsys, "--device", "cpu")


def test_it_estimates_by_what_was_measured_on_a_gpu(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_measurements, "FOLDER", tmp_path / "gpu-check")
    study(**PAPER)
    before = hours(plan(capsys))
    shared = {"backbone": "vgg19", "width": 1, "precision": "tf32", "layout": "contiguous"}
    step = gpu_measurements.StepTime(**shared, batch_size=128, side=32, milliseconds=100)
    gpu_measurements.write(
        gpu_measurements.Measured(
            device="cuda",
            device_name="NVIDIA L40S",
            made="2026-11-28T12:00:00+00:00",
            passed=True,
            watts=350,
            steps=(step,),
        )
    )
    text = plan(capsys)
    assert "GPU hours (nvidia-l40s)" in text
    assert "measured on NVIDIA L40S by gpu-check on 2026-11-28" in text
    assert "at 350 W per GPU (the board's limit by its driver)" in text
    assert hours(text) > 10 * before
    assert "GPU hours (h200)" in plan(capsys, "--device", "h200")


def test_a_study_that_was_changed_says_how_many_results_will_be_replaced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = {"kind": "digits", "name": "digits", "validation": 147}
    study(data=data, sparsities=[0.9], seeds=[1], methods={"dense": {}, "gmp": {}})
    for cell in listed():
        write(result_of(cell, 90), run_path(Path("results/small"), cell))
    assert main(["plan", "small"]) == 0
    assert not capsys.readouterr().err
    made = sum(cell.label == "gmp" for cell in listed())
    study(data=data | {"train": 900}, sparsities=[0.9], seeds=[1, 2], methods={"gmp": {}})
    words = "fggp: warning: results in results/small with other settings than the study now has: "
    for arguments, status in ((["plan", "small"], 0), (["run", "small", "--minutes", "0"], 75)):
        assert main(arguments) == status
        assert f"{words}{made}; their cells are trained again\n" in capsys.readouterr().err
    _named(parser("train").parse_args(["train", "small", "vgg19/s90/i0/gmp/seed1"]))
    assert f"{words}1; their cells are trained again\n" in capsys.readouterr().err


def test_the_page_about_clusters_has_the_estimate_of_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("config").symlink_to(ROOT / "config")
    assert main(["plan", "paper", "--device", "a100"]) == 0
    said = capsys.readouterr().out
    hours, disk = re.findall(r"[\d.]+ GPU hours|[\d.]+ GB", said)
    page = (ROOT / "docs/cluster.md").read_text()
    assert f"`fggp plan paper --device a100` estimates {hours} and {disk} of results" in page
