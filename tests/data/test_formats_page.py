"""The examples on the formats page are read as the page says."""

import re
from pathlib import Path

import pytest

from mner.data.readers import read_posts
from mner.labels import spans

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "formats.md"
EXAMPLES = re.findall(r"^```(?:text|json)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_holds_st_louis(tmp_path, example):
    (tmp_path / "posts").write_text(example, encoding="utf-8")
    for post in read_posts(tmp_path / "posts"):
        assert [(entity.type, post.surface(entity.start, entity.end)) for entity in spans(post.tags)] == [
            ("LOC", "St Louis")
        ]


def test_there_are_examples():
    assert len(EXAMPLES) == 15
