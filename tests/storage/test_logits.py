import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricate import fabricate

from fggp.analysis.collect.aggregate import aggregate
from fggp.foundation.errors import ResultError
from fggp.storage.logits import read_logits, write_logits
from fggp.study.result_file import kept, logits_path, weights_path
from fggp.study.study_folder import run_path

LOGITS = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float16)
LABELS = np.arange(20, dtype=np.uint8) % 5


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_what_is_written_is_read_bit_for_bit(dtype: Any, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "seed1.logits.npz"
    special = LOGITS.copy()
    special[0] = [np.nan, np.inf, -np.inf, -0.0, 6e-8]
    write_logits(path, special, LABELS.astype(dtype))
    logits, labels = read_logits(path)
    assert logits.dtype == np.float16
    assert labels.dtype == dtype
    assert logits.tobytes() == special.tobytes()
    np.testing.assert_array_equal(labels, LABELS)
    with np.load(path) as plain:  # an ordinary .npz for everyone else
        assert set(plain) == {"logits", "labels"}


def test_logits_of_no_images_are_logits(tmp_path: Path) -> None:
    write_logits(tmp_path / "x.npz", LOGITS[:0], LABELS[:0])
    assert read_logits(tmp_path / "x.npz")[0].shape == (0, 5)


def test_equal_logits_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_logits(tmp_path / name, LOGITS.copy(), LABELS.copy())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("logits", "labels", "reason"),
    [
        (LOGITS.astype(np.float32), LABELS, r"logits are float32 of shape \(20, 5\)"),
        (LOGITS[0], LABELS, r"logits are float16 of shape \(5,\)"),
        (LOGITS, LABELS[:19], r"labels are uint8 of shape \(19,\), not .* \(20,\)"),
        (LOGITS, LABELS.astype(np.float32), "labels are float32"),
        (LOGITS, LABELS + 1, "labels do not fit the 5 classes"),
        (LOGITS, LABELS.astype(np.int8) - 1, "labels do not fit the 5 classes"),
    ],
)
def test_arrays_that_are_no_logits_and_labels_are_neither_written_nor_read(
    logits: Any, labels: Any, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "seed1.logits.npz"
    with pytest.raises(ValueError, match=reason):
        write_logits(path, logits, labels)
    assert not path.exists()
    np.savez(path, logits=logits, labels=labels)
    with pytest.raises(ResultError, match=reason):
        read_logits(path)


def test_a_file_that_is_missing_or_is_not_given_out_is_not_to_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "seed1.logits.npz"
    with pytest.raises(ResultError, match=r"npz: missing; delete its result and run again"):
        read_logits(path)
    write_logits(path, LOGITS, LABELS)

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(zipfile, "ZipFile", refused)
    message = r"npz: cannot be read \(Permission denied\); check its permissions and the disk"
    with pytest.raises(ResultError, match=message):
        read_logits(path)


def refusal(path: Path) -> str:
    with pytest.raises(ResultError) as caught:
        read_logits(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: not the logits of a training (")
    assert message.endswith("; delete it and its result, and run again")
    assert "\n" not in message
    return message


def test_a_damaged_file_is_refused_or_the_damage_is_beside_the_numbers(tmp_path: Path) -> None:
    path, refused = tmp_path / "seed1.logits.npz", 0
    write_logits(path, LOGITS, LABELS)
    good = path.read_bytes()
    for position in range(len(good)):
        path.write_bytes(good[:position] + bytes([good[position] ^ 255]) + good[position + 1 :])
        try:
            logits, labels = read_logits(path)
        except ResultError:
            refused += 1
            refusal(path)
        else:
            assert logits.tobytes() == LOGITS.tobytes()
            assert labels.tobytes() == LABELS.tobytes()
    assert refused > len(good) / 2


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seed1.logits.npz"
    write_logits(path, LOGITS, LABELS)
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        refusal(path)


def test_a_foreign_file_is_refused_and_no_pickle_is_read(tmp_path: Path) -> None:
    path = tmp_path / "seed1.logits.npz"
    pickled = io.BytesIO()
    np.savez(pickled, logits=np.array([{}], dtype=object), labels=LABELS)
    other = io.BytesIO()
    np.savez(other, x=LABELS)
    for content in (b"hello\n", other.getvalue()):
        path.write_bytes(content)
        refusal(path)
    path.write_bytes(pickled.getvalue())
    assert "Object arrays cannot be loaded" in refusal(path)


def test_logits_and_weights_lie_visibly_beside_their_result(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "seed1.json"
    assert logits_path(path) == tmp_path / "runs" / "seed1.logits.npz"
    assert weights_path(path) == tmp_path / "runs" / "seed1.weights.fggp"
    assert len({path, kept(path), logits_path(path), weights_path(path)}) == 4


def test_files_beside_the_results_do_not_disturb_their_analysis(tmp_path: Path) -> None:
    for cell in fabricate(tmp_path / "small"):
        path = run_path(tmp_path / "small", cell)
        write_logits(logits_path(path), LOGITS, LABELS)
        weights_path(path).write_bytes(path.read_bytes())  # even if it could be read as a result
    tables = [path.read_bytes() for path in aggregate(tmp_path / "small")]
    fabricate(tmp_path / "clean" / "small")
    assert tables == [path.read_bytes() for path in aggregate(tmp_path / "clean" / "small")]
