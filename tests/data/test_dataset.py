import hashlib
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fggp.data import DataError, Dataset, load, prepare, save
from fggp.data.sizes import recorded_size


def small(**changes: Any) -> Dataset:
    values: dict[str, Any] = {
        "train_images": np.arange(2 * 3 * 256, dtype=np.uint8).reshape(2, 3, 16, 16),
        "train_labels": np.array([0, 1]),
        "test_images": np.zeros((1, 3, 16, 16), np.uint8),
        "test_labels": np.array([1]),
        "classes": ("a", "b"),
        "mean": (0.5, 0.25, 0.125),
        "std": (0.1, 0.2, 0.3),
        "source": {"kind": "folder", "path": "a/b"},
    }
    return Dataset(**(values | changes))


def test_a_saved_data_set_is_loaded_unchanged_with_the_hash_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    save(small(), path)
    loaded = load(path)
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        array, expected = getattr(loaded, name), getattr(small(), name)
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)
    for name in ("classes", "mean", "std", "source"):
        assert getattr(loaded, name) == getattr(small(), name)
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with np.load(path) as plain:  # an ordinary .npz for everyone else
        assert plain["train_images"].shape == (2, 3, 16, 16)


def test_equal_content_gives_equal_bytes_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(small(), tmp_path / "one.npz")
    monkeypatch.setattr(time, "time", lambda: 2e9)
    flipped = np.asfortranarray(small().train_images)
    source = {"path": "a/b", "kind": "folder"}
    save(small(train_images=flipped, source=source), tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_save_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    path = tmp_path / "data.npz"
    save(small(), path)
    before = path.read_bytes()

    def interrupted(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(error):
        save(small(classes=("x", "y")), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_leftover_of_a_killed_save_goes_away(tmp_path: Path) -> None:
    (tmp_path / ".data.npz.partial").write_bytes(b"x" * 10**6)  # as earlier versions named it
    killed = "from fggp.foundation.files import replacing as it; from pathlib import Path as P\n"
    killed += "import os\nwith it(P('data.npz')) as partial: partial.touch(); os._exit(9)"
    subprocess.run([sys.executable, "-c", killed], cwd=tmp_path, check=False)
    assert len(list(tmp_path.iterdir())) == 1
    save(small(), tmp_path / "data.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]
    assert load(tmp_path / "data.npz").classes == ("a", "b")


def test_a_file_that_cannot_be_written_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        DataError, match=r"file/data\.npz cannot be written .*choose another folder"
    ):
        save(small(), tmp_path / "file" / "data.npz")


def damaged_files() -> dict[str, Callable[[bytes], bytes]]:
    foreign = io.BytesIO()
    np.savez(foreign, x=np.zeros(3))
    pickled = io.BytesIO()
    np.savez(pickled, description=np.array([{}], dtype=object))
    return {
        "truncated": lambda data: data[: len(data) // 2],
        "empty": lambda data: b"",
        "flipped pixel": lambda data: data.replace(
            bytes(range(100, 140)), bytes(range(101, 141)), 1
        ),
        "text": lambda data: b"hello\n",
        "other npz": lambda data: foreign.getvalue(),
        "pickle": lambda data: pickled.getvalue(),
    }


@pytest.mark.parametrize("damage", damaged_files())
def test_a_damaged_or_foreign_file_is_named_with_the_fix(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "data.npz"
    save(small(), path)
    whole = path.read_bytes()
    path.write_bytes(damaged_files()[damage](whole))
    assert path.read_bytes() != whole
    with pytest.raises(DataError) as caught:
        load(path)
    assert re.search(
        r"data\.npz is damaged or not .*delete it and make it again", str(caught.value)
    )
    assert "\n" not in str(caught.value)


def test_labels_that_fit_no_class_are_refused(tmp_path: Path) -> None:
    save(small(train_labels=np.array([0, 2])), tmp_path / "data.npz")
    with pytest.raises(DataError, match="train labels do not fit its 2 classes"):
        load(tmp_path / "data.npz")


def test_an_absent_file_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.npz does not exist; make it with .*fggp prepare"):
        load(tmp_path / "no.npz")


def test_a_foreign_file_is_never_overwritten_by_prepare(tmp_path: Path) -> None:
    out = tmp_path / "thesis.txt"
    out.write_text("mine")
    with pytest.raises(DataError, match=r"thesis\.txt is damaged or not a data file"):
        prepare("digits", out)
    assert out.read_text() == "mine"


def test_the_number_of_classes_is_read_without_the_images(tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    save(small(), path)
    size = recorded_size(path)
    assert size == small().size
    assert size is not None
    assert size.classes == small().size.classes == 2
