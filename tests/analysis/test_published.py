"""Published scores are found by full names, and a malformed file is refused."""

import pytest

from mner.analysis.published import SHIPPED, read_published
from mner.errors import FormatError


def test_the_shipped_file_is_the_papers(tmp_path):
    by_name, by_path = read_published("chen2020"), read_published(SHIPPED / "chen2020.yaml")
    for scores in (by_name, by_path):
        score = scores.find("1.0_bert_crf", "twitter2015", "test")
        assert (score.precision, score.recall, score.f1) == (69.37, 73.73, 71.48)
        assert scores.find("3.0_bert_crf_captions", "snapchat", "valid").f1 == 51.61
        assert scores.find("3.0_bert_crf_captions", "snapchat", "test").f1 == 51.18


def test_another_split_has_the_score_on_test_and_other_names_have_none():
    scores = read_published("chen2020")
    assert scores.find("1.0_bert_crf", "twitter2015", "valid").split == "test"
    assert scores.find("1.0_bert_crf", "twitter2015", None).split == "test"
    assert scores.find("1.0", "twitter2015", "test") is None
    assert scores.find("1.0_bert_crf", "my_twitter2015", "test") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a list of scores"),
        ("model: a", "a list of scores"),
        ("- a", "entry 1: expected model, data"),
        ("- {model: a}", "entry 1: expected model, data"),
        ("- {model: a, data: d, F1: 3}", "entry 1: expected model, data"),
        ("- {model: a, data: d, f1: high}", "in percent"),
        ("- {model: a, data: d, f1: .nan}", "in percent"),
        ("- {model: a, data: d, f1: 171}", "in percent"),
        ("- {model: a, data: d, groups: {seen: x}}", "in percent"),
        ("- {model: a, data: d, f1: 1}\n- {model: a, data: d, f1: 2}", "entry 2 is a on d again"),
        ("- {", "not a YAML file"),
        ("!!python/object/apply:os.system ['true']", "not a YAML file"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path, text, said):
    (tmp_path / "published.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match=said):
        read_published(tmp_path / "published.yaml")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FormatError, match="not a YAML file"):
        read_published(tmp_path / "published.yaml")
