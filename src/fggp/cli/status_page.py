"""The text that ``status`` prints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from fggp.cli.units import hours, joules, kwh
from fggp.foundation.quantities import count, duration, rounded
from fggp.running.progress.status import STATES, Progress, Standing

WIDTH = 40
SHOWN = {"running": "running (most time left first)", "stalled": "stalled", "failed": "failed"}


def page(found: Progress, top: int) -> str:
    """Return the progress of a study as text; at most ``top`` cells of each state are named."""
    return "\n".join(_lines(found, top))


def _lines(found: Progress, top: int) -> Iterator[str]:
    yield f"{found.study}: {found.description}".rstrip(": ")
    what = "epochs" if found.left is None else "work"
    yield f"{bar(found.share)} of the {what}, {found.count('done')} of {len(found.cells)} cells"
    yield ", ".join(_counts(found))
    yield _time(found)
    if found.moved:
        first = found.moved[0]
        yield (
            f"warning: cells trained on several types of devices, whose bits differ: "
            f"{len(found.moved)} ({first.name}: {first.moved})"
        )
    for state, title in SHOWN.items():
        cells = found.among(state)
        if cells:
            yield f"\n{title}:"
            yield from (_cell(cell, found.now) for cell in cells[:top])
        if len(cells) > top:
            yield f"  and {len(cells) - top} more; --top {len(cells)} shows all"


def bar(share: float) -> str:
    """Return a progress bar in ASCII, with the percentage."""
    filled = int(WIDTH * share)
    # An unfinished study must not show 100 %.
    percent = min(share * 100, 99.9) if share < 1 else 100.0
    return f"[{'#' * filled}{'-' * (WIDTH - filled)}] {percent:.1f} %"


def _counts(found: Progress) -> Iterator[str]:
    for state in STATES:
        text = f"{state} {found.counts[state]}"
        if state == "done" and found.other_verdicts:
            each = (f"{count} {verdict}" for verdict, count in found.other_verdicts.items())
            text += f" (of these {', '.join(each)})"
        yield text


def _time(found: Progress) -> str:
    device = found.pace.device
    text = f"{hours(found.units * found.used)} {device.unit} used"
    if found.begun:
        text += f", about {hours(found.units * found.begun)} in unfinished cells"
    spent = found.units * (found.used + found.begun)
    if found.left:
        text += f", about {hours(found.units * found.left)} left ({device.name})"
    if found.left is None:
        text += ", no estimate of the time left"
    if found.end is not None:
        running = found.count("running")
        at_once = count(running, "cell")
        when = time.strftime("%a %d %b %H:%M", time.localtime(found.end))
        ahead = duration(found.end - found.now)
        text += f"\nexpected to finish {when} (in {ahead}) with {at_once} running"
    elif found.left != 0 and not found.count("running"):
        text += "\nno cell is running"
    if spent:
        text += f"\nenergy used (estimate): {kwh(spent, device)}"
    text += _measured(found)
    if found.left != 0:
        text += "".join(f"\nbasis: {line}" for line in found.basis)
    return text


def _measured(found: Progress) -> str:
    text, done = "", found.count("done")
    if found.joules:
        cells = f"{len(found.joules)} of {done} finished cells"
        text += f"\nenergy measured: {joules(sum(found.joules))} in {cells}"
    if found.speeds:
        cells = f"{len(found.speeds)} of {done} finished cells"
        text += f"\nspeed: {rounded(median(found.speeds))} images/s, the median of {cells}"
    return text


def _cell(cell: Standing, now: float) -> str:
    parts = [f"epoch {cell.epoch}/{cell.epochs}"]
    known = (("validation", cell.validation), ("test", cell.test))
    shares = [f"{name} {share:.2%}" for name, share in known if share is not None]
    if shares:
        parts.append(", ".join(shares).replace("%", " %"))
    if cell.changed:
        parts.append(f"{duration(max(0.0, now - cell.changed))} ago")
    if cell.note:
        parts.append(cell.note)
    lines = [f"  {cell.name}  {'; '.join(parts)}"]
    if cell.log:
        lines.append(f"    {cell.log}")
    return "\n".join(lines)
