"""Decoder-only models that are read in both directions: which heed it, what a word then sees, and their checkpoints."""

import json

import pytest
import torch
from test_model_families import REFUSED, SIZES
from torch.utils.data import DataLoader

from mner.batch import Batch
from mner.errors import ConfigurationError
from mner.fusion import TextOnly
from mner.inference.load import load_model
from mner.labels import labels_for
from mner.posts import Post
from mner.text import HuggingFaceText

pytestmark = pytest.mark.filterwarnings("ignore")
CAUSAL = [name for name, (*_, complaint) in REFUSED.items() if complaint == "causal"]
POST = Post("1", ("ab", "cde"), contexts={"caption": "a bee", "ocr": "f"})


def encode(encoder, posts):
    batch = Batch(posts=posts, **encoder.subword_tokenizer(posts))
    with torch.no_grad():
        return encoder.eval()(batch).words


@pytest.mark.parametrize("name", sorted(set(CAUSAL) - {"Mamba", "CLIP's text part"}))
def test_a_word_sees_what_follows(save, name):
    kind, config, _ = REFUSED[name]
    encoder = HuggingFaceText(save(kind, config), bidirectional=True)
    first, other = (encode(encoder, [Post("1", ("ab", "cde", last))])[0, 0] for last in ("f", "g"))
    assert (first - other).abs().max() > 1e-6 * first.abs().max()
    alone = encode(encoder, [POST])
    together = encode(encoder, [Post("2", tuple("abcdefg"), contexts={"caption": "a b c d e f"}), POST])
    torch.testing.assert_close(together[1:, :2], alone, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_with_every_kernel(save, kernel):
    encoder = HuggingFaceText(save(*REFUSED["Llama"][:2]), bidirectional=True, attn_implementation=kernel)
    first, other = (encode(encoder, [Post("1", ("ab", last))])[0, 0] for last in ("f", "g"))
    assert (first - other).abs().max() > 1e-4


def test_contexts_come_before_the_post(save):
    encoder = HuggingFaceText(save(*REFUSED["Llama"][:2]), bidirectional=True)
    tokenizer = encoder.subword_tokenizer
    with_contexts, plain = tokenizer([POST]), tokenizer([Post("1", POST.words)])
    slots = with_contexts["word_slots"][0]
    words = slots < 2
    assert words.nonzero().min() > with_contexts["word_starts"][0].nonzero().min()  # the contexts' words begin first
    own, before = with_contexts["input_ids"][0], plain["input_ids"][0]
    torch.testing.assert_close(own[words], before[plain["word_slots"][0] < 2])
    pieces = tokenizer.tokenizer.encode(["a", "bee"], is_pretokenized=True, add_special_tokens=False).ids
    assert own.tolist()[1 : 1 + len(pieces)] == pieces
    long = Post("2", tuple("abcdefgh" * 10), contexts={"caption": "f g h"})
    assert tokenizer([long])["word_slots"].unique().tolist() == list(range(81))  # in windows, every word once


@pytest.mark.parametrize(
    ("kind", "config", "complaint"),
    [
        ("bert", SIZES, "a BertModel, which is already bidirectional; leave bidirectional out"),
        (*REFUSED["Mamba"][:2], "a MambaModel, which is causal: .* bidirectional has no effect on it"),
        (
            "gpt_neo",
            {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "attention_types": [[["global"], 1]]},
            "causal: .* bidirectional has no effect on it",
        ),
    ],
)
def test_a_model_that_it_changes_nothing_for_is_refused(save, kind, config, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        HuggingFaceText(save(kind, config), bidirectional=True)


def test_without_the_option_the_remedy_is_named(save):
    with pytest.raises(ConfigurationError, match=r"causal: .* set bidirectional to true"):
        HuggingFaceText(save(*REFUSED["GPT-2"][:2]))
    with pytest.raises(ConfigurationError, match=r"causal: .* or set is_decoder to false in its config\.json"):
        HuggingFaceText(save("bert", {**SIZES, "is_decoder": True}))


def test_the_option_is_not_named_where_it_would_be_refused(save):
    with pytest.raises(ConfigurationError, match=r"which is causal: .* follow the post; choose an encoder"):
        HuggingFaceText(save(*REFUSED["Mamba"][:2]))


@pytest.mark.parametrize("name", ["GPT-2", "Qwen"])
def test_it_is_trained_and_a_checkpoint_reads_in_both_directions(save, make_trainer, sample_posts, tmp_path, name):
    encoder = HuggingFaceText(save(*REFUSED[name][:2]), bidirectional=True, gradient_checkpointing=True)
    model = TextOnly(labels=labels_for(("PER", "LOC", "ORG", "MISC")), text_encoder=encoder, contexts=["caption"])
    trainer = make_trainer(max_steps=2, max_epochs=-1)
    trainer.fit(model, DataLoader(sample_posts, batch_size=5, collate_fn=model.preprocessor))
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = load_model(tmp_path / "model.ckpt")
    batch = model.preprocessor(sample_posts)
    with torch.no_grad():
        assert torch.equal(loaded(batch), model.eval()(batch))
    described = loaded.text_encoder.checkpoint_arguments()
    assert described["bidirectional"] is True
    assert json.dumps(described["architecture"])
