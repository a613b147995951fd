"""Text as matplotlib's fonts can draw it: emoji that they lack are spelled."""

from __future__ import annotations

import re
import unicodedata

from mner.extras import extra
from mner.terminal import printable

_JOINERS = re.compile("[\u200d\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
"""Joiners, variation selectors and skin tones, which are parts of an emoji."""


def drawable(text: object) -> str:
    """Spell the symbols that the font has no glyph for by their names in Unicode.

    Letters of other scripts are kept: matplotlib draws them if a font in ``rcParams["font.family"]`` has them.

    Args:
        text: The text to draw; control characters are escaped.

    Example:
        >>> drawable("Riga 🔥")
        'Riga :fire:'
    """
    shown = printable(text)
    if shown.isascii():
        return shown
    known = _glyphs()
    return "".join(
        letter
        if ord(letter) in known or unicodedata.category(letter) not in ("So", "Sk", "Cn", "Co")
        else _spelled(letter)
        for letter in _JOINERS.sub("", shown)
    )


def _spelled(symbol: str) -> str:
    name = unicodedata.name(symbol, "")
    flag, _, letter = name.partition("REGIONAL INDICATOR SYMBOL LETTER ")
    if letter and not flag:
        return letter
    return f":{name.lower().replace(' ', '_')}:" if name else f"U+{ord(symbol):04X}"


def _glyphs() -> frozenset[int]:
    with extra("report", "a figure"):
        from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties())).get_charmap())
