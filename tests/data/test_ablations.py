"""Ablations change images or contexts alone, and nobody keeps his own."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mner.data.ablations import ablate
from mner.demo import DemoPosts
from mner.errors import DataError
from mner.posts import Post


@pytest.fixture
def posts():
    """Nine posts; every third has no image, every fourth no caption."""
    return [
        Post(
            str(index),
            ("a", "b"),
            ("O", "B-PER"),
            image=None if index % 3 == 0 else Path(f"{index}.jpg"),
            contexts={} if index % 4 == 0 else {"caption": str(index)},
        )
        for index in range(9)
    ]


def without(posts, *names):
    return [{name: getattr(post, name) for name in Post.__dataclass_fields__ if name not in names} for post in posts]


@pytest.mark.parametrize(("ablation", "name"), [("shuffled_images", "image"), ("shuffled_captions", "contexts")])
def test_a_shuffle_gives_everyone_concerned_that_of_another(posts, ablation, name):
    shuffled = ablate(posts, ablation)
    assert without(shuffled, name) == without(posts, name)
    before, after = ([getattr(post, name) or None for post in each] for each in (posts, shuffled))
    assert [value is None for value in after] == [value is None for value in before]
    assert Counter(map(str, after)) == Counter(map(str, before))
    assert not any(one == other for one, other in zip(before, after, strict=True) if one is not None)
    assert ablate(posts, ablation) == shuffled
    assert ablate(posts, ablation, seed=1) != shuffled


@pytest.mark.parametrize(
    ("ablation", "name", "empty"), [("blank_images", "image", None), ("blank_captions", "contexts", {})]
)
def test_a_blank_takes_away(posts, ablation, name, empty):
    blanked = ablate(posts, ablation)
    assert without(blanked, name) == without(posts, name)
    assert [getattr(post, name) for post in blanked] == [empty] * 9


@pytest.mark.parametrize("ablation", ["blank_images", "shuffled_images", "blank_captions", "shuffled_captions"])
def test_of_posts_without_images_or_captions_there_is_no_ablation(ablation):
    with pytest.raises(DataError, match=rf"{ablation} changes nothing: none of the 1 posts has an? (image|caption)"):
        ablate([Post("1", ("a",))], ablation)


def test_contexts_that_the_model_does_not_read_are_no_source():
    texts = [{"caption": "a"}, {"ocr": "b"}, {"caption": "c", "ocr": "d"}, {"ocr": "e"}, {"caption": " "}]
    posts = [Post(str(number), ("a",), contexts=contexts) for number, contexts in enumerate(texts)]
    shuffled = ablate(posts, "shuffled_captions", kinds=["caption"])
    assert [post.contexts.get("caption") for post in shuffled] == ["c", None, "a", None, " "]
    with pytest.raises(DataError, match=r"none of the 5 posts has a context that the model reads \(ocr2\)"):
        ablate(posts, "blank_captions", kinds=["ocr2"])


@pytest.mark.filterwarnings("ignore:.*does not read")
def test_a_data_module_ablates_what_its_model_reads(make_model):
    data = DemoPosts(size=16, contexts=["caption"])
    data.preprocessor = make_model(labels=data.labels).preprocessor
    data.ablation = "blank_captions"
    with pytest.raises(DataError, match=r"changes nothing: .* reads \(none\)"):
        data.posts("test")


@pytest.mark.parametrize("count", [1, 3])
def test_one_image_or_caption_cannot_be_shuffled(posts, count):
    same = [replace(posts[1], id=str(index)) for index in range(count)]
    for ablation, what in (("shuffled_images", "an image"), ("shuffled_captions", "a caption")):
        expected = (
            f"{ablation} changes nothing: {count} of the {count + 1} posts have {what}, and no two different ones"
        )
        with pytest.raises(DataError, match=expected):
            ablate([*same, posts[0]], ablation)
    assert ablate([], "shuffled_captions") == []


@pytest.mark.filterwarnings("ignore:.*have no caption")
def test_a_data_module_under_control_changes_what_is_scored_alone():
    data = DemoPosts(size=16, contexts=["caption"])
    train, test = data.posts("train"), data.posts("test")
    data.ablation = "blank_captions"
    assert data.posts("train") == train
    assert all(post.contexts == {} for post in data.posts("test"))
    data.ablation = None
    assert data.posts("test") == test
