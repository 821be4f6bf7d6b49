"""Images that changed after they were prepared are noticed before a training uses the old ones."""

from pathlib import Path

import pytest
from checkout import Checkout
from pictures import add_pictures

from fggp.running.doctor import Finding, Place, examine
from fggp.running.doctor.images import images
from fggp.study.config import load

pytestmark = pytest.mark.long

CHANGED = "data/pictures has changed since data/pictures.npz was made: 1 changed (train/a/0.png)"


def restore(checkout: Checkout) -> None:
    """Let one image show what another one does."""
    folder = checkout / "data/pictures/train/a"
    (folder / "0.png").write_bytes((folder / "1.png").read_bytes())


def doctor(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Finding:
    """Return the finding of the doctor about the images of ``few``."""
    monkeypatch.chdir(checkout.path)
    path = Path("config/few.yaml")
    (finding,) = examine(Place(study_file=path, study=load(path)), [images])
    return finding


def test_every_way_to_a_training_notices_changed_images(
    fresh: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_pictures(fresh)
    command = ("snakemake", "--cores", "1", "--configfile", "config/few.yaml", "--until", "prepare")
    fresh.fggp("prepare", "few")
    before = (fresh / "data/pictures.npz").read_bytes()
    restore(fresh)
    assert doctor(fresh, monkeypatch) == Finding("images", "error", CHANGED, "fggp prepare few")

    ran = fresh.run(*command)
    assert f"fggp: {CHANGED}; preparing it again" in ran.err
    after = (fresh / "data/pictures.npz").read_bytes()
    assert after != before
    assert "prepare" not in fresh.dry(study="few").jobs

    (fresh / "data/pictures/train/a/0.png").write_bytes(b"")
    ran = fresh.fggp("run", "few", "--minutes", "0", status=1)
    assert "preparing it again" in ran.err
    assert "train/a/0.png cannot be decoded" in ran.err
    assert (fresh / "data/pictures.npz").read_bytes() == after, "it was lost"

    restore(fresh)
    assert "has other images" not in fresh.fggp("prepare", "few").err


def test_prepare_and_doctor_count_test_images_that_are_training_images(
    fresh: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_pictures(fresh)
    folder = fresh / "data/pictures"
    for name in ("0.png", "1.png"):
        (folder / "test/a" / name).write_bytes((folder / "train/b" / name).read_bytes())
    words = "2 of 20 test images are among the training images"
    for _ in range(2):
        assert words in fresh.fggp("prepare", "few").err
    found = doctor(fresh, monkeypatch)
    assert found.state == "warning"
    assert words in found.found
