"""What comes from data is text in every form of the report."""

import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("pandas")

import pandas as pd

from mner.analysis.rendering import to_html, to_markdown
from mner.analysis.report_sections import Examples, Section
from mner.markdown import escape_markdown

HOSTILE = '<script>alert(1)</script> *b* [x](javascript:a) | `c` $z$ \x1b[2J \u202e & "q"\n# h'
SECTION = Section("Part " + HOSTILE, HOSTILE, [pd.DataFrame([{HOSTILE: HOSTILE, "n": "1"}])], ["lengths_a"])


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def test_html_shows_names_as_text():
    page = to_html(HOSTILE, [HOSTILE], [SECTION], lambda name: f"<svg><title>{name}</title></svg>")
    parsed = Tags()
    parsed.feed(page)
    assert "script" not in parsed.tags
    assert parsed.tags.count("svg") == 1
    assert sum("<script>alert(1)</script>" in text for text in parsed.text) >= 5
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_markdown_shows_names_as_text():
    text = to_markdown(HOSTILE, [HOSTILE, "second"], [SECTION], {"lengths_a": "lengths_a.png"})
    assert "<script>" not in text
    assert not re.search(r"(?<!\\)[*`|$]b?", re.sub(r"(?m)^\* |^\|.*$", "", text))
    assert "\x1b" not in text
    (row,) = [line for line in text.splitlines() if line.startswith("|") and line.endswith(" 1 |")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3  # two cells
    assert "](lengths_a.png)" in text


def test_examples_are_markup_in_html_and_a_block_of_code_in_markdown():
    part = Section("Errors", examples={HOSTILE: Examples("<p>Oslo</p>", f"1: {HOSTILE}\n```\n# 2: Oslo")})
    page = to_html("Report", [], [part], str)
    assert "<p>Oslo</p>" in page
    assert "<script>" not in page
    text = to_markdown("Report", [], [part], {})
    block = text[text.index("### ") :].splitlines()[2:]
    assert len(block) == 4
    assert all(line.startswith("    ") for line in block)
    assert "\x1b" not in text


def test_markdown_has_the_layout_of_its_template():
    table = pd.DataFrame([{"a": "x", "b": "2"}, {"a": "y", "b": "< 0.001"}])
    parts = [Section("Scores", "How to read it.", [table], ["x_y"]), Section("More", "", [], ["x_y"])]
    expected = """# Report

* One.
* Two.

## Scores

How to read it.

| a | b |
|---|---:|
| x | 2 |
| y | < 0.001 |

![x y](x_y.png)

## More

![x y](x_y.png)
"""
    assert to_markdown("Report", ["One.", "Two."], parts, {"x_y": "x_y.png"}) == expected


def test_what_begins_like_a_list_or_heading_is_text():
    assert [str(escape_markdown(text)) for text in ("# a", "- a", "1. a", "_a_b_", "a - b", "> a")] == [
        r"\# a",
        r"\- a",
        r"1\. a",
        r"\_a_b\_",
        "a - b",
        r"\> a",
    ]


def test_only_what_could_be_html_is_escaped_in_markdown():
    texts = ("p < 0.001", "R&D <3", "a<b", "<", "</b>", "<!--", "&lt;", "&#60;")
    escaped = ["p < 0.001", "R&D <3", "a&lt;b", "&lt;", "&lt;/b>", "&lt;!--", "&amp;lt;", "&amp;#60;"]
    assert [str(escape_markdown(text)) for text in texts] == escaped
