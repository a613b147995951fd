"""What reaches a terminal or a log."""

import json
import pickle
import unicodedata
from contextlib import suppress

import pytest

from mner.cli import main
from mner.errors import ExperimentError, FormatError, MNERError
from mner.terminal import printable, printable_lines

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


def test_lines_that_are_meant_and_those_that_are_not():
    assert printable_lines("one\ntwo\u2028three\x0bfour\r") == "one\ntwo\\u2028three\\u000bfour\\r"


HOSTILE = "\x1b]0;gotcha\x07\u202e[red]$x$"


def test_check_data_shows_hostile_names(tmp_path, capsys):
    lines = [json.dumps({"id": HOSTILE, "tokens": ["Ana", HOSTILE], "tags": [f"B-{HOSTILE.strip()}", "O"]})] * 2
    (tmp_path / "posts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    status = main(["check-data", str(tmp_path / "posts.jsonl")])
    captured = capsys.readouterr()
    assert not set("\x1b\x07\u202e") & set(captured.out + captured.err)
    assert status in (0, 1)


@pytest.mark.parametrize("command", ["fit", "tag", "attend", "report", "check-data", "\x1b[2J"])
def test_options_and_files_with_hostile_names(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with suppress(SystemExit):
        main([command, HOSTILE, f"--{HOSTILE}", f"--ckpt_path={HOSTILE}"])
    captured = capsys.readouterr()
    assert captured.err
    assert not set("\x1b\x07\u202e") & set(captured.out + captured.err)
