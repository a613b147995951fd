"""Entry point of ``python -m mner``, the same as the command ``mner``."""

from mner.search_path import working_directory_last

working_directory_last()  # before any import that a file in the working directory could shadow

import sys  # noqa: E402

from mner.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
