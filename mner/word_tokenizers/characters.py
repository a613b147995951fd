"""Character classes for word tokenizers: combining marks, emoji, scripts without spaces, invisible characters."""

from __future__ import annotations

import unicodedata
from functools import cache

# A pictograph with its variation selector, skin tone and tags; several of them joined by U+200D are one emoji.
_PICTOGRAPH = (
    "[\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
    "[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
)
EMOJI = f"[\U0001f1e6-\U0001f1ff]{{2}}|[#*0-9]\ufe0f?\u20e3|{_PICTOGRAPH}(?:\u200d{_PICTOGRAPH})*"
"""Regular expression of an emoji with its modifiers."""

UNSPACED = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e80-\u0edf"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17b3\u17d7\u17dc"  # Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
    "\u3041-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\uff66-\uff9f\U0001b000-\U0001b16f"  # kana, bopomofo
    "\ua000-\ua48f"  # Yi
)
"""Characters of scripts written without spaces, as the inside of a regular expression's character set."""


@cache
def combining_marks() -> str:
    """List combining marks, which a regular expression's word characters lack, as the inside of a character set.

    Most words of Hindi or Thai contain some. Variation selectors belong to emoji and are left out.
    """
    return "".join(
        chr(code)
        for code in range(0x300, 0x12000)
        if unicodedata.category(chr(code)).startswith("M") and not 0xFE00 <= code <= 0xFE0F
    )


def is_invisible(word: str) -> bool:
    """Whether a word has no visible character: only white space, control, format or selector characters, or none.

    Such words occur in Twitter-2017, left over from emoji; a BERT tokenizer makes no subword of them, nor of U+FFFD.
    """
    return all(
        unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")
        or "\ufe00" <= character <= "\ufe0f"
        or character == "\ufffd"
        for character in word
    )
