import pytest

from fggp.foundation.quantities import count, counts, duration, percent, prefixed, rounded, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (99, "99 s"),
        (100, "2 min"),
        (7199, "120 min"),
        (7200, "2.0 h"),
        (172_799, "48.0 h"),
        (181_440, "2.1 days"),
    ],
)
def test_times_are_in_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_and_amounts_have_the_digits_that_matter() -> None:
    assert [size(999e6), size(6.1e9)] == ["999 MB", "6.1 GB"]
    assert [rounded(it) for it in (0.1712, 26.63, 1250.4)] == ["0.17", "26.6", "1250"]


def test_amounts_have_the_prefix_that_suits_them() -> None:
    texts = [prefixed(it, "Wh") for it in (0.035, 0.99951, 999.4, 999.6, 1.02e7, 0)]
    assert texts == ["35 mWh", "1 Wh", "999 Wh", "1 kWh", "10.2 MWh", "0 Wh"]
    assert prefixed(8.92e11, "") == "892 G"


def test_percentages_have_no_more_digits_than_they_need() -> None:
    assert [percent(0.995), percent(0.9), percent(0.12345, 2)] == ["99.5 %", "90 %", "12 %"]


def test_numbers_of_things_have_their_noun_in_the_right_form() -> None:
    assert [count(1, "study"), count(2, "study"), count(3, "seed"), count(2, "day")] == [
        *("1 study", "2 studies", "3 seeds", "2 days"),
    ]
    assert [counts([3, 3], "seed"), counts([3, 2], "seed"), counts([1], "seed")] == [
        *("3 seeds", "2 to 3 seeds", "1 seed"),
    ]
    assert counts([], "seed") == "0 seeds"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.95, "95 %"),
        (0.995, "99.5 %"),
        (0.9999, "99.99 %"),
        (0.99995, "99.995 %"),
        (0.99999, "99.999 %"),
        (0.07, "7 %"),
        (1, "100 %"),
        (2 / 3, "66.67 %"),
        (0.123456789, "12.35 %"),
    ],
)
def test_a_sparsity_is_exact_and_another_share_is_rounded(share: float, text: str) -> None:
    assert percent(share) == text


def test_a_share_with_few_digits_is_rounded_to_them() -> None:
    assert percent(0.12345, 2) == "12 %"
    assert percent(0.997, 2) == "99.7 %"
    assert percent(1.2, 2) == "120 %"
