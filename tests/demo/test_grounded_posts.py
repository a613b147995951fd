"""Grounded demo posts: every mention that a collage shows has its box, and nothing else could be it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from mner.boxes import gold_entities, intersection_over_union
from mner.data.readers import read_posts
from mner.demo import DemoPosts, generate_demo_posts, text_only_ceiling
from mner.demo.names import AMBIGUOUS, NOVEL_AMBIGUOUS
from mner.demo.scenes import DISTRACTOR
from mner.errors import DataError
from mner.posts import Post


@pytest.fixture(scope="module")
def splits() -> dict[str, list[Post]]:
    return generate_demo_posts(200, grounded=True)


def mentions(post: Post) -> dict[tuple[int, int], dict]:
    return {(mention["start"], mention["end"]): mention for mention in post.metadata["mentions"]}


def possible_types(post: Post, mention: dict) -> set[str]:
    name = post.surface(mention["start"], mention["end"])
    return set((AMBIGUOUS | NOVEL_AMBIGUOUS)[name]) if mention["kind"] == "ambiguous" else {mention["type"]}


def test_a_box_is_that_of_an_object_of_the_mentions_type(splits: dict[str, list[Post]]) -> None:
    for posts in splits.values():
        for post in posts:
            assert post.boxes is not None
            assert post.boxes.keys() <= mentions(post).keys()
            types = {tuple(shown["box"]): shown["shown"] for shown in post.metadata["objects"]}
            for words, (box,) in post.boxes.items():
                assert types.pop(box) == mentions(post)[words]["type"]
            # No other object has a type that a mention could have.
            for mention in post.metadata["mentions"]:
                assert not possible_types(post, mention) & set(types.values())


def test_pictures_have_several_objects_that_do_not_overlap(splits: dict[str, list[Post]]) -> None:
    for posts in splits.values():
        for post in posts:
            boxes = [shown["box"] for shown in post.metadata["objects"]]
            assert len(boxes) in ((0,) if post.metadata["picture"] == "missing" else (2, 3))
            assert all(0 < x1 < x2 < 1 and 0 < y1 < y2 < 1 for x1, y1, x2, y2 in boxes)
            overlaps = [intersection_over_union(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
            assert not any(overlaps)


def test_all_kinds_of_posts_occur(splits: dict[str, list[Post]]) -> None:
    for posts in splits.values():
        shown = [len(post.boxes or ()) for post in posts]
        assert shown.count(2) > 0.1 * len(posts)
        assert shown.count(1) > 0.3 * len(posts)
        assert any(len(mentions(post)) == 2 and len(post.boxes or ()) == 1 for post in posts)
        unrelated = [post for post in posts if post.metadata["picture"] == "unrelated" and mentions(post)]
        assert unrelated
        assert not any(post.boxes for post in unrelated)
        assert any(shown["shown"] == DISTRACTOR for post in posts for shown in post.metadata["objects"])


def test_the_picture_determines_ambiguous_types(splits: dict[str, list[Post]]) -> None:
    for posts in splits.values():
        assert text_only_ceiling(posts).ambiguous_f1 < 0.42
        for post in posts:
            for words, mention in mentions(post).items():
                if mention["kind"] == "ambiguous":
                    assert words in (post.boxes or {})


def test_the_largest_object_is_mostly_another(splits: dict[str, list[Post]]) -> None:
    found = []
    for post in splits["train"]:
        boxes = [shown["box"] for shown in post.metadata["objects"]]
        largest = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)
        found += [entity.boxes == (largest,) for entity in gold_entities(post)]
    assert sum(found) / len(found) < 0.4


def test_drawn_where_the_boxes_are_and_read_back(tmp_path: Path) -> None:
    posts = generate_demo_posts(16, folder=tmp_path, grounded=True)["train"]
    assert [post.boxes for post in read_posts(tmp_path / "train.jsonl")] == [post.boxes for post in posts]
    post = next(post for post in posts if post.boxes)
    assert post.image is not None
    with Image.open(post.image) as picture:
        width, height = picture.size
        assert 240 <= max(width, height) <= 360
        for shown in post.metadata["objects"]:
            x1, y1, x2, y2 = shown["box"]
            inside = picture.crop((round(x1 * width), round(y1 * height), round(x2 * width), round(y2 * height)))
            assert len(inside.getcolors(width * height) or ()) > 50
    with pytest.raises(DataError, match="contains other data"):
        generate_demo_posts(16, folder=tmp_path)
    data = DemoPosts(16, tmp_path, grounded=True)
    assert data.read("train") == [replace(post, contexts={}) for post in posts]  # no model asks for captions


def test_the_seed_decides_everything(splits: dict[str, list[Post]]) -> None:
    plain = [
        [p.id, p.words, p.tags, p.contexts, p.metadata, [[*words, *box] for words, (box,) in (p.boxes or {}).items()]]
        for posts in splits.values()
        for p in posts
    ]
    digest = hashlib.sha256(json.dumps(plain).encode()).hexdigest()
    assert digest.startswith("cceb31235290d223")
