"""Errors that the user can fix."""


class Failure(Exception):  # noqa: N818 - named for the user, not for the code
    """A failure whose message is one line that names the thing and the fix."""

    def __init__(self, message: str = "") -> None:
        super().__init__(" ".join(message.splitlines()))  # a path may contain line breaks


class ResultError(Failure):
    """A result file that cannot be used; the message is one line with the fix."""


class IntactResultError(ResultError):
    """A result file that may be intact but cannot be read here; it must not be replaced."""
