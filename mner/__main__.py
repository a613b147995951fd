"""Entry point of ``python -m mner``, the same as the command ``mner``."""

import sys

from mner.cli import main

if __name__ == "__main__":
    sys.exit(main())
