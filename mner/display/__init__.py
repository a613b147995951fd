"""Posts with their entities as a self-contained HTML page, in notebooks and in the terminal."""

from mner.display.render import render
from mner.display.rendering import Rendering

__all__ = ["Rendering", "render"]
