"""Posts to a batch: tags by the model's label list, characters, images, and faults that name the post."""

import pickle

import pytest
import torch

from mner.batch import ImageFeatures
from mner.collate import Collator
from mner.errors import LabelError
from mner.posts import Post
from mner.text import CharacterCNN, HuggingFaceText


@pytest.fixture
def subword_tokenizer(tiny_text_encoder_folder):
    return HuggingFaceText(str(tiny_text_encoder_folder)).subword_tokenizer


def test_tags_are_places_in_the_label_list(subword_tokenizer, sample_posts, labels):
    shuffled = labels[::-1]
    batch = Collator(subword_tokenizer, shuffled)(sample_posts)
    assert batch.tags.shape == batch.word_mask.shape == (5, 7)
    for post, row, mask in zip(sample_posts, batch.tags.tolist(), batch.word_mask.tolist(), strict=True):
        assert [shuffled[index] for index, real in zip(row, mask, strict=True) if real] == list(post.tags)
        assert not any(index for index, real in zip(row, mask, strict=True) if not real)
    assert list(batch.posts) == sample_posts


def test_no_tags_unless_every_post_has_them(subword_tokenizer, sample_posts, labels):
    assert Collator(subword_tokenizer, labels)([*sample_posts, Post("new", ("a",))]).tags is None


def test_a_tag_outside_the_labels_names_the_post(subword_tokenizer, sample_posts, labels):
    odd = Post("odd_one", ("a", "b"), ("O", "B-ORGANISATION"))
    with pytest.raises(LabelError, match=r"'odd_one'.*'B-ORGANISATION' \(close: .*B-ORG"):
        Collator(subword_tokenizer, labels)([*sample_posts, odd])


def test_posts_without_words_among_others_and_alone(subword_tokenizer, sample_posts, labels):
    empty = Post("empty", (), ())
    batch = Collator(subword_tokenizer, labels, CharacterCNN())([empty, *sample_posts])
    assert not batch.word_mask[0].any()
    assert torch.equal(batch.tags[1:], Collator(subword_tokenizer, labels)(sample_posts).tags)
    alone = Collator(subword_tokenizer, labels, CharacterCNN())([empty])
    assert alone.tags.shape == alone.word_mask.shape == alone.characters.shape[:2] == (1, 1)
    assert not alone.word_mask.any()


def test_images_come_through(subword_tokenizer, sample_posts, labels):
    features = ImageFeatures(torch.zeros(5, 1, 2), torch.ones(5, 1, dtype=torch.bool), torch.zeros(5, 2))
    mask = torch.tensor([True, False, True, True, True])
    seen = []
    collator = Collator(
        subword_tokenizer, labels, images=lambda posts: seen.append(posts) or ("pixels", features, mask)
    )
    batch = collator(sample_posts)
    assert (batch.pixels, batch.image, batch.image_mask) == ("pixels", features, mask)
    assert seen == [sample_posts]


def test_lengths_are_those_of_the_word_pieces(subword_tokenizer, sample_posts, labels):
    batch = Collator(subword_tokenizer, labels)(sample_posts)
    assert Collator(subword_tokenizer, labels).lengths(sample_posts) == batch.attention_mask.sum(dim=1).tolist()


def test_goes_to_a_worker_without_weights(subword_tokenizer, sample_posts, labels):
    small, large = (Collator(subword_tokenizer, labels, CharacterCNN(hidden_size=size)) for size in (4, 4000))
    assert len(pickle.dumps(large)) == len(pickle.dumps(small))
    copy, batch = pickle.loads(pickle.dumps(small))(sample_posts), small(sample_posts)
    assert all(
        torch.equal(value, getattr(copy, name))
        for name, value in vars(batch).items()
        if isinstance(value, torch.Tensor)
    )
