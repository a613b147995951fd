"""Escape control characters in text from data and files before it is shown on a terminal, in a log or in a table."""

from __future__ import annotations

import json
import re

_CONTROLS = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # terminal escapes begin with one of these, and so do forged lines of a log
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # reorder the text around them
    "\u2028\u2029\u206a-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff"  # lone surrogates, which no output stream encodes
    "]"
)


def printable(text: object) -> str:
    r"""Show control characters, bidirectional controls and lone surrogates as JSON escapes.

    Everything else is unchanged, so JSON that is shown on a terminal remains valid JSON.
    Line breaks are escaped too, since a name with a line break could forge a line; join lines after the call.

    Args:
        text: The text to show; anything but a string is converted by ``str``.

    Example:
        >>> print(printable("\x1b[2J Ana \u202e"))
        \u001b[2J Ana \u202e
    """
    return _CONTROLS.sub(lambda match: json.dumps(match.group())[1:-1], str(text))


def printable_lines(text: object) -> str:
    """Apply :func:`printable` to each line of a text whose line breaks are intended."""
    return "\n".join(map(printable, str(text).split("\n")))
