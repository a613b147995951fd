"""The English of the field: terms that documentation, docstrings, comments and messages avoid, and what to write."""

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MARKDOWN = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + [*(ROOT / "docs").rglob("*.md")]
PAGES = sorted(path for path in MARKDOWN if "_build" not in path.parts)
MODULES = sorted(path for name in ("mner", "benchmarks", "examples") for path in (ROOT / name).rglob("*.py"))
PICTURES = ROOT / "mner" / "demo"  # what it draws may be called so

_EACH = "batch|cell|class|device|epoch|file|image|line|method|post|process|region|seed|split|subword|token|type|word"
GLOSSARY = {
    rf"\bone (?!of\b|in\b|for\b|with)\w+ an? (?:{_EACH})\b": "per: one tag per word",
    r"\b(?:posts|images|tokens|words|lines|steps) an? (?:second|minute|batch|epoch)\b": "per: posts per second",
    r"\bword[- ]?pieces?\b|\bpieces of (?:a )?words?\b": "subword",
    r"\bpictures?\b": "image",
    r"\bbehind (?:the|them|it|those|each|every)\b": "after",
    r"\bbeside\b": "next to, in addition to, together with",
    r"\b(?:go|goes|going|went|gone) on (?:with|where|from)\b": "resume",
    r"\bgo(?:es)? before\b": "override, take precedence",
    r"\btaken? away\b|\bexchanged (?:images|captions)\b|\b(?:images|captions) (?:are )?exchanged\b": "blank, shuffled",
    r"\b(?:who|model|encoder|module|class|command|decoder|method)s? wants?\b": "need, expect",
    r"\bwanted (?:entit|tag|span)|\bentit(?:y|ies) wanted\b": "gold",
    r"\bentities found\b|\bfound entities\b": "predicted entities",
    r"\b(?:entit(?:y|ies)|tags?|spans?) (?:is|are) right\b|\bfound right\b": "correct",
    r"\bit tells\b|\btells? (?:what|which|how|whether|that)\b": "report, show, print, say",
    r"\b(?:stand|stands|stood) (?:beside|behind|alone|in the place)\b": "be (next to, on its own), replace",
    r"\b(?:file|folder|checkpoint|repository|repositories|line|package|column)s? holds?\b": "contain",
    r"\b(?:files?|folders?|it|they) lies? (?:in|at|under)\b": "be",
    r"\bin the place of\b": "instead of",
    r"\b(?:text|words?|seeds?|posts?|pip) alone\b": "only",
    r"\b(?:is|are|was|were|not) at hand\b": "available",
    r"\bas it comes\b": "unchanged",
    r"\banew\b": "again",
    r"\bone's own\b": "your own",
    r"\bmoving average of (?:the )?weights\b": "EMA of the weights",
    r"\bfalse alarms?\b": "false positive, family-wise error",
    r"\btoo hasty\b": "anti-conservative",
    r"\blength of (?:the )?gradients?\b": "gradient norm",
    r"\bone must know\b": "statistics and sanity checks",
    r"\bshares? of (?:the )?(?:training )?posts\b": "fraction of the posts",
    r"\bin silence\b": "silently",
    r"\bsub-folders?\b": "subfolder",
    r"\blearnt\b": "learned",
    r"\bsome (?:seconds|minutes|two|three|ten|\d+)\b": "a few, about",
    rf"\bone an? (?:{_EACH})\b": "per: one per word",
    r"(?<!here\s)\b(?:is|are) no (?!longer|more|less|other|such)\w+": "is not a, are not",
    r"\bholds? (?:an?|no) ": "contain",
    r"\bsays (?:how|why|where|which)\b": "explain, name, report",
    r"\bteach(?:es)?\b": "train",
    r"\bwarned of\b": "reported in a warning",
    r"\bgoes on\b": "continue",
    r"\b(?:can|may|must) stand (?!for)": "be, follow",
    r"\bwhat (?:became|becomes) of\b": "outcome",
    r"\bmade-up\b": "dummy, generated",
    r"\bmend(?:ed|s)?\b": "fix",
    r"\bafresh\b": "again, from scratch",
    r"\bby turns\b": "in turn, alternately",
    r"\bspoil(?:s|ed)?\b": "distort, damage",
    r"\bplug-ins?\b": "plugin",
}
RULES = [(re.compile(words.replace(" ", r"\s+")), instead) for words, instead in GLOSSARY.items()]


def without(pattern, text):
    """A text in which what matches is blanked, with its lines kept."""
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.MULTILINE | re.DOTALL)


def prose_of_page(text):
    """A Markdown page without code, formulas, comments and the targets of links."""
    for pattern in (r"^ *```.*?^ *```$", r"<!--.*?-->", r"\$\$.*?\$\$", r"`[^`]*`", r"\$[^$\n]+\$", r"\]\([^)]*\)"):
        text = without(pattern, text)
    return text


def prose_of_module(source):
    """The comments and the strings of several words of a module, each on its own lines, without code in them."""
    lines = [""] * (source.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and " " in token.string):
            for row, part in enumerate(token.string.split("\n"), token.start[0] - 1):
                lines[row] += part.lstrip("#")
        elif token.type == getattr(tokenize, "FSTRING_MIDDLE", None):
            for row, part in enumerate(token.string.split("\n"), token.start[0] - 1):
                lines[row] += part
    return without(r"``.*?``|`[^`\n]*`|^ *>>> .*?(?=^ *$)", "\n".join(lines))


def findings(prose):
    """Line, term and replacement of each term of the glossary."""
    for rule, instead in RULES:
        for match in rule.finditer(prose):
            yield prose.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), instead


@pytest.mark.parametrize(("paths", "prose_of"), [(PAGES, prose_of_page), (MODULES, prose_of_module)], ids=["md", "py"])
def test_only_terms_of_the_field(paths, prose_of):
    found = [
        f"{path.relative_to(ROOT)}:{line}: not {term!r} but {instead!r}"
        for path in paths
        for line, term, instead in sorted(findings(prose_of(path.read_text(encoding="utf-8"))))
        if instead != "image" or not path.is_relative_to(PICTURES)
    ]
    assert not found, "\n".join(found)


def test_terms_are_found_with_their_line():
    page = (
        "A post.\n```python\npicture = 1\n```\nThe caption is read behind\nthe post, not `beside` it: one tag a word.\n"
    )
    assert sorted(findings(prose_of_page(page))) == [
        (5, "behind the", "after"),
        (6, "one tag a word", "per: one tag per word"),
    ]
    module = '"""Read a\n    picture, not a ``picture``."""\npicture = "picture"  # a word piece\n'
    assert sorted(findings(prose_of_module(module))) == [(2, "picture", "image"), (3, "word piece", "subword")]
