"""What reaches a terminal or a log."""

import json
import pickle
import unicodedata

import pytest

from mner.errors import ExperimentError, FormatError, MNERError
from mner.terminal import printable

BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
EVERY_CHARACTER = [chr(code) for code in range(0x110000)]


def test_no_control_reaches_the_terminal():
    shown = [each for each in EVERY_CHARACTER if printable(each) == each]
    assert not [each for each in shown if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [each for each in shown if unicodedata.bidirectional(each) in BIDI]
    assert all(printable(each).isascii() for each in set(EVERY_CHARACTER) - set(shown))


@pytest.mark.parametrize(
    "text", ["Ana Ruiz", "İstanbul'da 北京 שלום", "👩‍👩‍👧 🏴 ☂️", r"C:\new [red] $x$ <b>", "نمی‌خواهم"]
)
def test_text_stays_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize("text", ["\x1b]0;title\x07", "a\u202eb\u2066", "\x9b31m", "one\r\ntwo\t\x7f", "\ud83d"])
def test_json_stays_json(text):
    shown = printable(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(shown) == {"text": text}


def test_what_is_no_string():
    assert printable(MNERError("a\x1b")) == r"a\u001b"
    assert printable(3) == "3"


def test_an_error_is_printable_and_comes_whole_out_of_a_worker():
    error = FormatError("a\x1b[2J.conll", 3, "the tag '\u202eB'", "Write B-PER")
    assert str(error) == r"a\u001b[2J.conll, line 3: the tag '\u202eB'. Write B-PER"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.path, again.line) == (str(error), error.path, 3)


def test_only_the_library_breaks_the_lines_of_an_error():
    assert str(ExperimentError("two cells failed:", "a\nb", "c")) == "two cells failed:\na\\nb\nc"
    assert str(MNERError()) == ""
