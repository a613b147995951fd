"""Pieces are averaged into words as a loop would."""

import pytest
import torch

from mner.batch import Batch
from mner.text.encoder import TextEncoder, pool_words


def test_pooling_equals_a_loop():
    generator = torch.Generator().manual_seed(0)
    pieces = torch.randn(3, 7, 4, generator=generator, requires_grad=True)
    slots = torch.randint(0, 7, (3, 7), generator=generator)  # 2 posts of 3 words, and 6 for what is thrown away
    slots[slots == 4] = 6
    rows = torch.zeros(3, dtype=torch.long)
    mask = torch.tensor([[True] * 3, [True, False, True]])
    unused = ("input_ids", "attention_mask", "token_type_ids", "word_starts", "post_of_row", "first_row")
    batch = Batch(posts=[], word_slots=slots, word_mask=mask, **dict.fromkeys(unused, rows))
    found = pool_words(pieces, batch)
    for slot in range(6):
        own = pieces[slots == slot]
        expected = own.mean(dim=0) if slot != 4 else torch.zeros(4)
        torch.testing.assert_close(found[slot // 3, slot % 3], expected)
    found.sum().backward()
    assert (pieces.grad[slots == 6] == 0).all()


def test_the_contract_is_abstract():
    with pytest.raises(TypeError, match="forward"):
        TextEncoder()
