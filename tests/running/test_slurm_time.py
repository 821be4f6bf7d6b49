import pytest

from fggp.foundation.errors import Failure
from fggp.running.slurm_time import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0:07", 7),
        ("02:03", 123),
        ("1:02:03", 3723),
        ("2-01:02:03", 176_523),
        ("2-12:30:00", 217_800),
        ("30", 1800),
        ("1-12", 129_600),
        ("1-12:30", 131_400),
        ("UNLIMITED", None),
        ("infinite", None),
    ],
)
def test_times_are_read_in_every_form_of_slurm(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "INVALID", "NOT_SET", "n/a", "1:2:3:4", "0:07\n0:08"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(Failure, match="is not a time"):
        seconds_of(text)
