"""The page of what gets faster says what the shipped measurement says."""

import shutil
from pathlib import Path

import pytest

from fggp.foundation.errors import Failure
from fggp.publishing.report.inference_times import MEASURED, inference_times, measured_on

ROOT = Path(__file__).parents[2]


def test_every_row_of_the_page_is_in_the_measurement() -> None:
    page = (ROOT / "docs/speed.md").read_text()
    rows = inference_times(ROOT)
    assert {it.network for it in rows} == {"vgg19", "resnet50"}
    assert measured_on(ROOT)["processor"] in page
    for it in rows:
        peers = {"torch", "onnxruntime"}
        assert set(it.times) == set(it.demanded) == peers
        fastest = min(it.milliseconds[peer] / it.milliseconds["ours"] for peer in peers)
        assert fastest > 1
        ratio = f"| {it.times['torch']:.1f} | {it.times['onnxruntime']:.1f} |"
        line = f"| {it.network} | {it.sparsity} | {it.masks} | {it.batch} |"
        (found,) = [text for text in page.splitlines() if text.startswith(line)]
        assert ratio in found
        assert it.met != ("not reached" in found)


def test_the_page_on_deployment_shows_rows_of_the_measurement() -> None:
    page = (ROOT / "docs/deployment.md").read_text()
    shown = [
        it for it in inference_times(ROOT) if (it.sparsity, it.masks) == ("98 %", "trained-like")
    ]
    assert len(shown) == 4
    for it in shown:
        times = f"{it.times['torch']:.1f} | {it.times['onnxruntime']:.1f}"
        assert f"\n| {it.network} | {it.batch} | {times} |\n" in page


def test_a_measurement_that_is_absent_is_named_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="--only inference"):
        inference_times(tmp_path)
    (tmp_path / MEASURED).parent.mkdir(parents=True)
    shutil.copy(ROOT / MEASURED, tmp_path / MEASURED)
    assert inference_times(tmp_path) == inference_times(ROOT)
