import pytest

from mner.posts import Post
from mner.prompting import EntityAnswer, EntityTypes, ListedEntity, locate
from mner.prompting.box_units import fractions
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post

TYPES = EntityTypes(dict.fromkeys(("PER", "LOC", "ORG", "MISC"), ""))


def located(words, *listed):
    post = Post("1", tuple(words.split()))
    return locate(EntityAnswer(tuple(ListedEntity(*each) for each in listed)), post, TYPES)


@pytest.mark.parametrize(
    ("words", "listed", "expected"),
    [
        (
            "Kevin Durant enters Oracle Arena",
            [("Kevin Durant", "PER"), ("Oracle Arena", "LOC")],
            [("PER", 0, 2), ("LOC", 3, 5)],
        ),
        ("in Oslo and Oslo", [("Oslo", "LOC")], [("LOC", 1, 2), ("LOC", 3, 4)]),
        ("US us", [("US", "LOC")], [("LOC", 0, 1)]),
        ("us", [("US", "LOC")], [("LOC", 0, 1)]),
        ("go # Nike go", [("#Nike", "ORG")], [("ORG", 2, 3)]),
        ("go #Nike go", [("Nike", "ORG")], [("ORG", 1, 2)]),
        ("Nike's (Oslo)", [("Nike", "ORG"), ("Oslo", "LOC")], [("ORG", 0, 1), ("LOC", 1, 2)]),
        ("New York and York", [("York", "LOC"), ("New York", "LOC")], [("LOC", 0, 2), ("LOC", 3, 4)]),
        ("Jordan in Jordan", [("Jordan", "PER"), ("Jordan", "LOC")], [("PER", 0, 1), ("LOC", 2, 3)]),
        (
            "Jordan x Jordan x Jordan",
            [("Jordan", "PER"), ("Jordan", "LOC")],
            [("PER", 0, 1), ("LOC", 2, 3), ("LOC", 4, 5)],
        ),
        ("ha ha ha", [("ha ha", "PER")], [("PER", 0, 2)]),
        ("Zoe\u0308 sings", [("Zo\u00eb", "PER")], [("PER", 0, 1)]),
        ("@KDTrey5 : hi", [("KDTrey5", "person")], [("PER", 0, 1)]),
        ("a < /post> b", [("</post>", "PER")], [("PER", 1, 3)]),
    ],
)
def test_occurrences(words, listed, expected):
    found = located(words, *listed)
    assert [entity.span for entity in found.entities] == expected
    assert all(entity.text == " ".join(words.split()[entity.start : entity.end]) for entity in found.entities)


@pytest.mark.parametrize(
    ("words", "listed", "reason"),
    [
        ("in Oslo", ("Paris", "LOC"), "not in the post"),
        ("in Oslo", ("Os", "LOC"), "not in the post"),
        ("in Oslo", ("", "LOC"), "not in the post"),
        ("in Oslo", ("#", "LOC"), "not in the post"),
        ("in 2017", ("2017", "year"), "of another type"),
        ("", ("Oslo", "LOC"), "not in the post"),
    ],
)
def test_what_is_dropped_is_counted(words, listed, reason):
    found = located(words, listed)
    assert found.entities == ()
    assert found.dropped == {reason: 1}


def test_conflicts_are_counted():
    assert located("Jordan", ("Jordan", "PER"), ("Jordan", "LOC")).dropped == {"no further occurrence": 1}
    found = located("New York", ("New York", "LOC"), ("York", "LOC"))
    assert found.dropped == {"inside or across another entity": 1}


def test_raw_text_gets_characters():
    post = raw_post("see #Nike, Oslo!", TweetTokenizer(), id="1", image=None, contexts={})
    found = locate(EntityAnswer((ListedEntity("Nike", "ORG"), ListedEntity("Oslo", "LOC"))), post, TYPES).entities
    assert [post.text[slice(*entity.characters)] for entity in found] == ["Nike", "Oslo"]


def test_boxes_become_fractions():
    answer = EntityAnswer((ListedEntity("Oslo", "LOC", ((0, 0, 100, 50), (5, 5, 5, 9))), ListedEntity("in", "MISC")))
    post = Post("1", ("in", "Oslo"))
    found = locate(answer, post, TYPES, "pixels", (200, 100)).entities
    assert [entity.boxes for entity in found] == [(), ((0.0, 0.0, 0.5, 0.5),)]
    assert {entity.boxes for entity in locate(answer, post, TYPES).entities} == {None}
    assert {entity.boxes for entity in locate(answer, post, TYPES, "pixels", None).entities} == {()}


@pytest.mark.parametrize(
    ("box", "unit", "expected"),
    [
        ((250, 500, 750, 1000), "thousandths", ((0.25, 0.5, 0.75, 1.0),)),
        ((0.1, 0.2, 0.3, 0.4), "fractions", ((0.1, 0.2, 0.3, 0.4),)),
        ((150, 20, -50, 60), "pixels", ((0.0, 0.2, 0.75, 0.6),)),
        ((300, 0, 400, 50), "pixels", ()),
        ((float("nan"), 0, 1, 1), "fractions", ()),
        ((float("inf"), 0, 0, 1), "fractions", ((0.0, 0.0, 1.0, 1.0),)),
    ],
)
def test_units(box, unit, expected):
    assert fractions([box], unit, (200, 100)) == expected
