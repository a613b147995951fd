"""``python -m mner`` is ``mner``."""

import sys

from mner.cli import main

if __name__ == "__main__":
    sys.exit(main())
