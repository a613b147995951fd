"""The folder that a model is exported to."""

from __future__ import annotations

import os
from pathlib import Path

from mner.errors import OutputError
from mner.output_paths import check_folder, output_errors


def is_new_folder(folder: Path) -> bool:
    """Check that a folder is empty or does not exist yet; return whether it does not exist.

    Raises:
        OutputError: If it has content, is something else, or could not be written into.
    """
    check_folder(folder)
    with output_errors(folder, always=True):
        is_new = not os.path.lexists(folder)
        if not is_new and any(folder.iterdir()):
            raise OutputError(f"{folder} exists and is not an empty folder; give another one, or remove it")
    return is_new
