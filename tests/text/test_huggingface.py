"""Word vectors against the raw transformers model, looped over word by word."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from mner.components import from_config, to_config
from mner.errors import ConfigurationError, MNERError, WeightsNotFoundError
from mner.git_lfs import BEGINNING
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.text import HuggingFaceText
from mner.vision.backbones import read_weights

pytestmark = pytest.mark.filterwarnings("ignore:post .* has no (caption|objects), which the model was trained to read")

FAMILIES = ["bert", "distilbert", "electra", "albert", "mpnet", "roberta", "deberta", "xlm-roberta", "deberta-v2"]
POSTS = [
    Post("short", ("RT", "a", "Nike")),
    Post("caption", ("Kevin", "Durant", "in", "an", "Arena"), contexts={"caption": "a man and a ball"}),
    Post("two contexts", ("an", "ant"), contexts={"caption": "a cat", "objects": "cat sofa"}),
    Post("long", ("the", "quick", "brown", "fox", "jumps", "over", "a", "dog", "again")),
]


@pytest.fixture(params=FAMILIES)
def each_family(request, family):
    return family(request.param)


def encode(encoder, posts):
    encoder.eval()
    with torch.no_grad():
        return encoder(Preprocessor(encoder.subword_tokenizer, ["O"], contexts=("caption", "objects"))(posts))


def word_by_word(family, post, pooling):
    """Word vectors of one post, from transformers' own tokenizer and model."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(family.folder)
    model = AutoModel.from_pretrained(family.folder).eval()
    words = [family.space + word for word in post.words]
    context = f" {tokenizer.sep_token} ".join(post.contexts.values()).split()
    context = [word if word == tokenizer.sep_token else family.space + word for word in context]
    encoded = tokenizer(
        *([words, context] if context else [words]),
        is_split_into_words=True,
        return_token_type_ids=True,
        return_tensors="pt",
    )
    inputs = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
    if family.segments:
        inputs["token_type_ids"] = encoded["token_type_ids"]
    with torch.no_grad():
        pieces = model(**inputs).last_hidden_state[0]
    vectors = []
    for word in range(len(words)):
        where = zip(encoded.word_ids(), encoded.sequence_ids(), strict=True)
        own = [place for place, found in enumerate(where) if found == (word, 0)]
        vectors.append(pieces[own[0]] if pooling == "first" else pieces[own].mean(dim=0))
    return torch.stack(vectors), pieces[0]


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_word_vectors_are_those_of_the_raw_model(each_family, pooling):
    features = encode(HuggingFaceText(str(each_family.folder), pooling=pooling), POSTS)
    for row, post in enumerate(POSTS):
        words, pooled = word_by_word(each_family, post, pooling)
        torch.testing.assert_close(features.words[row, : len(words)], words, rtol=0, atol=1e-5)
        torch.testing.assert_close(features.pooled[row], pooled, rtol=0, atol=1e-5)
        assert not features.words[row, len(words) :].any()
        assert features.mask[row].tolist() == [True] * len(words) + [False] * (9 - len(words))


def test_batch_order_and_padding_change_nothing(each_family):
    encoder = HuggingFaceText(str(each_family.folder))
    together, reversed_ = encode(encoder, POSTS), encode(encoder, POSTS[::-1])
    for row, post in enumerate(POSTS):
        alone = encode(encoder, [post])
        for features, place in ((together, row), (reversed_, len(POSTS) - 1 - row)):
            torch.testing.assert_close(features.words[place, : len(post.words)], alone.words[0], rtol=0, atol=1e-5)
            torch.testing.assert_close(features.pooled[place], alone.pooled[0], rtol=0, atol=1e-5)


def test_a_long_post_uses_every_position_and_no_more(each_family):
    encoder = HuggingFaceText(str(each_family.folder))
    features = encode(encoder, [Post("1", tuple("abcdefghij" * 20)), POSTS[0]])
    assert features.words[0].any(dim=-1).all()
    assert encoder.subword_tokenizer([Post("1", tuple("abcdefghij" * 20))])["input_ids"].shape[1] >= 60


@pytest.mark.parametrize("name", ["bert", "roberta", "xlm-roberta", "mpnet"])
def test_a_checkpoint_needs_no_source_of_weights(name, family, tmp_path):
    folder = shutil.copytree(family(name).folder, tmp_path / "encoder")
    encoder = HuggingFaceText(str(folder), pooling="first", max_length=40)
    expected = encode(encoder, POSTS)
    config, state = json.loads(json.dumps(to_config(encoder))), encoder.state_dict()
    shutil.rmtree(folder)
    rebuilt = from_config(config)
    rebuilt.load_state_dict(state)
    found = encode(rebuilt, POSTS)
    assert torch.equal(found.words, expected.words)
    assert torch.equal(found.pooled, expected.pooled)
    assert to_config(rebuilt) == config
    assert rebuilt.subword_tokenizer.options.max_length == 40


def test_vanishing_words_are_read_as_unknown(tiny_text_encoder_folder):
    encoder = HuggingFaceText(str(tiny_text_encoder_folder))
    vanishing = ("\ufe0f", "a", "\u200b", "\u00ad", "b\u200d")
    found = encode(encoder, [Post("1", vanishing)])
    assert encoder.subword_tokenizer([Post("1", vanishing)])["input_ids"].tolist() == [[2, 1, 5, 1, 1, 6, 3]]
    assert found.words.any(dim=-1).all()


@pytest.mark.parametrize("words", [("\U0001f525", "\U0001f525"), ("\ufe0f",), ("\ud83d", "a"), ("",)])
def test_odd_words_have_vectors(each_family, words):
    features = encode(HuggingFaceText(str(each_family.folder)), [Post("1", words)])
    assert features.words.shape == (1, len(words), 16)
    assert features.words.any(dim=-1).all()


def test_a_post_without_words_disturbs_no_other(each_family):
    encoder = HuggingFaceText(str(each_family.folder))
    empty, captioned = Post("empty", ()), Post("captioned", (), contexts={"caption": "a dog " * 100})
    features = encode(encoder, [empty, POSTS[0], captioned])
    assert features.mask.tolist() == [[False] * 3, [True] * 3, [False] * 3]
    torch.testing.assert_close(features.words[1], encode(encoder, [POSTS[0]]).words[0], rtol=0, atol=1e-5)
    assert features.pooled.isfinite().all()
    alone = encode(encoder, [empty, captioned])
    assert (alone.words.shape, alone.mask.any().item()) == ((2, 1, 16), False)


def test_every_trainable_parameter_gets_a_gradient(each_family):
    encoder = HuggingFaceText(str(each_family.folder))
    features = encoder(Preprocessor(encoder.subword_tokenizer, ["O"], contexts=("caption", "objects"))(POSTS))
    (features.words.square().sum() + features.pooled.square().sum()).backward()
    assert [name for name, parameter in encoder.named_parameters() if parameter.grad is None] == []


def test_starts_in_training_mode_and_full_precision(tiny_text_encoder_folder, tmp_path):
    from transformers import AutoModel

    folder = shutil.copytree(tiny_text_encoder_folder, tmp_path / "half")
    AutoModel.from_pretrained(folder).half().save_pretrained(folder)
    encoder = HuggingFaceText(str(folder))
    assert encoder.model.training
    rebuilt = from_config(to_config(encoder))
    assert {parameter.dtype for part in (encoder, rebuilt) for parameter in part.parameters()} == {torch.float32}


def test_frozen_embeddings(tiny_text_encoder_folder):
    encoder = HuggingFaceText(str(tiny_text_encoder_folder), freeze_embeddings=True)
    frozen = [name for name, parameter in encoder.named_parameters() if not parameter.requires_grad]
    assert frozen == ["model.embeddings.word_embeddings.weight"]


@pytest.mark.parametrize(("name", "allowed"), [("bert", 64), ("roberta", 62), ("mpnet", 62), ("deberta-v2", 64)])
def test_max_length_is_what_the_model_has_positions_for(family, name, allowed):
    folder = str(family(name).folder)
    assert HuggingFaceText(folder).subword_tokenizer.options.max_length == allowed
    for wrong in (7, allowed + 1):
        with pytest.raises(ConfigurationError, match=f"between 8 and {allowed}, .* got {wrong}"):
            HuggingFaceText(folder, max_length=wrong)


def test_missing_weights_say_how_to_get_them(tiny_text_encoder_folder, tmp_path):
    with pytest.raises(WeightsNotFoundError, match=r"no weights at .*nowhere; check the path"):
        HuggingFaceText(str(tmp_path / "nowhere"))
    with pytest.raises(WeightsNotFoundError, match=r"'bert-of-nobody'.*pip install \"mner\[offline\]\""):
        HuggingFaceText("bert-of-nobody")
    folder = shutil.copytree(tiny_text_encoder_folder, tmp_path / "encoder")
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"Expected a folder that contains config\.json, the weights"):
        HuggingFaceText(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"Expected a folder that contains config\.json"):
        HuggingFaceText(str(folder))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "vocab.txt"])
def test_a_file_that_git_lfs_did_not_fetch_is_named(tiny_text_encoder_folder, tmp_path, name):
    folder = shutil.copytree(tiny_text_encoder_folder, tmp_path / "encoder")
    (folder / name).write_bytes(BEGINNING + b"v1\noid sha256:00\nsize 12345\n")
    with pytest.raises(MNERError, match=rf"{re.escape(name)} is a Git LFS pointer, not the file itself; fetch it with"):
        HuggingFaceText(str(folder))


def test_weights_that_would_execute_code_are_refused_without_torchs_advice(tiny_text_encoder_folder, tmp_path):
    folder = shutil.copytree(tiny_text_encoder_folder, tmp_path / "encoder")
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Path("a")}, folder / "pytorch_model.bin")
    with pytest.raises(MNERError, match="objects other than tensors, which are never loaded; save them as") as caught:
        HuggingFaceText(str(folder))
    assert "weights_only" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="objects other than tensors, which are never loaded"):
        read_weights(folder / "pytorch_model.bin")


def test_weights_of_another_size_are_named(tiny_text_encoder_folder, tmp_path):
    folder = shutil.copytree(tiny_text_encoder_folder, tmp_path / "encoder")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}), encoding="utf-8")
    with pytest.raises(
        WeightsNotFoundError, match=r"do not fit its config\.json: \S+ has the shape \(32,\), expected \(48,\); check"
    ):
        HuggingFaceText(str(folder))


def test_a_slow_tokenizer_is_refused(tiny_text_encoder_folder, tmp_path):
    from transformers import ByT5Tokenizer

    folder = shutil.copytree(tiny_text_encoder_folder, tmp_path / "encoder")
    (folder / "tokenizer.json").unlink()
    ByT5Tokenizer().save_pretrained(folder)
    with pytest.raises(ConfigurationError, match="ByT5Tokenizer is not a fast tokenizer"):
        HuggingFaceText(str(folder))


def test_an_encoder_decoder_is_refused(tiny_text_encoder_folder, tmp_path):
    from transformers import BartConfig, BartModel

    folder = shutil.copytree(tiny_text_encoder_folder, tmp_path / "bart")
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = BartConfig(vocab_size=62, d_model=16, encoder_ffn_dim=32, decoder_ffn_dim=32, **sizes)
    BartModel(config).save_pretrained(folder)
    with pytest.raises(ConfigurationError, match="BartModel, which generates text"):
        HuggingFaceText(str(folder))
