"""Posts and predictions as they appear in a notebook."""

from __future__ import annotations

from typing import Any

import mner


class ShownInNotebook:
    """A post, or the entities in one; notebooks show it as highlighted text."""

    __slots__ = ()

    def _repr_html_(self) -> str | None:
        shown: Any = self
        return mner.render([shown])._repr_html_()  # by its public name, since this layer imports from none above
