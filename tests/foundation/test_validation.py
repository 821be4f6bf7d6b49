"""Complaints about names and settings: the cause first, all of them, and close names alone."""

from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fggp.foundation.validation import ConfigError, explain, nearest


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    epochs: int = 1
    rate: float = 0.1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    seeds: list[int]
    training: Inner = Inner()
    note: str = ""
    shares: list[Annotated[float, Field(gt=0, le=1)]] = Field(default=[0.5], min_length=1)


def said(**content: object) -> str:
    with pytest.raises(ValidationError) as error:
        Outer(**content)  # type: ignore[arg-type]
    return explain(error.value, Outer)


def test_a_close_name_is_suggested_whatever_its_case() -> None:
    assert nearest("fgpg", ["gmp", "fggp"]) == "; did you mean 'fggp'?"
    assert nearest("FGGP", ["gmp", "fggp"]) == "; did you mean 'fggp'?"


def test_where_none_is_close_few_names_are_listed_and_many_are_not() -> None:
    assert nearest("foo", ["a", "b", "c"]) == "; use 'a', 'b' or 'c'"
    assert nearest("foo", ["a"]) == "; use 'a'"
    assert nearest("foo", [str(i) for i in range(8)]).endswith("'6' or '7'")
    assert nearest("foo", [str(i) for i in range(9)]) == ""
    assert nearest("foo", [str(i) for i in range(9)], "the list") == "; see the list"
    assert nearest("foo", []) == ""


def test_a_misspelt_key_comes_before_what_is_missing_because_of_it() -> None:
    assert said(seeds_=[1], note=5) == (
        "seeds_: no such key; did you mean 'seeds'? | note: 5 should be a valid string | "
        "seeds: is missing"
    )


def test_a_misspelt_key_is_sent_to_its_block() -> None:
    assert said(seeds=[1], epoch=3) == "epoch: no such key; did you mean 'training.epochs'?"
    assert said(seeds=[1], epochs=3) == "epochs: no such key; did you mean 'training.epochs'?"


def test_all_complaints_are_listed_and_of_more_than_ten_the_number() -> None:
    many = said(seeds=["x"] * 13)
    assert many.count(" | ") == 10
    assert "seeds.9: 'x' should be a valid integer" in many
    assert many.endswith(" | and 3 more")
    assert "more" not in said(seeds=["x"] * 10)
    assert ConfigError("a: b", "c: d").complaints[1].text == "c: d"


def test_a_long_value_is_cut() -> None:
    assert len(said(seeds=[1], training="x" * 5000)) < 300


def test_a_list_without_entries_is_said_in_our_words_and_not_where_its_entries_are_refused() -> (
    None
):
    assert said(seeds=[1], shares=[]) == "shares: [] must have at least 1 entry"
    assert said(seeds=[1], shares=["x"]).count("shares") == 1


@pytest.mark.parametrize(
    ("value", "end"),
    [
        (90, "must be at most 1; did you mean 0.9?"),
        (2, "must be at most 1, the nearest valid value"),
        (float("inf"), "must be at most 1, the nearest valid value"),
        (0, "must be above 0"),
    ],
)
def test_a_share_in_percent_is_suggested_as_a_share(value: float, end: str) -> None:
    assert said(seeds=[1], shares=[value]) == f"shares.0: {value} {end}"
