"""Character ids and features against loops over words and characters."""

import pytest
import torch

from mner.errors import ConfigurationError
from mner.posts import Post
from mner.text import CharacterCNN
from mner.text.characters import character_ids

WORDS = [
    ("Kevin", "@KDTrey5", "a", "été", "Ñandú"),
    ("Москва", "東京タワー", "🔥🔥", "\ud83d", "\ufe0f", "\x00"),
    (),
    ("Donaudampfschifffahrtsgesellschaft", "x" * 500, "https://t.co/abcdefg", "abcdefghijkl"),
]
POSTS = [Post(str(index), words) for index, words in enumerate(WORDS)]


def ids_by_loop(word, max_characters):
    if len(word) > max_characters:
        front = max_characters // 2
        word = word[:front] + word[len(word) - (max_characters - front) :]
    return [1 + ord(letter) if ord(letter) < 256 else 257 + ord(letter) % 256 for letter in word]


@pytest.mark.parametrize("max_characters", [2, 7, 20, 600])
def test_ids_are_those_of_a_loop(max_characters):
    table = character_ids(POSTS, max_characters)
    assert table.shape == (4, 6, min(max_characters, 500))
    for row, words in zip(table.tolist(), WORDS, strict=True):
        for found, word in zip(row, [*words, *[""] * (6 - len(words))], strict=True):
            expected = ids_by_loop(word, max_characters)
            assert found == expected + [0] * (len(found) - len(expected))


def test_a_long_word_keeps_its_head_and_its_tail():
    assert character_ids([Post("1", ("abcdefghi",))], 4).tolist() == [[[1 + ord(letter) for letter in "abhi"]]]


@pytest.mark.parametrize("traced", [False, True])  # as on a GPU, where the words are not packed
def test_features_are_those_of_a_loop_whatever_is_beside(traced, monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: traced)
    characters = CharacterCNN(hidden_size=5, embedding_size=4, kernel_size=5, max_characters=30).eval()
    weight, bias = characters.convolution.weight, characters.convolution.bias
    with torch.no_grad():
        features = characters(character_ids(POSTS, 30))
        for post, words in enumerate(WORDS):
            for place, word in enumerate(words):
                letters = characters.embedding(torch.tensor([0, 0, *ids_by_loop(word, 30), 0, 0]))
                windows = [letters[start : start + 5].T for start in range(len(letters) - 4)]
                expected = torch.stack([(weight * window).sum(dim=(1, 2)) + bias for window in windows])
                torch.testing.assert_close(features[post, place], expected.relu().amax(dim=0))
            assert not features[post, len(words) :].any()


def test_case_tells():
    characters = CharacterCNN().eval()
    upper, lower = characters(character_ids([Post("1", ("May", "may"))], 20))[0]
    assert not torch.allclose(upper, lower)


def test_posts_without_words():
    table = character_ids([Post("1", ()), Post("2", ())], 20)
    assert table.tolist() == [[[0]], [[0]]]
    assert CharacterCNN()(table).shape == (2, 1, 64)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"kernel_size": 2}, "expected an odd characters.kernel_size, got 2"),
        ({"max_characters": 1}, "expected characters.max_characters >= 2, got 1"),
        ({"dropout": 3.0}, r"expected characters.dropout in \[0, 1\), got 3.0"),
        ({"hidden_size": 0}, "expected characters.hidden_size >= 1, got 0"),
    ],
)
def test_arguments_out_of_range(arguments, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        CharacterCNN(**arguments)
