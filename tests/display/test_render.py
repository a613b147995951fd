"""Posts as HTML and as text: what is marked, that everything from data is text, and what the filters show."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

import mner
from mner.errors import ConfigurationError, DataError
from mner.posts import Entities, Entity, Post
from mner.predictions import Prediction

HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(1)> \x1b[2J\x9b31m \u202e & "q" {{ 7*7 }}'
POST = Post("1", ("Kevin", "Durant", "in", "Oslo"), ("B-PER", "I-PER", "O", "B-LOC"))


class Page(HTMLParser):
    """The start tags with their attributes, the text, and the classes of each article."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def test_gold_against_predicted_as_text():
    predicted = (Entity("PER", 0, 2, confidence=0.5), Entity("ORG", 3, 4, confidence=0.25))
    assert str(mner.render(Prediction(POST, predicted))).splitlines() == [
        "1: gold      [Kevin Durant PER] in [Oslo LOC]",
        "1: predicted [Kevin Durant PER 0.50] in [Oslo ORG 0.25]",
        "   wrong type: Oslo, gold LOC, predicted ORG 0.25",
    ]


@pytest.mark.parametrize(
    ("spans", "lines"),
    [
        ([("PER", 0, 1), ("LOC", 3, 4)], ["wrong boundary: gold Kevin Durant PER, predicted Kevin PER"]),
        ([("LOC", 1, 2), ("LOC", 3, 4)], ["both wrong: gold Kevin Durant PER, predicted Durant LOC"]),
        ([("LOC", 3, 4)], ["missed: Kevin Durant PER"]),
        ([("PER", 0, 2), ("MISC", 2, 3), ("LOC", 3, 4)], ["spurious: in MISC"]),
    ],
)
def test_each_kind_of_error_is_listed(spans, lines):
    shown = str(mner.render(Prediction(POST, tuple(Entity(*span) for span in spans)))).splitlines()
    assert [line.strip() for line in shown[2:]] == lines


def test_equal_entities_are_shown_once_and_gold_only_as_gold():
    same = (Entity("PER", 0, 2), Entity("LOC", 3, 4))
    assert str(mner.render(Prediction(POST, same))) == str(mner.render(POST)) == "1: [Kevin Durant PER] in [Oslo LOC]"
    assert str(mner.render(Post("2", ("so", "loud")))) == "2: so loud"


def test_raw_text_keeps_its_spaces_and_line_breaks():
    text = "RT  Oslo\nis loud"
    post = Post("1", ("RT", "Oslo", "is", "loud"), None, text=text, offsets=((0, 2), (4, 8), (9, 11), (12, 16)))
    rendering = mner.render(Entities([Entity("LOC", 1, 2)], post=post))
    assert str(rendering) == "1: RT  [Oslo LOC]\\nis loud"
    assert "RT  Oslo LOC\nis loud" in Page(rendering.html).text


@pytest.mark.parametrize("part", ["html", "_repr_html_"])
def test_what_comes_from_data_is_text(part):
    post = Post(HOSTILE, (HOSTILE, "b"), (f"B-{HOSTILE}", "O"), contexts={HOSTILE: HOSTILE}, image=Path(HOSTILE))
    rendering = mner.render(Prediction(post, (Entity(HOSTILE, 0, 2),)), title=HOSTILE)
    html = rendering.html if part == "html" else rendering._repr_html_()
    page = Page(html)
    assert {tag for tag, _ in page.tags} & {"script", "img", "iframe", "link", "object"} == set()
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert page.text.count("<script>alert(1)</script>") >= 9
    assert "{{ 7*7 }}" in page.text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", html + str(rendering))


def test_the_page_loads_nothing_and_allows_no_script():
    html = mner.render(POST).html
    assert html.startswith("<!doctype html>")
    (policy,) = [attrs["content"] for attrs in Page(html).of("meta") if "http-equiv" in attrs]
    assert "default-src 'none'" in policy
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|@import|script-src", html)


def test_filters_show_the_posts_of_the_kinds_that_are_checked():
    posts = [
        Prediction(POST, (Entity("PER", 0, 2),)),
        Prediction(Post("2", ("so", "loud"), ("O", "O")), ()),
        Prediction(Post("3", ("in", "Oslo"), ("O", "B-LOC")), (Entity("ORG", 1, 2),)),
    ]
    page = Page(mner.render(posts).html)
    classes = [set(attrs["class"].split()) - {"mner-post"} for attrs in page.of("article")]
    assert classes == [{"mner-correct", "mner-missed"}, {"mner-none"}, {"mner-wrong_type"}]
    shown = [attrs["class"] for attrs in page.of("input")]
    assert shown == ["mner-show-correct", "mner-show-wrong_type", "mner-show-missed", "mner-show-none"]
    html = mner.render(posts).html
    for name in ("correct", "wrong_type", "missed", "none"):
        assert f":has(.mner-show-{name}:checked) .mner-post.mner-{name} " in html
    assert [post.post.id for post in mner.render(posts, kinds=["missed", "none"]).posts] == ["1", "2"]
    with pytest.raises(ConfigurationError, match=r"expected kinds among correct, .*got 'wrong'"):
        mner.render(posts, kinds=["wrong"])


def test_images_are_embedded_from_their_folder_only(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("in/a.png", "outside.png"):
        Image.new("RGB", (2000, 1000), "red").save(tmp_path / name)
    posts = [Post(name, ("a",), image=Path(name)) for name in ("a.png", "../outside.png", "none.png")]
    rendering = mner.render(posts, images=tmp_path / "in")
    page = Page(rendering.html)
    (image,) = page.of("img")
    assert image["src"].startswith("data:image/jpeg;base64,")
    assert image["alt"] == "image of post a.png"
    assert "none.png: no such file" in page.text
    assert "outside.png: outside the image folder" in page.text.replace(str(tmp_path), "")
    assert not Page(mner.render(posts, images=False).html).of("img")


def test_all_images_of_a_post_are_embedded(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 20), "red").save(tmp_path / name)
    post = Post("1", ("a",)).with_images([Path("a.png"), Path("none.png"), Path("b.png")])
    page = Page(mner.render([post], images=tmp_path).html)
    assert len(page.of("img")) == 2
    assert "none.png: no such file" in page.text


def test_boxes_of_gold_and_predicted_entities_are_drawn(tmp_path):
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")
    post = Post(
        "1", ("Ana", "in", "Oslo"), ("B-PER", "O", "B-LOC"), tmp_path / "a.png", boxes={(0, 1): ((0.1, 0.2, 0.5, 1.0),)}
    )
    predicted = (
        Entity("PER", 0, 1, boxes=((0, 0, 0.25, 0.5), (0.5, 0.5, 1, 1))),
        Entity("LOC", 2, 3, boxes=((0.5, 0.5, 1, 1),)),
    )
    drawn = [
        (attrs["class"], attrs["style"].split(";", 1)[1])
        for attrs in Page(mner.render(Prediction(post, predicted)).html).of("span")
        if attrs["class"].startswith("mner-box")
    ]
    assert drawn == [
        ("mner-box mner-gold", "--row:0;left:10.00%;top:20.00%;width:40.00%;height:80.00%"),
        ("mner-box", "--row:0;left:0.00%;top:0.00%;width:25.00%;height:50.00%"),
        ("mner-box", "--row:0;left:50.00%;top:50.00%;width:50.00%;height:50.00%"),
        ("mner-box", "--row:1;left:50.00%;top:50.00%;width:50.00%;height:50.00%"),
    ]


def test_posts_predictions_and_entities_are_shown_in_notebooks():
    entities = Entities([Entity("LOC", 3, 4)], post=POST)
    for value in (POST, Prediction(POST, ()), entities):
        assert "Kevin Durant" in Page(value._repr_html_()).text
    many = mner.render([POST] * 130)._repr_html_()
    assert many.count("<article") == 100
    assert "of 130 posts shown; save(PATH) writes all of them" in many
    assert Entities()._repr_html_() is None


@pytest.mark.parametrize(
    ("posts", "message"),
    [
        (["Oslo"], "got a str; tag texts first"),
        ("Oslo", "got a str"),
        (3, "got a int"),
        ([Entities([Entity("LOC", 0, 1)])], "got a Entities"),
        (Prediction(POST, (Entity("LOC", 3, 5),)), "expected an entity within its 4 words, got LOC from 3 to 5"),
        (Prediction(POST, (Entity("LOC", 0, 2), Entity("PER", 1, 3))), r"\('LOC', 0, 2\) and \('PER', 1, 3\) overlap"),
    ],
)
def test_what_cannot_be_rendered(posts, message):
    with pytest.raises(DataError, match=message):
        mner.render(posts)


def test_a_page_is_saved(tmp_path):
    mner.render(POST).save(tmp_path / "new" / "page.html")
    assert (tmp_path / "new" / "page.html").read_text(encoding="utf-8") == mner.render(POST).html
