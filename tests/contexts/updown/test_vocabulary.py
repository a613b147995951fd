import pytest

from mner.contexts.updown.vocabulary import END, UNKNOWN, Vocabulary, common_words, split
from mner.errors import ConfigurationError


def test_captions_go_to_indices_and_back():
    vocabulary = Vocabulary(["a", "dog", "runs"])
    indices = vocabulary.encode(["A dog runs.", "a cat"])
    assert indices.tolist() == [[3, 4, 5, END], [3, UNKNOWN, END, END]]
    assert [vocabulary.decode(row) for row in indices.tolist()] == ["a dog runs", "a <unk>"]
    assert len(vocabulary) == 6


def test_words_are_split_without_punctuation():
    assert split("A man's T-shirt , stock photo!") == ["a", "man's", "t-shirt", "stock", "photo"]


def test_rare_words_are_left_out_and_the_order_is_fixed():
    assert common_words(["a dog", "a cat", "the dog", "a dog"], min_count=2) == ["a", "dog"]
    assert common_words(["b a", "a b"], min_count=1) == ["a", "b"]


@pytest.mark.parametrize("words", [[], ["dog", "dog"], ["<end>"]])
def test_bad_word_lists_are_refused(words):
    with pytest.raises(ConfigurationError, match="distinct words"):
        Vocabulary(words)
