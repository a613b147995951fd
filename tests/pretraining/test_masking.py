"""Masks: their rates, whole words, what is never hidden, and a plain loop that finds the same."""

from dataclasses import replace

import pytest
import torch

from mner.errors import ConfigurationError
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.pretraining.masking import IGNORE_INDEX, SubwordMasking
from mner.testing import tiny_text_encoder
from mner.text import HuggingFaceText

SPECIAL_IDS = range(5)


@pytest.fixture(scope="module")
def encoder(tiny_text_encoder_folder):
    return HuggingFaceText(str(tiny_text_encoder_folder))


@pytest.fixture
def batch(encoder, sample_posts):
    return Preprocessor(encoder.subword_tokenizer, contexts=["caption"])(sample_posts)


def words_of(post):
    """The words that the encoder reads of a post and of its context."""
    return [*post.words, *(word for text in post.contexts.values() for word in text.split())]


def loop(masking, batch, noise):
    """The same, one piece after the other: ids, targets."""
    ids, targets = batch.input_ids.clone(), torch.full_like(batch.input_ids, IGNORE_INDEX)
    ordinary = [index for index in range(len(masking.is_ordinary)) if index not in SPECIAL_IDS]
    for row in range(len(ids)):
        first = 0
        for place in range(ids.shape[1]):
            if batch.word_starts[row, place] or not masking.whole_words:
                first = place
            if batch.input_ids[row, place] in SPECIAL_IDS or noise[row, first, 0] >= masking.rate:
                continue
            targets[row, place] = batch.input_ids[row, place]
            _, fate, other = noise[row, place].tolist()
            if fate < 0.8:
                ids[row, place] = 4
            elif fate < 0.9:
                ids[row, place] = ordinary[int(other * len(ordinary))]
    return ids, targets


@pytest.mark.parametrize("whole_words", [False, True])
def test_equals_a_loop(encoder, batch, whole_words):
    masking = SubwordMasking(encoder, rate=0.5, whole_words=whole_words)
    for _ in range(20):
        noise = masking.training_noise(batch)
        for found, expected in zip(masking(batch, noise), loop(masking, batch, noise), strict=True):
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("whole_words", [False, True])
def test_rates(encoder, batch, whole_words):
    torch.manual_seed(0)
    masking = SubwordMasking(encoder, whole_words=whole_words)
    shares = torch.zeros(5)
    for _ in range(3000):
        ids, targets = masking(batch, masking.training_noise(batch))
        chosen = targets != IGNORE_INDEX
        same = chosen & (ids == batch.input_ids)
        masked = chosen & (ids == 4)
        ordinary = batch.input_ids > 4
        shares += torch.stack([part.sum() for part in (ordinary, chosen, masked, same, chosen & ~masked & ~same)])
    ordinary, chosen, masked, same, replaced = shares.tolist()
    assert chosen / ordinary == pytest.approx(0.15, abs=0.005)
    assert masked / chosen == pytest.approx(0.8, abs=0.01)
    vocabulary = len(masking.ordinary_ids)
    assert same / chosen == pytest.approx(0.1 + 0.1 / vocabulary, abs=0.01)
    assert replaced / chosen == pytest.approx(0.1 - 0.1 / vocabulary, abs=0.01)


def test_special_pieces_and_padding_are_never_hidden_nor_put_in(encoder, batch):
    masking = SubwordMasking(encoder, rate=0.999)
    ids, targets = masking(batch, masking.training_noise(batch))
    special = batch.input_ids <= 4
    assert special.any()
    assert (batch.attention_mask == 0).any()
    torch.testing.assert_close(ids[special], batch.input_ids[special])
    assert (targets[special] == IGNORE_INDEX).all()
    assert (ids[~special] >= 4).all()


def test_whole_words_are_hidden_as_a_whole_in_posts_and_contexts(encoder, sample_posts, batch):
    masking = SubwordMasking(encoder, rate=0.4, whole_words=True)
    seen = set()
    for _ in range(50):
        _, targets = masking(batch, masking.training_noise(batch))
        for row, post in enumerate(sample_posts):
            hidden = (targets[row] != IGNORE_INDEX)[batch.attention_mask[row].bool()]
            ordinary = batch.input_ids[row][batch.attention_mask[row].bool()] > 4
            place = 0
            for word in words_of(post):
                pieces = encoder.subword_tokenizer.tokenizer.encode(word, add_special_tokens=False).tokens or ["[UNK]"]
                while not ordinary[place] and pieces != ["[UNK]"]:
                    place += 1  # a separator
                fates = set(hidden[place : place + len(pieces)].tolist())
                assert len(fates) == 1, word
                seen |= fates
                place += len(pieces) if pieces != ["[UNK]"] else 0
    assert seen == {True, False}


def test_validation_masks_are_a_posts_own(encoder, sample_posts):
    masking, collate = SubwordMasking(encoder), Preprocessor(encoder.subword_tokenizer, contexts=["caption"])
    together = masking.validation_noise(collate(sample_posts))
    for row, post in enumerate(sample_posts):
        alone = masking.validation_noise(collate([post]))
        torch.testing.assert_close(together[row, : alone.shape[1]], alone[0], rtol=0, atol=0)
    assert together[:, 0].unique(dim=0).shape[0] == len(sample_posts)
    other = SubwordMasking(encoder, validation_seed=1).validation_noise(collate(sample_posts))
    assert (other != together).any()


def test_the_windows_of_a_long_post_have_masks_of_their_own(encoder):
    post = Post("long", ("abcdefgh",) * 30)
    batch = Preprocessor(encoder.subword_tokenizer, contexts=["caption"])([post, replace(post, id="other")])
    assert len(batch.input_ids) > 3
    noise = SubwordMasking(encoder).validation_noise(batch)
    assert noise[:, 0].unique(dim=0).shape[0] == len(noise)
    assert batch.word_starts.sum(dim=1).tolist() == [
        len([piece for piece in row if 5 <= piece < 31]) for row in batch.input_ids.tolist()
    ]


def test_what_cannot_be_masked_is_refused(encoder):
    for rate in (0.0, 1.0):
        with pytest.raises(ConfigurationError, match=rf"expected mask_rate in \(0, 1\), got {rate}"):
            SubwordMasking(encoder, rate=rate)
    with pytest.raises(ConfigurationError, match="tokenizer has no mask token"):
        SubwordMasking(tiny_text_encoder())
