"""The fixture that tests of the analysis share."""

from analysed_study import analysed_once

__all__ = ["analysed_once"]
