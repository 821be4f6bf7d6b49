from fractions import Fraction
from itertools import pairwise
from math import cos, pi
from typing import Any

import pytest

from fggp.foundation.exact import percent, plain, ratio, rounded
from fggp.methods.registry import method
from fggp.pruning.schedules import Constant, Cosine, Cubic, Linear, Schedule, held
from fggp.pruning.timing import Timing

HALF = Fraction(1, 2)
ALL = [Constant(HALF), Linear(HALF, Fraction(1, 8)), Cubic(Fraction(0), Fraction(98, 100))]
ALL += [Cosine(HALF, Fraction(5, 1000)), held(HALF, Fraction(1, 8))]
ENDS = [("1/2", "1/2"), ("1/2", "1/8"), ("0", "0.98"), ("1/2", "0.005"), ("1/8", "1/8")]


@pytest.mark.parametrize(
    ("start", "expected"),
    [("0", (0.1013, 0.1954, 0.2825)), ("1/2", (0.5496, 0.5957, 0.6383))],
)
def test_the_cubic_schedule_starts_with_the_published_sparsities(
    start: str, expected: tuple[float, ...]
) -> None:
    schedule = Cubic(Fraction(start), Fraction(98, 100))
    assert [float(schedule(Fraction(c, 28))) for c in (1, 2, 3)] == pytest.approx(
        expected, abs=5e-5
    )


def test_the_cubic_schedule_is_exact() -> None:
    assert Cubic(Fraction(0), Fraction(9, 10))(Fraction(1, 3)) == Fraction(9, 10) * Fraction(19, 27)


@pytest.mark.parametrize("epoch", range(0, 160, 13))
def test_the_cosine_is_rounded_to_a_millionth(epoch: int) -> None:
    value = Cosine(HALF, Fraction(5, 1000))(Fraction(epoch, 160))
    assert (value * 10**6).denominator == 1
    exact = 0.005 + 0.495 * (1 + cos(pi * epoch / 160)) / 2
    assert abs(float(value) - exact) <= 0.5000001e-6


@pytest.mark.parametrize(
    ("epoch", "rate"), [(3, 0.4996), (40, 0.4275), (80, 0.2525), (110, 0.115), (120, 0.0775)]
)
def test_the_cosine_of_granet_has_the_published_rates(epoch: int, rate: float) -> None:
    value = Cosine(HALF, Fraction(5, 1000))(Fraction(epoch, 160))
    assert float(value) == pytest.approx(rate, abs=1e-4)


@pytest.mark.parametrize(("schedule", "ends"), list(zip(ALL, ENDS, strict=True)))
def test_schedules_meet_their_ends_exactly_and_stay_there(
    schedule: Schedule, ends: tuple[str, str]
) -> None:
    first, last = (Fraction(end) for end in ends)
    assert [schedule(Fraction(p)) for p in ("-3", "-1/7", "0")] == [first] * 3
    assert [schedule(Fraction(p)) for p in ("1", "8/7", "5")] == [last] * 3


def test_the_straight_line_is_straight() -> None:
    line = Linear(Fraction(1), Fraction(0))
    assert [line(Fraction(i, 5)) for i in range(6)] == [Fraction(5 - i, 5) for i in range(6)]


def test_what_is_held_is_at_its_end_from_the_beginning() -> None:
    assert held(Fraction(0), HALF)(Fraction(0)) == HALF


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (0.95, "95/100"),
        ("5e-4", "1/2000"),
        (5e-4, "1/2000"),
        ("1/8", "1/8"),
        (" 2/3 ", "2/3"),
        (0.1, "1/10"),
        (7, "7"),
        (Fraction(3, 7), "3/7"),
    ],
)
def test_a_number_is_what_is_written(written: Any, value: str) -> None:
    assert ratio(written) == Fraction(value)


@pytest.mark.parametrize(
    "written", [True, False, None, "", "x", "1/0", "nan", float("nan"), float("inf"), [1], b"1", 1j]
)
def test_what_is_no_finite_number_is_refused_by_its_name(written: Any) -> None:
    with pytest.raises(ValueError, match="is not a number or a fraction such as 1/8") as refusal:
        ratio(written)
    assert repr(written) in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "written"),
    [("1", 1), ("0", 0), ("1/8", 0.125), ("1/3", "1/3"), ("98/100", 0.98), ("1/2000", 0.0005)],
)
def test_a_fraction_is_written_canonically_and_reads_back(value: str, written: Any) -> None:
    assert plain(Fraction(value)) == written
    assert type(plain(Fraction(value))) is type(written)
    assert ratio(plain(Fraction(value))) == Fraction(value)


@pytest.mark.parametrize(
    ("share", "text"),
    [("0", "0"), ("0.5", "50"), ("0.98", "98"), ("0.995", "99.5"), ("1", "100"), ("1/8", "12.5")],
)
def test_a_percentage_is_the_shortest_decimal_and_reads_back(share: str, text: str) -> None:
    assert percent(Fraction(share)) == text
    assert ratio(text) / 100 == Fraction(share)


def test_irrational_rates_are_rounded_half_up_to_a_millionth() -> None:
    assert rounded(1 / 3) == Fraction(333333, 10**6)
    assert rounded(2 / 3) == Fraction(666667, 10**6)
    assert rounded(0.25) == Fraction(1, 4)


STANDARD = Timing(steps=160 * 352, begin=0, end=80 * 352, every=1000)


def test_the_standard_protocol_has_28_updates_the_last_at_step_28000() -> None:
    due = {step: STANDARD.update_at(step) for step in range(STANDARD.end + 1)}
    updates = {step: c for step, c in due.items() if c is not None}
    assert STANDARD.updates == 28
    assert updates == {1000 * c: c for c in range(1, 29)}


def test_a_window_that_begins_late_is_counted_from_its_beginning() -> None:
    timing = Timing(steps=100, begin=10, end=31, every=10)
    assert timing.updates == 2
    assert [step for step in range(32) if timing.update_at(step)] == [20, 30]
    assert timing.update_at(20) == 1


@pytest.mark.parametrize("steps", [112, 560, 1000, 56320])
def test_the_default_window_is_the_first_half_with_about_28_updates(steps: int) -> None:
    timing = Timing.default(steps)
    assert (timing.begin, timing.end) == (0, steps // 2)
    assert 27 <= timing.updates <= 29


def test_sparsity_lands_on_the_target_at_the_last_update_and_nowhere_before() -> None:
    made = method(
        "fggp", sparsity="0.98", initial_sparsity=0.5, steps=STANDARD.steps, timing=STANDARD
    )
    counts = [made.keep(c, 20_024_000) for c in range(29)]
    assert counts[0] == 10_012_000
    assert counts[-1] == 400_480
    assert all(later < earlier for earlier, later in pairwise(counts))


@pytest.mark.parametrize(("name", "goes_on"), [("fggp", False), ("gmp", False), ("granet", True)])
def test_updates_after_the_window_are_made_only_where_the_method_says_so(
    name: str, goes_on: bool
) -> None:
    made = method(name, sparsity=0.9, steps=STANDARD.steps, timing=STANDARD)
    assert made.update_at(28_000) == 28
    assert made.update_at(29_000) == (29 if goes_on else None)
    assert made.keep(29, 1000) == 100


@pytest.mark.parametrize("name", ["dense", "random"])
def test_static_methods_are_never_updated(name: str) -> None:
    made = method(name, sparsity=0, steps=STANDARD.steps, timing=STANDARD)
    assert {made.update_at(step) for step in range(0, 56_000, 500)} == {None}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"sparsity": 1}, "0 <= initial_sparsity <= sparsity < 1"),
        ({"sparsity": -0.1}, "0 <= initial_sparsity <= sparsity < 1"),
        ({"sparsity": 0.5, "initial_sparsity": 0.9}, "initial_sparsity 0.9 is not possible"),
        ({"sparsity": "much"}, "'much' is not a number"),
        ({"sparsity": 0.9, "rate": 2}, "rate"),
        ({"sparsity": 0.9, "rats": 0.5}, "rats"),
        ({"sparsity": 0.9, "timing": Timing(100, 0, 4, 5)}, "update more often"),
    ],
)
def test_impossible_methods_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        method("fggp", steps=100, **options)


def test_an_unknown_method_is_answered_with_the_nearest() -> None:
    with pytest.raises(KeyError, match="did you mean 'granet'"):
        method("granett", sparsity=0.9, steps=100)


def test_a_method_with_one_start_refuses_another() -> None:
    with pytest.raises(ValueError, match="random has one start"):
        method("random", sparsity=0.9, initial_sparsity=0.5, steps=100)
