"""Text from data in Markdown."""

from __future__ import annotations

import html
import re

from markupsafe import Markup

from mner.terminal import printable

_MARKDOWN = re.compile(r"([\\`*_\[\]|~$]|^[-+#](?=\s)|(?<=^\d)[.)](?=\s))")


def escape_markdown(text: object) -> Markup:
    r"""Escape what Markdown, HTML or a table would interpret.

    Example:
        >>> print(escape_markdown("<b> *a*\n| $x$"))
        &lt;b&gt; \*a\* \| \$x\$
    """
    line = printable(" ".join(str(text).splitlines()))
    return Markup(html.escape(_MARKDOWN.sub(r"\\\1", line), quote=False))
