"""The discussion says what the tables and the configurations say."""

from pathlib import Path

from fggp.analysis.page import environment
from fggp.analysis.plan import default_plan
from fggp.publishing.report.discussion import across, scales
from fggp.publishing.report.report import WORDS

ROOT = Path(__file__).parents[2]


def test_the_scales_are_those_of_the_configurations() -> None:
    rows = scales(["small-folder", "paper"], ROOT / "config")
    assert [(row["study"], row["network"]) for row in rows] == [
        ("small-folder", "vgg19"),
        ("small-folder", "resnet50"),
        ("paper", "vgg19"),
        ("paper", "resnet50"),
    ]
    small, full = rows[0], rows[2]
    assert (small["width"], small["epochs"], small["images"]) == ("1/8", 4, 25000)
    assert (full["width"], full["epochs"], full["images"]) == ("1", 160, None)
    assert full["sparsity"] == "98 %"
    assert full["kept"] / small["kept"] > 60


def test_only_the_studies_that_can_say_something_about_a_claim_are_shown() -> None:
    says = "a claim"
    asked = {"says": says, "figure": "+1.00 points", "verdict": "holds"}
    studies = [
        {"name": "one", "claims": [asked, asked | {"says": "another"}]},
        {"name": "two", "claims": [asked | {"figure": ""}]},
    ]
    assert across(studies, says) == [asked | {"shown_by": "one"}]


def test_the_page_has_the_figure_of_every_claim_of_the_deciding_study() -> None:
    page = (ROOT / "docs/discussion.md").read_text()
    study = (ROOT / "results/reference/small-ablation-folder/README.md").read_text()
    rows = [line.split(" | ") for line in study.splitlines() if "| small-ablation-folder |" in line]
    assert len(rows) == 3
    assert all(row[2] in page for row in rows)


def test_the_page_names_the_studies_in_which_fggp_has_other_settings_than_today() -> None:
    templates = environment(ROOT / "docs/templates", html=False)
    templates.filters |= {word.__name__: word for word in WORDS}
    older = {"old": {"fggp": "pool kept"}, "new": {}, "older": {"fggp": "weights stepped"}}
    page = templates.get_template("discussion.md.j2").render(
        studies=[{"name": name, "apart": words} for name, words in older.items()],
        plan=default_plan(), decided=[], deciders=[], scales=[],
    )  # fmt: skip
    told = "settings in old (pool kept),\nolder (weights stepped).\nThe studies small-folder"
    assert told in page
