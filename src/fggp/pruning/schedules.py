"""Schedules: pure functions of exact progress, from 0 to 1."""

from dataclasses import dataclass
from fractions import Fraction
from math import cos, pi
from typing import Protocol

from fggp.foundation.exact import rounded


class Schedule(Protocol):
    """A value as a function of progress; before 0 and after 1 it keeps its end values."""

    def __call__(self, progress: Fraction) -> Fraction:
        """Return the value at ``progress``."""


@dataclass(frozen=True)
class Constant:
    """One value throughout."""

    value: Fraction

    def __call__(self, progress: Fraction) -> Fraction:
        """Return the value at ``progress``."""
        return self.value


@dataclass(frozen=True)
class Linear:
    """A straight line from ``start`` to ``end``, which it reaches at progress ``over``."""

    start: Fraction
    end: Fraction
    over: Fraction = Fraction(1)

    def __call__(self, progress: Fraction) -> Fraction:
        """Return the value at ``progress``."""
        return self.start + (self.end - self.start) * _inside(progress / self.over)


@dataclass(frozen=True)
class Cubic:
    """Fast first, slow last: end + (start − end)·(1 − progress)³ (Zhu & Gupta 2017)."""

    start: Fraction
    end: Fraction

    def __call__(self, progress: Fraction) -> Fraction:
        """Return the value at ``progress``."""
        return self.end + (self.start - self.end) * (1 - _inside(progress)) ** 3


@dataclass(frozen=True)
class Cosine:
    """Half a cosine wave from ``start`` to ``end`` (at progress ``over``), rounded to 10⁻⁶."""

    start: Fraction
    end: Fraction
    over: Fraction = Fraction(1)

    def __call__(self, progress: Fraction) -> Fraction:
        """Return the value at ``progress``."""
        weight = (1 + cos(pi * float(_inside(progress / self.over)))) / 2
        return rounded(float(self.end) + float(self.start - self.end) * weight)


@dataclass(frozen=True)
class Geometric:
    """The same share of the rest every time: 1 − d₀·(d₁/d₀)^progress, rounded to 10⁻⁶."""

    start: Fraction
    end: Fraction

    def __call__(self, progress: Fraction) -> Fraction:
        """Return the value at ``progress``."""
        inside = _inside(progress)
        if inside in {0, 1}:
            return self.end if inside else self.start
        left = float(1 - self.start) * float((1 - self.end) / (1 - self.start)) ** float(inside)
        return rounded(1 - left)


@dataclass(frozen=True)
class Staged:
    """A value per stage; the next stage begins at each of the ascending ``switches``."""

    values: tuple[Fraction, ...]
    switches: tuple[Fraction, ...]

    def __call__(self, progress: Fraction) -> Fraction:
        """Return the value at ``progress``."""
        return self.values[sum(progress >= switch for switch in self.switches)]


def held(start: Fraction, end: Fraction) -> Schedule:
    """Return the schedule that is at ``end`` from the beginning, regardless of the start."""
    return Constant(end)


def at_the_end(start: Fraction, end: Fraction) -> Schedule:
    """Return the schedule that stays at ``start`` until progress 1, where it is ``end``."""
    return Staged((start, end), (Fraction(1),))


def _inside(progress: Fraction) -> Fraction:
    return min(max(progress, Fraction(0)), Fraction(1))
