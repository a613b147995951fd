"""Templates of text and HTML, in which everything that comes from data is escaped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def template_environment(package: str, finalize: Callable[[str], object]) -> Environment:
    """Build the environment of the templates of a package.

    Args:
        package: The package, whose folder ``templates`` contains them.
        finalize: Applied to every string that an expression results in, before HTML is escaped; ``Markup`` is left as
            it is.
    """

    def finalized(value: Any) -> object:
        return finalize(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        finalize=finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
