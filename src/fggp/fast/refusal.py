"""The error for a network or an input that cannot be computed."""

from __future__ import annotations

from fggp.foundation.errors import Failure


class CompileError(Failure):
    """A network or an input that cannot be computed here; one line that names it and the fix."""
