import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mner.contexts import ContextWriter
from mner.errors import ConfigurationError
from mner.images import ImageLoader
from mner.posts import Post
from mner.prompting import Prompt, SimilarPosts, entity_solution, listed_solution, solved_examples
from mner.prompting.examples import texts_and_shown, training_posts
from mner.prompting.query import Query
from mner.prompting.similar_posts import nearest
from mner.text import HuggingFaceText
from mner.vision import Grid

TEXTS = ["nike opens in oslo", "nike opens in bergen", "good morning", "good morning all", "kevin durant", "lebron"]


@pytest.fixture(scope="module")
def text_encoder(tiny_text_encoder_folder):
    return HuggingFaceText(str(tiny_text_encoder_folder))


@pytest.fixture(scope="module")
def image_encoder():
    return Grid("resnet10t", weights=None, image_size=32)


@pytest.fixture
def train(tmp_path):
    posts = []
    for index, text in enumerate(TEXTS):
        path = tmp_path / f"{index}.png"
        Image.new("RGB", (32, 32), (40 * index, 255 - 40 * index, 10)).save(path)
        words = tuple(text.split())
        posts.append(Post(f"{index}", words, ("B-ORG",) + ("O",) * (len(words) - 1), image=path))
    return posts


@pytest.mark.parametrize("kinds", ["text", "image", "both"])
def test_neighbours_are_those_of_brute_force(train, text_encoder, image_encoder, kinds):
    encoders = {
        "text_encoder": text_encoder if kinds != "image" else None,
        "image_encoder": image_encoder if kinds != "text" else None,
    }
    similar = SimilarPosts(train, **encoders, batch_size=4)
    vectors = similar.encode(train)
    assert np.allclose((vectors**2).sum(1), 2 if kinds == "both" else 1, atol=1e-5)
    alone = np.concatenate([SimilarPosts([post], **encoders).encode([post]) for post in train])
    assert np.allclose(vectors, alone, atol=1e-4)
    query = Post("q", ("nike", "opens", "in", "rome"), image=train[5].image)
    products = [float(vector @ similar.encode([query])[0]) for vector in vectors]
    expected = sorted(range(len(train)), key=lambda place: -products[place])[:3]
    (found,) = similar.find([query], 3)
    assert [post.id for post in found] == [str(place) for place in reversed(expected)]


def test_never_the_post_itself(train, text_encoder):
    again = Post("9", ("NIKE", "opens", "in", "Oslo"), train[0].tags)
    similar = SimilarPosts([*train, again], text_encoder)
    for post, found in zip(train, similar.find(train, 5), strict=True):
        assert len(found) == 5
        assert all([word.casefold() for word in each.words] != list(post.words) for each in found)
    assert [len(found) for found in similar.find(train, 100)] == [5, 6, 6, 6, 6, 6]


def test_a_missing_image_is_similar_to_nothing(train, image_encoder, tmp_path):
    (tmp_path / "torn.png").write_bytes(b"x")
    posts = [train[0], Post("a", ("a",)), Post("b", ("b",), image=tmp_path / "torn.png")]
    vectors = SimilarPosts(train, None, image_encoder, ImageLoader((tmp_path,))).encode(posts)
    assert [float((vector**2).sum()) for vector in vectors] == [pytest.approx(1, abs=1e-5), 0, 0]


def test_an_index_finds_what_products_find(monkeypatch):
    pytest.importorskip("faiss")
    generator = np.random.default_rng(0)
    vectors, queries = (generator.normal(size=(count, 8)).astype(np.float32) for count in (300, 20))
    by_products = nearest(vectors, queries, 7)
    monkeypatch.setattr("mner.prompting.similar_posts.MAX_PRODUCT", 100)
    assert np.array_equal(nearest(vectors, queries, 7), by_products)


def test_many_posts_need_faiss(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    monkeypatch.setattr("mner.prompting.similar_posts.MAX_PRODUCT", 1)
    with pytest.raises(ConfigurationError, match=r"pip install \"mner\[llm\]\""):
        nearest(np.zeros((2, 3), np.float32), np.zeros((1, 3), np.float32), 1)


def test_something_to_compare_is_needed(train, text_encoder):
    with pytest.raises(ConfigurationError, match="a text encoder, an image encoder"):
        SimilarPosts(train)
    with pytest.raises(ConfigurationError, match="no training post"):
        SimilarPosts([], text_encoder)
    assert SimilarPosts(train, text_encoder).find([], 3) == []


def test_a_test_post_is_no_example(train):
    asked = [Post("other id", train[2].words, image=train[2].image)]
    kept = training_posts(train, asked, entity_solution, is_same_file=False)
    assert [post.id for post in kept] == ["0", "1", "3", "4", "5"]
    assert training_posts(train, train, entity_solution, is_same_file=True) == train
    with pytest.raises(ConfigurationError, match="no training post is left"):
        training_posts(train, train, entity_solution, is_same_file=False)
    with pytest.raises(ConfigurationError, match="no training post is left"):
        training_posts([Post("1", ("a",))], asked, entity_solution, is_same_file=False)


def test_examples_are_solved(train, text_encoder):
    prompt = Prompt.load("entities")
    ((first, second),) = solved_examples(
        [Post("q", ("good", "evening"))], SimilarPosts(train, text_encoder), 2, prompt, entity_solution
    )
    for example in (first, second):
        assert '{"entities": [{"text": ' in example.text
        assert "<post>" in example.text
        assert example.image is None
    with pytest.raises(ConfigurationError, match="shows no examples"):
        solved_examples(train, SimilarPosts(train, text_encoder), 2, Prompt.load("review"), entity_solution)


def test_solutions():
    post = Post("1", ("Nike", "in", "Oslo", "Nike"), ("B-ORG", "O", "B-LOC", "B-ORG"))
    assert entity_solution(post) == ('{"entities": [{"text": "Nike", "type": "ORG"}, {"text": "Oslo", "type": "LOC"}]}')
    assert listed_solution(post) == "Named entities: 1. Nike (ORG) 2. Oslo (LOC)"
    assert listed_solution(Post("1", ("a",), ("O",))) == "Named entities: none"
    assert entity_solution(Post("1", ("a",))) == listed_solution(Post("1", ("a",))) == ""


def test_solutions_have_boxes_in_the_unit_of_the_model():
    post = Post("1", ("Nike", "in", "Oslo"), ("B-ORG", "O", "B-LOC"), boxes={(0, 1): ((0.1234, 0.25, 0.5, 1.0),)})
    found = {
        unit: json.loads(entity_solution(post, unit))["entities"] for unit in ("thousandths", "fractions", "pixels")
    }
    assert [each["boxes"] for each in found["thousandths"]] == [[[123, 250, 500, 1000]], []]
    assert [each["boxes"] for each in found["fractions"]] == [[[0.123, 0.25, 0.5, 1.0]], []]
    unknown = json.loads(entity_solution(replace(post, boxes=None), "fractions"))["entities"]
    assert not [each for each in found["pixels"] + unknown if "boxes" in each]


def test_examples_are_shown_with_their_images(train, text_encoder, tmp_path):
    prompt, load = Prompt.load("entities"), ImageLoader()
    train[-1].image.write_bytes(b"torn")
    similar = SimilarPosts(train, text_encoder)
    chosen = solved_examples([Post("q", ("kevin",))], similar, 6, prompt, entity_solution, load)[0]
    texts, shown = texts_and_shown(chosen)
    assert (texts, len(shown)) == ([], 6)
    query = Query.about(Post("q", ("kevin",)), "Find.", prompt.ask(Post("q", ("kevin",))), load, examples=shown)
    question = query.question(load)
    assert sum(not images for images, _ in question.parts) == 2  # the torn one, and the post has none
    assert [text for _, text in question.parts[:-1]] == [each.text for each in chosen]
    changed = [replace(each, image_hash="0") for each in shown]
    keys = [replace(query, examples=examples).key(Silent()) for examples in (shown, changed, [])]
    assert len(set(keys)) == 3


class Silent(ContextWriter):
    def ask(self, questions):
        return []
