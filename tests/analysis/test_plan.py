from pathlib import Path

import pytest

from fggp.analysis import plan
from fggp.foundation.errors import ResultError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(plan, "STATS", tmp_path / "stats.yaml")
    return tmp_path / "stats.yaml"


def test_the_plan_inside_the_package_is_the_one_of_the_checkout() -> None:
    assert plan.built_in("stats.yaml").samefile(ROOT / "config/stats.yaml")


def test_without_a_file_the_plan_is_the_one_inside_the_package(path: Path) -> None:
    assert plan.read_plan() == (plan.default_plan(), plan.BUILT_IN)


def test_a_file_overrides_what_it_says_and_nothing_else(path: Path) -> None:
    path.write_text("alpha: 0.01\nreference: granet\n")
    found, origin = plan.read_plan()
    assert origin == str(path)
    changed = {"alpha": 0.01, "reference": "granet"}
    assert found == plan.default_plan().model_copy(update=changed)
    assert found.confidence == "99 %"
    path.write_text("# nothing yet\n")
    assert plan.read_plan() == (plan.default_plan(), str(path))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("alpa: 0.05", "alpa: no such key; did you mean 'alpha'?"),
        ("alpha: 2", "alpha: 2 must be below 1"),
        ("rope: .nan", "rope: nan"),
        ("primary: best_test", "primary: 'best_test' is not valid; use 'last'"),
        ("order: [omnibus]", "order: must contain each of omnibus, rivals"),
        ("alpha: 0.1\nalpha: 0.2", "alpha: duplicate key"),
        ("- alpha", "a plan is a mapping of keys"),
        ("1: 2", "a plan is a mapping of keys"),
        ("fewest_seeds: 1", "fewest_seeds: 1 must be at least 3"),
        ("a: [", "stats.yaml"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_key(
    path: Path, text: str, complaint: str
) -> None:
    path.write_text(text)
    with pytest.raises(ResultError) as caught:
        plan.read_plan()
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert complaint in message
    assert "\n" not in message
