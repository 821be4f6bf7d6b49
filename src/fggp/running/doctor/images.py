"""Check that the images of a study are present, intact and as the study needs, or available."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

from fggp.data import SOURCES, load, shared_words
from fggp.data.registry import Archive
from fggp.data.torchvision_sets import digest
from fggp.foundation.errors import Failure
from fggp.running.doctor.context import Place
from fggp.running.doctor.finding import Finding, ok, unchecked, warning, wrong
from fggp.study.study_folder import DATA, changed_words, check_images, data_path, source_changes

PATIENCE_SECONDS = 5


def images(place: Place) -> Iterator[Finding]:
    """Check the prepared file, or else its source."""
    if place.study is None or place.study_file is None:
        yield unchecked("images", "no study was named")
        return
    data, prepared = place.study.data, data_path(place.study.data.name)
    command = f"fggp prepare {quote(place.study_file.stem)}"
    if prepared.exists():
        yield _prepared(place, prepared, command)
        return
    source = SOURCES[data.kind]
    if source.path:
        yield _given(DATA / (data.path or ""), command)
    elif source.archives:
        yield from _archives(source.archives, command)
    else:
        yield ok("images", f"{prepared} is made when needed, without a download")


def _prepared(place: Place, path: Path, command: str) -> Finding:
    assert place.study is not None
    assert place.study_file is not None
    try:
        if (changed := source_changes(place.study.data)) is not None:
            return wrong("images", changed_words(place.study.data, changed), command)
        check_images(place.study_file, place.study)
        dataset = load(path)
    except Failure as failure:
        found, _, fix = str(failure).rpartition("; ")
        return wrong("images", found or fix, fix)
    count, side = len(dataset.train_labels), dataset.train_images.shape[-1]
    held = f"{count} to train on and {len(dataset.test_labels)} to test, of {side} pixels"
    found = f"{path}: {held}, sha256 {dataset.sha256[:12]}"
    if shared := shared_words(dataset):
        return warning("images", f"{found}; {shared}", "remove them from one of the two")
    return ok("images", found)


def _given(path: Path, command: str) -> Finding:
    if not path.exists():
        return wrong("images", f"{path} does not exist", "put the folder or archive there")
    fix = f"{command}, which reads every image"
    return unchecked("images", f"{path} exists but is not prepared yet", fix)


def _archives(archives: Sequence[Archive], command: str) -> Iterator[Finding]:
    """Check the files that a data set is unpacked from; one line if all are present."""
    found = [_archive(it, command) for it in archives]
    bad = [it for it in found if it.state != "ok"]
    yield from bad or [ok("images", f"{_listed(archives)} intact; {command} makes the data file")]


def _listed(archives: Sequence[Archive]) -> str:
    paths = [str(DATA / it.name) for it in archives]
    return f"{paths[0]} is" if len(paths) == 1 else f"{len(paths)} archives are"


def _archive(archive: Archive, command: str) -> Finding:
    path = DATA / archive.name
    put = f"put {path.name} with the MD5 {archive.md5} into {path.parent}/"
    if path.exists():
        if digest(path) == archive.md5:
            return ok("images", f"{path} is intact")
        return wrong("images", f"{path} is damaged or truncated", f"delete it, or {put}")
    trouble = _reach(archive.url)
    if trouble:
        return wrong("images", f"{path} is missing, and there is no network ({trouble})", put)
    fix = f"{command} now: compute nodes often have no network"
    return warning("images", f"{path} is missing, but can be downloaded", fix)


def _reach(address: str) -> str:
    """Return the reason why an address cannot be reached, or nothing if it can."""
    request = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS):
            return ""
    except (urllib.error.URLError, OSError, ValueError) as error:
        return " ".join(str(error).split())[:100] or type(error).__name__
