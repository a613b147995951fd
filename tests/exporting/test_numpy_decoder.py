"""The NumPy decoder against the decoders in PyTorch, on random scores."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from mner.batch import Batch
from mner.decoders import CRF, Softmax
from mner.decoders.entities import find_entities
from mner.exporting.numpy_decoder import NumpyDecoder, character_ids
from mner.exporting.onnx_export import CHAIN, decoder_tables
from mner.labels import labels_for
from mner.posts import Post
from mner.text import characters

LENGTHS = (9, 1, 0, 4)


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
@pytest.mark.parametrize(
    "decoder",
    [CRF(), CRF(constraints="decode", temperature=1.7), Softmax(), Softmax(constraints="decode", temperature=0.6)],
    ids=["crf", "constrained crf", "softmax", "constrained softmax"],
)
def test_tags_marginals_and_confidences_are_those_of_the_decoder(decoder, scheme, tmp_path):
    torch.manual_seed(0)
    decoder = type(decoder)(constraints=decoder.constraints, temperature=decoder.temperature)
    decoder.bind(labels_for(("PER", "LOC"), scheme))
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter)
    np.savez(tmp_path / CHAIN, **decoder_tables(decoder))
    numpy_decoder = NumpyDecoder(tmp_path / CHAIN)
    emissions = 2 * torch.randn(len(LENGTHS), max(LENGTHS), len(decoder.labels))
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    tags, marginals = decoder.decode(emissions, mask), decoder.marginals(emissions, mask).detach()
    posts = [Post(str(length), ("a",) * length) for length in LENGTHS]
    nothing = dict.fromkeys(
        ("input_ids", "attention_mask", "token_type_ids", "word_slots", "word_starts", "post_of_row", "first_row")
    )
    found = find_entities(decoder, Batch(posts=posts, word_mask=mask, **nothing), emissions, tags)
    assert sum(map(len, found)) > 3
    for row, length in enumerate(LENGTHS):
        own = emissions[row, :length].numpy()
        assert numpy_decoder.tags(own) == [decoder.labels[tag] for tag in tags[row, :length]]
        np.testing.assert_allclose(numpy_decoder.marginals(own), marginals[row, :length], atol=1e-5)
        entities = numpy_decoder.entities(own)
        assert [each[:3] for each in entities] == [each.span for each in found[row]]
        assert [each.confidence for each in entities] == pytest.approx(
            [each.confidence for each in found[row]], abs=1e-5
        )


def test_character_ids_are_those_of_training():
    words = ("Oslo", "é", "😍日", "Donaudampfschifffahrtsgesellschaft")
    for most in (2, 7, 20, 50):
        np.testing.assert_array_equal(
            character_ids(words, most), characters.character_ids([Post("1", words)], most).numpy()
        )


def test_it_needs_numpy_only():
    code = "import sys; import mner.exporting.numpy_decoder; print({'torch', 'onnx', 'mner.posts'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout
        == "set()\n"
    )
