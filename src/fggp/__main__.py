"""``python -m fggp``."""

import sys

from fggp.cli import main

sys.exit(main())
