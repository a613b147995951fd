"""Text from data in Markdown."""

from __future__ import annotations

import html
import re

from markupsafe import Markup

from mner.terminal import printable

_MARKDOWN = re.compile(r"([\\`*\[\]|~$]|(?<!\w)_|_(?!\w)|^[-+#](?=\s)|^>|(?<=^\d)[.)](?=\s))")
_HTML = re.compile(r"<(?![\s\d=])|&(?=#?\w+;)")
"""What could begin a tag, also with text that follows, or a character reference; any other < and & is itself."""


def escape_markdown(text: object) -> Markup:
    r"""Escape what Markdown, HTML or a table would interpret.

    Example:
        >>> print(escape_markdown("<b> *a*\n| $x$"))
        &lt;b> \*a\* \| \$x\$
    """
    line = printable(" ".join(str(text).splitlines()))
    return Markup(_HTML.sub(lambda found: html.escape(found[0]), _MARKDOWN.sub(r"\\\1", line)))
