"""Multimodal named entity recognition: posts and their images in, typed entities out."""

from __future__ import annotations

TYPE_CHECKING = False  # typing is not imported: a typing.py in the working directory would shadow it
if TYPE_CHECKING:
    from typing import Any

    from mner.display.render import render
    from mner.inference.load import load, load_model
    from mner.posts import Entity, Post

__all__ = ["Entity", "Post", "load", "load_model", "render"]
__version__ = "0.1.0.dev0"

_HOMES = {
    "Entity": "mner.posts",
    "Post": "mner.posts",
    "load": "mner.inference.load",
    "load_model": "mner.inference.load",
    "render": "mner.display.render",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first access, so that ``import mner`` itself stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mner' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
