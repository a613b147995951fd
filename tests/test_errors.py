"""The errors of the library, and its summaries of those of others."""

import pytest

from mner.errors import summary


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("no such file", "no such file"),
        ("\nDetectron needs a library.\nInstall it.", "Detectron needs a library."),
        (
            "Validation error for 'size':\n    TypeError: not a number\nmore",
            "Validation error for 'size': TypeError: not a number",
        ),
        ("", "ValueError"),
        ("\n:\n", ":"),
    ],
)
def test_a_summary_is_one_line_with_the_reason(message, line):
    assert summary(ValueError(message)) == line
