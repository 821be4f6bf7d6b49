"""``python -m fggp``."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - shown by older versions
    sys.exit(f"fggp: Python 3.11 to 3.13 is needed, but this is {sys.version.split()[0]}")
try:
    from fggp.running.signals import ending_at_once

    with ending_at_once():
        from fggp.cli import main
except ImportError as error:
    sys.exit(f"fggp: {error}; install what is needed: make setup, then . .venv/bin/activate")

sys.exit(main())
