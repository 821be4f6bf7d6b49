"""A browser without a window: what it makes of a page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from markup import Element, parsed

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
TIMEOUT = 120  # seconds; a guard against hanging, and never a promise
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--virtual-time-budget=5000"),
)

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


def shown(page: Path, scratch: Path, *options: str, fragment: str = "") -> Element:
    """Return a page as a browser has it once its scripts have run."""
    assert CHROMIUM is not None
    ended = subprocess.run(
        [
            *(CHROMIUM, *QUIET, f"--user-data-dir={scratch / 'profile'}", *options),
            *("--dump-dom", f"{page.resolve().as_uri()}{fragment}"),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    return parsed(ended.stdout)


def probed(page: Path, script: str, into: Path) -> Path:
    """Write a copy of a page that also runs ``script``, which its policy would forbid."""
    head, policy, rest = page.read_text().partition('<meta http-equiv="Content-Security-Policy"')
    assert policy
    body, end, after = rest.partition(">\n")[2].rpartition("</body>")
    into.write_text(f"{head}{body}<script>{script}</script>{end}{after}")
    return into
