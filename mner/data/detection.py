"""Detection of a file's format from its first lines, including formats that mner does not read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Literal

from mner.data.conll import is_comment
from mner.data.lines import Line
from mner.data.span_forms import is_marked
from mner.data.spans import BRACKETS, BRACKETS_REMEDY
from mner.labels import OUTSIDE
from mner.word_tokenizers.characters import EMOJI, UNSPACED

Format = Literal["conll", "csv", "json", "text"]

MAX_SAMPLE = 64
"""Number of lines that determine a format where a single one is ambiguous."""

_TAGGED = re.compile(r"\t[^ \t]*\t*$|[ ](O|X|[BIESLUMW][-_]\S+|\S+[-_][BIESLU])[\s\u200b-\u200f\u2060\ufeff]*$")
_JSON = re.compile(r"\{\s*([\"'}]|$)|\[\s*([{\[\]\"]|$)")
_HEADER = re.compile(r"(IMGID|WID):\S+[ ]*(\t+O?\s*)?$", re.IGNORECASE)
_COMMAS = re.compile(r"\S,\S")
_UNSPACED_OR_EMOJI = re.compile(f"[{UNSPACED}]|{EMOJI}")
_NUMBERED_ROW = re.compile(r"\"?\d+\"?[,;\t].")
_TABLE_NAMES = re.compile(
    r"(tweet|post|sentence|status|image|img|user|item|text|word|token|tag|label|entity|ner|msg|message)?[ _-]?"
    r"(id|idx|index|text|full_text|text_snippet|tweets?|posts?|sentences?|content|body|messages?|captions?|words?|tokens?|"
    r"labels?|tags?|ner|ner_tags|entit(y|ies)|entity_annotations|annotations?|spans?|images?|image_path|#)?",
    re.IGNORECASE,
)
_NAME = re.compile(r"[\"']?[^\W\d]\w*[\"']?")
_OTHER_DELIMITER = re.compile(r"\S+?[,;|\xa0](\S*[,;|\xa0])?\"?(O|[BIESLUMW]-[^\s,;|\"]+)\"?$")
_TAG = re.compile(r"O|[BIESLUMW][-_][^\W\d]\S*")
_PARALLEL = re.compile(r"\S[ ]*(\t|\|\|\|)")
_YAML = re.compile(r"---$|- |[\w-]+: ")
_UNMARK = (
    'Write {"text": ..., "entities": [{"start": ..., "end": ..., "type": ...}]}, the text without the marks, and '
    "offsets in its characters"
)
_STANDOFF = re.compile(r"T\d+\t\S+ \d+ \d+(;\d+ \d+)*\t")


def detect_format(sample: Sequence[Line]) -> Format | None:
    """Detect a file's format from its first lines.

    CoNLL is detected by an ``IMGID`` line, by a tag at the end of most lines, or by several lines of one word each.
    A table is detected by its header, or by the suffix of its file. Lines in a script without spaces are texts.

    Args:
        sample: The first lines.

    Returns:
        The format, or ``None`` if it can only be plain text, or is something else.

    Raises:
        FormatError: If it is a format that mner recognises but does not read, such as brat's.
    """
    if sample and sample[0].raw.startswith(b"#begin document"):
        raise sample[0].error(
            "a file of OntoNotes, or of CoNLL-2011 or 2012, with brackets in columns", f"Convert it. {BRACKETS_REMEDY}"
        )
    if sample and sample[0].raw.startswith((b"<DOC ", b"<DOC>")):
        raise sample[0].error("a document in SGML, as of OntoNotes and MUC", _UNMARK)
    if sample and sample[0].raw.startswith(b"#FORMAT=WebAnno"):
        raise sample[0].error("a TSV file of WebAnno or INCEpTION", "Export the documents as CoNLL 2002 or 2003")
    texts = [
        line.raw.decode("utf-8", "replace").strip(" ") for line in sample if not line.blank and not is_comment(line.raw)
    ]
    if not texts:
        return None
    if _JSON.match(texts[0]) or _are_json_strings(texts):
        return "json"
    if any(map(_HEADER.match, texts)):
        return "conll"
    first = next(line for line in sample if not line.blank and not is_comment(line.raw))
    tagged = _share(_TAGGED, texts) >= 0.5
    suffix = first.path.suffix.lower()
    if suffix == ".csv" or (suffix in (".tsv", ".tab") and not tagged) or _table_header(texts[0]) is not None:
        return "csv"
    _refuse_foreign(texts, first)
    if (tagged or _is_word_per_line(texts)) and _share(_COMMAS, texts) < 0.5:
        return "conll"
    _doubt_marked(sample, first)
    if len(texts) > 1 and _YAML.match(texts[0]) and all(map(_YAML.match, texts)):
        raise sample[0].error(
            "a list in YAML, where posts were expected",
            "Write a JSON object per line; if it is plain text, set format='text' (--format text)",
        )
    return None


def is_table_header(line: Line) -> bool:
    """Whether a line is the header of a table, by the names in it."""
    return _table_header(line.raw.decode("utf-8", "replace").strip()) is not None


def settles(line: Line) -> bool:
    """Whether the first line suffices to detect JSON or prose, so that a live stream need not wait for more."""
    text = line.raw.decode("utf-8", "replace").strip(" ")
    prose = (
        not is_comment(line.raw)
        and not text.startswith(('"', "- ", "---"))
        and not _TAGGED.search(text)
        and (text.count(" ") > 1 or len(_UNSPACED_OR_EMOJI.findall(text)) > 7)
    )
    return prose or _JSON.match(text) is not None


def _is_word_per_line(texts: Sequence[str]) -> bool:
    if len(texts) < 2 or any(" " in text or "\t" in text for text in texts):
        return False
    if all(len(text) == 1 for text in texts):  # a character per line, as Chinese data sets have them
        return sum(text.isalnum() for text in texts) >= len(texts) / 2
    return _share(_UNSPACED_OR_EMOJI, texts) < 0.5


def _are_json_strings(texts: Sequence[str]) -> bool:
    """Whether each line is a text as a JSON string; a single line may also be a text within quotation marks."""
    if not all(text.startswith('"') and text.endswith('"') for text in texts) or (
        "\\" not in texts[0] and len(texts) == 1
    ):
        return False
    try:
        return all(isinstance(json.loads(text), str) for text in texts)
    except (ValueError, RecursionError):
        return False


def _share(pattern: re.Pattern[str], texts: Sequence[str]) -> float:
    return sum(pattern.search(text) is not None for text in texts) / max(len(texts), 1)


def _refuse_foreign(texts: Sequence[str], line: Line) -> None:
    if len(texts) > 1 and _share(_TAGGED, texts) < 0.5 and all(map(_NUMBERED_ROW.match, texts)):
        raise line.error(
            "rows of a table that begin with a number, where posts were expected",
            "Give it a header with a column 'text'; if it is plain text, set format='text' (--format text)",
        )
    if (found := _tags_of_posts(texts)) is not None:
        raise line.error(
            found,
            'Write a JSON object per line, {"tokens": ["St", "Louis"], "tags": ["B-LOC", "I-LOC"]}; or CoNLL: a word, '
            "a tab and its tag per line, and a blank line between posts",
        )
    if sum(map(bool, map(_OTHER_DELIMITER.match, texts))) >= len(texts) / 2:
        raise line.error(
            "a word and its tag with a delimiter other than tab or spaces", "Separate the columns of CoNLL by tabs"
        )
    last = [text.split()[-1] for text in texts if text.split()]
    if all(map(BRACKETS.fullmatch, last)) and any(each.startswith("(") for each in last):
        raise line.error("a word and a bracket in each line", BRACKETS_REMEDY)
    if _STANDOFF.match(texts[0]):
        raise line.error(
            "brat's standoff annotation, without its text",
            "Give the .ann file, with the text next to it as .txt, or the folder of both",
        )


def _doubt_marked(sample: Sequence[Line], first: Line) -> None:
    """Reject texts that have their entities marked in them, as ``<PER>Ana</PER>`` or ``[Ana](PER)``."""
    marked = [line for line in sample if is_marked(line.raw.decode("utf-8", "replace"))]
    if 2 * len(marked) >= len(sample):
        first.doubt(
            "texts with their entities marked in them",
            f"{marked[0].raw.decode('utf-8', 'replace')!r:.80}",
            f"{_UNMARK}; if it is plain text, set format='text' (--format text)",
        )


def _tags_of_posts(texts: Sequence[str]) -> str | None:
    """Describe lines that are each the tags of a post, whose words are in another file or before a delimiter."""
    rows = [text.split() for text in texts]
    if all(map(_are_tags, rows)) and any(len(row) > 2 or {*row} != {OUTSIDE} for row in rows):
        return "tags without their words"
    rows = [re.split(r"\t|\|\|\|", text)[-1].split() if _PARALLEL.search(text) else [] for text in texts]
    if all(map(_are_tags, rows)) and any(len(row) > 1 for row in rows):
        return "a post and its tags in one line"
    return None


def _are_tags(row: Sequence[str]) -> bool:
    return bool(row) and all(_TAG.fullmatch(each) for each in row)


def _table_header(text: str) -> list[str] | None:
    """Return the column names in the header of a CSV or TSV file."""
    for delimiter in "\t,;|":
        names = [name.strip().strip("\"'") for name in text.split(delimiter)]
        if len(names) > 1 and len(set(names)) == len(names):
            known = sum(bool(name) and _TABLE_NAMES.fullmatch(name) is not None for name in names)
            tight = all(_NAME.fullmatch(name) for name in text.split(delimiter)) and OUTSIDE not in names
            if known > 1 or (known and tight):
                return names
    return None
