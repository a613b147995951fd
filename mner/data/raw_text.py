"""Plain text: one post per line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mner.data.lines import Line, Report, read_each
from mner.posts import Post
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post


def read_plain_text(lines: Iterable[Line], report: Report) -> Iterator[Post]:
    """Read a post from each line that is not blank, named by its line number."""

    def read(line: Line) -> Post:
        return raw_post(line.text, TweetTokenizer(), id=str(line.number))

    return read_each((line for line in lines if not line.blank), read, report)
