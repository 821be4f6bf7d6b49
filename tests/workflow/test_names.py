"""Names and paths reach no shell unquoted, and names of studies are checked before that."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import ROOT, TINY, Checkout

from fggp.foundation.validation import ConfigError
from fggp.models import registry
from fggp.study.config import load
from fggp.study.yaml_files import check_name

pytestmark = pytest.mark.long

RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow").rglob("*"))]
BAD = (
    *("my demo", "x $(touch PWNED)", "a;b", "a'b", 'a"b', "a\nb", "-x", ".x", "x.", "étude", "a*"),
    *(
        "a?",
        "a[1]",
        "{seed}",
        "a{b",
        "..",
        "a/b",
        "a\\b",
        "a&b",
        "a|b",
        "a`b`",
        "~x",
        "#x",
        "a" * 101,
    ),
    *("a\tb", "a\u202eb", "a:b", "a,b", "a=b", "%d", "$HOME", "!x", "a@b", "(a)", "<a>", "", " "),
)
GOOD = ("demo", "my_study", "mini-95-folder", "v1.2", "A", "_x", "2024-01-31", "a--b", "a" * 100)


def shells() -> Iterator[tuple[str, str]]:
    """The commands of all rules, with their file and line."""
    for path in RULES:
        if path.is_file() and (path.suffix == ".smk" or path.name == "Snakefile"):
            text = path.read_text()
            for found in re.finditer(r"^( +)shell:\n((?:\1 .*\n|\n)+)", text, re.MULTILINE):
                yield f"{path.name}:{text[: found.start()].count(chr(10)) + 1}", found[2]


def test_every_placeholder_of_every_shell_command_is_quoted() -> None:
    commands = dict(shells())
    assert len(commands) == sum(
        path.read_text().count("shell:") for path in RULES if path.suffix == ".smk"
    )
    for place, command in commands.items():
        placeholders = re.findall(r"(?<!\{)\{([^{}]+)\}(?!\})", command)
        assert placeholders, place
        assert [it for it in placeholders if not it.endswith(":q")] == [], place


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_a_shell_or_a_pattern_reads_is_refused_in_one_line(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        check_name(name)
    said = str(refusal.value)
    assert "only A–Z, a–z, 0–9 and _ are allowed, with . and - between them" in said
    assert "rename the file" in said
    assert "\n" not in said
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path / f"{name}.yaml")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", GOOD)
def test_names_that_people_give_are_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name", ["a'b", "a b", "../x", "a\n", "ä", "A", "a_b", "-a", "a--b", ".", "$(x)"]
)
def test_labels_and_names_of_data_are_narrower_still(tmp_path: Path, name: str) -> None:
    import yaml

    for key, value in (
        ("methods", {name: {"method": "gmp"}}),
        ("data", TINY["data"] | {"name": name}),  # type: ignore[operator]
        ("backbones", {name: {}}),
    ):
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(TINY | {key: value}))
        with pytest.raises(ConfigError) as refusal:
            load(path)
        assert "\n" not in str(refusal.value)


def test_a_file_of_a_network_that_studies_cannot_name_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("vgg19", "my_net", "my net"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    assert registry.names.__wrapped__() == ("vgg19",)
    for name in ("my_net", "my net"):
        with pytest.raises(ValueError, match=f"fggp/models/{name}.py cannot be named in studies"):
            registry.check_file(name)
    assert registry.check_file("vgg19") == "vgg19"
    assert registry.check_file("resnet") == "resnet"


def test_snakemake_refuses_such_a_study_before_a_command_runs(fresh: Checkout) -> None:
    path = fresh.study("x $(touch PWNED)", **TINY)
    ran = fresh.run("snakemake", "--cores", "1", "--configfile", str(path), status=1)
    assert ran.complaint.startswith(f"fggp: {path}: 'x $(touch PWNED)' names the results folder")
    assert not (fresh / "PWNED").exists()


def test_a_checkout_and_a_folder_of_results_may_have_any_name(tmp_path: Path) -> None:
    checkout = Checkout.fresh(tmp_path / 'it\'s a "check out" $(touch PWNED) ;#&')
    folder = tmp_path / "my results' $(touch PWNED)"
    settings = ("--configfile", "config/tiny.yaml", "--directory", str(folder))
    checkout.run("snakemake", "--cores", "1", *settings, "--until", "plan", "prepare")
    assert (folder / "results/tiny/cells.json").exists()
    assert (folder / "data/digits.npz").exists()
    assert not list(tmp_path.rglob("PWNED"))
