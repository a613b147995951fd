"""Raw text is split by the tokenizer only, and gold spans are snapped outwards to its words."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mner.labels import spans as entities_of
from mner.posts import Post
from mner.span_alignment import align_spans
from mner.word_tokenizers import CharacterTokenizer, TweetTokenizer, WhitespaceTokenizer
from mner.word_tokenizers.raw_posts import raw_post, tokenize_post

TEXT = "so sad #ParisAttacks"


def test_gold_spans_do_not_change_the_words():
    new, annotated = (raw_post(TEXT, TweetTokenizer(), spans, id="1") for spans in (None, [(8, 13, "LOC")]))
    assert new.words == annotated.words == ("so", "sad", "#", "ParisAttacks")
    assert annotated.tags == ("O", "O", "O", "B-LOC")
    assert annotated.spans == ((8, 13, "LOC"),)
    found = align_spans(TEXT, annotated.offsets, annotated.spans)
    assert (found.widened, found.lost) == (((8, 13, "LOC"),), ())


def test_spans_at_word_borders_are_exact():
    text = " Ana Ruiz  in Lugo"
    post = raw_post(text, TweetTokenizer(), [(0, 10, "PER"), (14, 18, "LOC")], id="1")
    assert post.tags == ("B-PER", "I-PER", "O", "B-LOC")
    assert align_spans(text, post.offsets, post.spans).widened == ()


def test_two_spans_in_one_word_keep_the_first():
    found = align_spans("ParisOslo", [(0, 9)], [(5, 9, "LOC"), (0, 5, "LOC")])
    assert [(entity.start, entity.end) for entity in found.entities] == [(0, 1)]
    assert found.lost == ((5, 9, "LOC"),)


def test_a_model_splits_raw_posts_again_and_leaves_given_words():
    post = raw_post(
        "Ana-Ruiz 在北京", TweetTokenizer(), [(0, 8, "PER"), (10, 12, "LOC")], id="1", contexts={"ocr": "x"}
    )
    again = tokenize_post(post, WhitespaceTokenizer())
    assert (again.words, again.tags) == (("Ana-Ruiz", "在北京"), ("B-PER", "B-LOC"))
    assert (again.contexts, again.is_raw, again.spans) == ({"ocr": "x"}, False, post.spans)
    assert tokenize_post(again, CharacterTokenizer()) is again
    given_words = Post("1", ("Ana-Ruiz",), text="Ana-Ruiz")
    assert tokenize_post(given_words, TweetTokenizer()) is given_words


@given(
    st.text(alphabet="aA #@北.", min_size=1, max_size=20),
    st.lists(st.integers(0, 20), min_size=2, max_size=8, unique=True),
    st.sampled_from([TweetTokenizer(), WhitespaceTokenizer(), CharacterTokenizer()]),
)
def test_no_span_vanishes_uncounted(text, edges, tokenizer):
    edges = sorted(edge for edge in edges if edge <= len(text))
    spans = [(start, end, "LOC") for start, end in zip(edges[::2], edges[1::2], strict=False)]
    post = raw_post(text, tokenizer, spans, id="1")
    found = align_spans(text, post.offsets, spans)
    assert len(found.entities) + len(found.lost) == len(spans)
    assert [entity.span for entity in entities_of(post.tags, "strict")] == [entity.span for entity in found.entities]
    for entity in found.entities:
        start, end = post.offsets[entity.start][0], post.offsets[entity.end - 1][1]
        assert any((start <= left and right <= end) or text[left:right].strip() for left, right, _ in spans)


@pytest.mark.parametrize("tokenizer", [TweetTokenizer(split_marks=False), WhitespaceTokenizer(), CharacterTokenizer()])
def test_tokenizers_pickle(tokenizer):
    assert pickle.loads(pickle.dumps(tokenizer)).offsets(TEXT) == tokenizer.offsets(TEXT)


def test_the_tokenizer_of_spacy():
    pytest.importorskip("spacy")
    from mner.word_tokenizers import SpacyTokenizer

    tokenizer = pickle.loads(pickle.dumps(SpacyTokenizer("en")))
    text = "Riga's 52\u200b"
    assert [text[start:end] for start, end in tokenizer.offsets(text)][:2] == ["Riga", "'s"]
