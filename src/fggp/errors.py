"""What goes wrong in ways that the user can mend."""


class Failure(Exception):
    """A failure whose message is one line that names the thing and the fix."""
