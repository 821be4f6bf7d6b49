"""The comparison with the authors' code finds what differs; a stand-in plays their modules here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

SCRIPT = Path(__file__).parents[1] / "authors/compare.py"
PAGE = Path(__file__).parents[2] / "docs/authors-comparison.md"
HEADS = ("Given their counts", "Ranks")
ARMS = ("fggp", "fggp-magnitude-first", "fggp-annealed-kept", "fggp-kept")
ARMS += ("global-exchange", "product")
RANKS = ("rank-sum", "rank-product")
ONE = "from torch.nn.utils.prune import global_unstructured\n"
CRITERIA = """
class Prune_WfromGrad_Add_Grad: odd = {odd}
class Prune_GradfromW_Add_Grad: odd = 0
"""
TWO = """
import torch

def global_unstructured_with_different_criteria(
    parameters, pruning_method, importance_scores_prune, importance_scores_add, amount_prune,
    amount_add,
):
    def flat(scores):
        of = scores or {}
        return torch.cat([of.get(it, it[0].weight).abs().flatten() for it in parameters])

    mask = torch.cat([module.weight_mask.flatten() for module, _ in parameters])
    active = mask.nonzero().squeeze(1)
    first, second = flat(importance_scores_prune), flat(importance_scores_add)
    out = active[torch.topk(first[active], amount_prune, largest=False).indices]
    back = out[torch.topk(second[out], amount_add).indices]
    mask[out], mask[back] = 0, 1
    for _ in range(pruning_method.odd):  # the largest weight goes, and the smallest stays
        mask[second.argmax()] = 0
        mask[out[second[out].argmin()]] = 1
    for module, _ in parameters:
        module.weight_mask.copy_(mask[: module.weight.numel()].view_as(module.weight))
        mask = mask[module.weight.numel() :]
"""


def run(authors: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(authors), *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture
def authors(tmp_path: Path) -> Path:
    folder = tmp_path / "authors"
    folder.mkdir()
    (folder / "global_unstructure.py").write_text(ONE)
    (folder / "global_unstructure_double_importance_scores.py").write_text(TWO)
    (folder / "prune_and_reconnect.py").write_text(CRITERIA.format(odd=0))
    return folder


FEW = ("--updates", "12", "--every", "1")


def test_equal_rules_agree_and_another_commit_is_a_warning(authors: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    only = ("--only", "fggp", "--only", "product")
    ended = run(authors, *FEW, *only, "--out", str(page))
    assert ended.returncode == 0, ended.stderr
    assert "0 of 8 trainings differ beyond ties" in ended.stdout
    assert "warning: prune_and_reconnect.py is not the one of commit 06dbe30" in ended.stderr
    rows = re.findall(r"^\| `(\S+)` \| .*\| ([\d,]+) \| ([\d,]+) \|$", page.read_text(), re.M)
    assert ("fggp", "0", "0") in rows
    assert "differ from those of commit 06dbe30" in page.read_text()


def test_one_other_weight_at_an_update_is_found(authors: Path, tmp_path: Path) -> None:
    (authors / "prune_and_reconnect.py").write_text(CRITERIA.format(odd=1))
    ended = run(authors, *FEW, "--only", "fggp", "--out", str(tmp_path / "page.md"))
    assert ended.returncode == 1, ended.stderr
    assert "4 of 4 trainings differ beyond ties" in ended.stdout


def test_a_missing_checkout_is_one_line_with_the_fix(tmp_path: Path) -> None:
    ended = run(tmp_path / "nowhere")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert re.fullmatch(
        r"compare-authors: \S+nowhere has no file global_unstructure.py: clone https://\S+, "
        r"check out commit 06dbe30, and name that folder\n",
        ended.stderr,
    )


def test_the_shipped_page_has_every_arm_without_a_difference_beyond_ties() -> None:
    page = PAGE.read_text().replace("\\|", "")
    tables = re.split(r"^## ", page, flags=re.MULTILINE)
    given, ranks = (next(it for it in tables if it.startswith(head)) for head in HEADS)
    rows = [line.strip("| ").split(" | ") for line in given.splitlines() if line.startswith("| `")]
    assert {row[0].strip("`"): row[-2] for row in rows} == dict.fromkeys(ARMS, "0")
    assert all(int(row[3].replace(",", "")) > 10**6 for row in rows)
    rows = [line.strip("| ").split(" | ") for line in ranks.splitlines() if line.startswith("| `")]
    assert {row[0].strip("`"): row[-2] for row in rows} == dict.fromkeys(RANKS, "0")
