"""Trainings that pause after an epoch, so that a test can act on them without being fast."""

PAUSE = '''
"""Read by Python at its start: a training pauses once its line of an epoch is written.

Any signal that has a handler wakes it: SIGTERM also asks it to stop, SIGUSR2 does nothing else.
"""
import os, signal, sys

write, flush = sys.stdout.write, sys.stdout.flush
ended, woken = os.pipe()
os.set_blocking(woken, False)
due = []

def noticing(text):
    if text.startswith("epoch {epoch:>4}/"):
        signal.signal(signal.SIGUSR2, lambda *_: None)
        signal.set_wakeup_fd(woken)  # before the line can be read by whoever sends the signal
        due.append(text)
    return write(text)

def pausing():
    flush()
    if due:
        due.clear()
        os.read(ended, 1)
        signal.set_wakeup_fd(-1)

sys.stdout.write, sys.stdout.flush = noticing, pausing
'''


def pause_after(epoch: int) -> str:
    """Return a ``sitecustomize`` module with which trainings pause after ``epoch``."""
    return PAUSE.replace("{epoch:>4}", f"{epoch:>4}")
