"""Entities read off label indices, against the spans of the tags one by one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mner.batch import Batch
from mner.decoders import CRF, Softmax
from mner.decoders.entities import find_entities
from mner.labels import labels_for, spans
from mner.posts import Post

SCHEMES = {scheme: labels_for(("PER", "LOC"), scheme) for scheme in ("BIO", "BIOES")}


def batch_of(posts):
    lengths = torch.tensor([len(post.words) for post in posts])
    mask = torch.arange(max(lengths.max().item(), 0)) < lengths[:, None]
    nothing = torch.zeros(len(posts), 1, dtype=torch.long)
    subwords = ("input_ids", "attention_mask", "token_type_ids", "word_slots", "word_starts")
    rows = {"post_of_row": nothing[:, 0], "first_row": nothing[:, 0]}
    return Batch(posts=posts, word_mask=mask, **dict.fromkeys(subwords, nothing), **rows)


def bound(decoder, labels):
    decoder.bind(labels)
    return decoder.eval()


@settings(deadline=None, max_examples=100)
@given(st.data(), st.sampled_from(["BIO", "BIOES"]), st.sampled_from([CRF, Softmax]))
def test_finds_what_spans_finds(data, scheme, decoder):
    labels = SCHEMES[scheme]
    rows = data.draw(st.lists(st.lists(st.integers(0, len(labels) - 1), max_size=9), min_size=1, max_size=5))
    posts = [Post(str(index), tuple(f"w{place}" for place in range(len(row)))) for index, row in enumerate(rows)]
    batch = batch_of(posts)
    tags = torch.randint(len(labels), batch.word_mask.shape)  # what stands in the padding must not matter
    for index, row in enumerate(rows):
        tags[index, : len(row)] = torch.tensor(row)
    found = find_entities(bound(decoder(), labels), batch, torch.randn(*tags.shape, len(labels)), tags)
    assert [[entity.span for entity in entities] for entities in found] == [
        [entity.span for entity in spans([labels[tag] for tag in row])] for row in rows
    ]
    for post, entities in zip(posts, found, strict=True):
        assert all(entity.text == post.surface(entity.start, entity.end) for entity in entities)


@pytest.mark.parametrize("decoder", [CRF, Softmax])
def test_the_confidence_is_the_decoders(decoder):
    torch.manual_seed(1)
    labels = SCHEMES["BIO"]
    posts = [Post("1", ("a",) * 7), Post("2", ("b",) * 4)]
    batch, decoder = batch_of(posts), bound(decoder(), labels)
    emissions, tags = torch.randn(2, 7, len(labels)), torch.randint(1, len(labels), (2, 7))
    expected = decoder.confidence(emissions, batch.word_mask, tags)
    found = find_entities(decoder, batch, emissions, tags)
    assert sum(map(len, found)) > 3
    for row, entities in zip(expected, found, strict=True):
        for entity in entities:
            assert entity.confidence == pytest.approx(row[entity.start].item())
            assert 0 < entity.confidence <= 1


def test_characters_are_those_of_the_raw_text():
    text = "to  Oracle\tArena !"
    post = Post("1", ("to", "Oracle", "Arena", "!"), text=text, offsets=((0, 2), (4, 10), (11, 16), (17, 18)))
    labels = SCHEMES["BIO"]
    tags = torch.tensor([[0, labels.index("B-LOC"), labels.index("I-LOC"), 0]])
    ((entity,),) = find_entities(bound(CRF(), labels), batch_of([post]), torch.zeros(1, 4, len(labels)), tags)
    assert entity.characters == (4, 16)
    assert entity.text == text[4:16] == "Oracle\tArena"


def test_posts_without_words_have_no_entities():
    labels = SCHEMES["BIO"]
    posts = [Post("1", ()), Post("2", ())]
    emissions, tags = torch.zeros(2, 0, len(labels)), torch.zeros(2, 0, dtype=torch.long)
    assert find_entities(bound(CRF(), labels), batch_of(posts), emissions, tags) == [[], []]
