"""The working directory as the last place that modules are imported from.

It imports nothing but ``os`` and ``sys``, which Python itself has loaded: it runs before any other import.
"""

from __future__ import annotations

import os
import sys


def working_directory_last() -> None:
    """Let modules of the working directory be imported, but never in place of an installed one.

    ``python -m`` puts the directory first, and an installed script omits it; entries of PYTHONPATH are kept.
    """
    here = os.getcwd()  # noqa: PTH109  pathlib is not loaded yet
    if here in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        return
    sys.path[:] = [*(folder for folder in sys.path if folder not in ("", here)), here]
