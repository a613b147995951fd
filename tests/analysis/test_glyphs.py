"""Text that matplotlib draws: emoji are spelled, letters are kept."""

import pytest

pytest.importorskip("matplotlib")

from mner.analysis.glyphs import drawable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Riga", "Riga"),
        ("Riga 🔥", "Riga :fire:"),
        ("👩🏽\u200d🚀", ":woman::rocket:"),
        ("🇱🇻", "LV"),
        ("東京 Ørsted €5 ♥", "東京 Ørsted €5 ♥"),
        ("a\x1b[2J", "a\\u001b[2J"),
    ],
)
def test_symbols_without_a_glyph_are_spelled(text, expected):
    assert drawable(text) == expected
