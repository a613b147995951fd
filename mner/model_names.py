"""What the name of a model stands for: a folder, a repository on a model hub, or else a checkpoint file."""

from __future__ import annotations

import re
from pathlib import Path

from mner.paths import is_address, is_file, is_there, not_there

CONFIG = "config.json"
"""The file that makes a folder the folder of a model."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_FILE = re.compile(r"\.(ckpt|pt|pth|bin|safetensors|json|yaml)$")


def is_model_folder(path: str | Path) -> bool:
    """Whether a path is a folder that ``model.save_pretrained`` wrote."""
    return is_file(Path(path) / CONFIG)


def no_checkpoint(path: str | Path) -> str:
    """The message about a path without a checkpoint, and where one is."""
    if is_address(path):
        return not_there(path)
    kept = Path(path) / "best.ckpt"
    return f"no checkpoint at {path}; " + (
        f"of a run folder give the checkpoint, {kept}"
        if is_file(kept)
        else "mner fit prints the path of the one it keeps"
    )


def is_repository(name: str | Path) -> bool:
    """Whether something can be the name of a repository, ``user/name``."""
    return _REPOSITORY.fullmatch(str(name)) is not None


def is_on_hub(name: str | Path) -> bool:
    """Whether something is the name of a repository rather than a path: of nothing that exists, and of no file."""
    return is_repository(name) and _FILE.search(str(name)) is None and not is_there(name)
