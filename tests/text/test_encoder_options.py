"""Options of ``transformers``, and words as in running text under composite pre-tokenizers."""

from pathlib import Path

import pytest
import torch

from mner.batch import Batch
from mner.components import from_config, to_config
from mner.errors import ConfigurationError
from mner.fusion import UMT, CoAttention, Concatenation, ModalityAttention, MultidimensionalAttention
from mner.posts import Post
from mner.testing import TinyGrid
from mner.text import HuggingFaceText
from mner.text.subword_factory import word_prefix
from mner.text.subword_options import SubwordOptions
from mner.text.subwords import SubwordTokenizer

POST = Post("1", ("ab", "cde", "f"), contexts={"caption": "a b"})


def encode(encoder, post=POST):
    return encoder(Batch(posts=[post], **encoder.subword_tokenizer([post])))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_dtype_is_that_of_the_weights_and_words_follow_the_module(tiny_text_encoder_folder, dtype):
    encoder = HuggingFaceText(str(tiny_text_encoder_folder), dtype=dtype)
    weights = {parameter.dtype for parameter in encoder.parameters()}
    assert weights == {getattr(torch, dtype)}
    assert encode(encoder).words.dtype == torch.float32
    for precision in (torch.bfloat16, torch.float64):
        encoder.to(precision)  # as the trainer's bf16-true and 64-true do
        assert {parameter.dtype for parameter in encoder.parameters()} == {precision}
        assert encode(encoder).words.dtype == precision
    assert {each.dtype for each in from_config(to_config(encoder)).parameters()} == weights


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_dtype_with_posts_that_have_an_image_or_none(tiny_text_encoder_folder, dtype, tmp_path):
    """Alone and in one batch, whose regions are of another data type than the encoder's weights."""
    encoder = HuggingFaceText(str(tiny_text_encoder_folder), dtype=dtype)
    posts = [Post("1", ("ab",), ("B-PER",), image=Path("a.jpg")), Post("2", ("ab", "f"), ("O", "O"))]
    for cls in (Concatenation, CoAttention, ModalityAttention, MultidimensionalAttention, UMT):
        model = cls(labels=["O", "B-PER", "I-PER"], text_encoder=encoder, image_encoder=TinyGrid()).eval()
        for batch in (posts, posts[1:], posts[::-1]):
            loss = model.losses(model.preprocessor(batch)).total
            assert loss.dtype == torch.float32
            assert loss.isfinite()
        loss.backward()
        (alone,), (_, together) = (model.predict_step(model.preprocessor(batch), 0) for batch in (posts[1:], posts))
        assert [(each.type, each.start) for each in alone] == [(each.type, each.start) for each in together]


def test_attention_implementation(tiny_text_encoder_folder):
    folder = str(tiny_text_encoder_folder)
    kernels = [HuggingFaceText(folder, attn_implementation=name).eval() for name in ("eager", "sdpa")]
    assert [each.model.config._attn_implementation for each in kernels] == ["eager", "sdpa"]
    torch.testing.assert_close(encode(kernels[0]).words, encode(kernels[1]).words, rtol=0, atol=1e-5)
    with pytest.raises(ConfigurationError, match="no_such_kernel"):
        HuggingFaceText(folder, attn_implementation="no_such_kernel")


@pytest.mark.filterwarnings("error::FutureWarning")
def test_gradient_checkpointing_recomputes_and_changes_no_gradient(tiny_text_encoder_folder):
    found, calls = [], []
    for option in (False, True):
        encoder = HuggingFaceText(str(tiny_text_encoder_folder), gradient_checkpointing=option)
        for part in encoder.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        count = []
        layer = encoder.model.encoder.layer[0].intermediate
        layer.register_forward_hook(lambda *_, count=count: count.append(1))
        encode(encoder).words.square().sum().backward()
        found.append({name: each.grad for name, each in encoder.named_parameters()})
        calls.append(len(count))
    assert calls == [1, 2]
    torch.testing.assert_close(found[0], found[1])


def byte_level(*steps):
    from tokenizers import Tokenizer, models, pre_tokenizers

    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġo", "Ġof", "<mask>"]
    tokenizer = Tokenizer(models.BPE({piece: index for index, piece in enumerate(pieces)}, [("Ġ", "o"), ("Ġo", "f")]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(False, use_regex=False)])
    return tokenizer


def llama():
    from tokenizers import Regex, pre_tokenizers

    pattern = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    return byte_level(pre_tokenizers.Split(Regex(pattern), "isolated"))


def gemma():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    pieces = ["<unk>", "▁", *(chr(code) for code in range(33, 127)), "▁o", "▁of"]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("▁", "o"), ("▁o", "f")], unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    return tokenizer


@pytest.mark.parametrize("make", [llama, gemma])
def test_words_have_the_subwords_of_running_text(make):
    tokenizer = make()
    assert word_prefix(tokenizer) == " "
    words = ("proud", "of", "the", "Golden", "State", "2024", "@dana", "!")
    expected = tokenizer.encode("so " + " ".join(words), add_special_tokens=False).ids[2:]
    subwords = SubwordTokenizer(tokenizer, SubwordOptions(64, 0, 1, 0, word_prefix=" "))
    tensors = subwords([Post("1", words)])
    assert tensors["input_ids"][0].tolist() == expected
    assert sorted(set(tensors["word_slots"][0].tolist())) == list(range(len(words)))
    context = subwords([Post("1", ("so",), contexts={"caption": " ".join(words)})])["input_ids"][0].tolist()
    assert context[-len(expected) :] == expected


def test_a_word_that_vanishes_without_an_unknown_token():
    tokenizer = llama()
    mask = tokenizer.token_to_id("<mask>")
    from tokenizers import normalizers

    tokenizer.normalizer = normalizers.Replace("\ufe0f", "")
    subwords = SubwordTokenizer(tokenizer, SubwordOptions(64, mask, mask, 0, word_prefix=" "))
    ids = subwords([Post("1", ("of", "\ufe0f", "of"))])
    of = tokenizer.token_to_id("Ġof")
    assert ids["input_ids"].tolist() == [[of, mask, of]]
    assert ids["word_slots"].tolist() == [[0, 1, 2]]


def test_a_tokenizer_that_merges_across_words_is_refused():
    from tokenizers import Tokenizer, models

    letters = [chr(code) for code in range(32, 127)]
    vocabulary = {piece: index for index, piece in enumerate([*letters, "f ", "f @"])}
    with pytest.raises(ConfigurationError, match="word by word, but into"):
        word_prefix(Tokenizer(models.BPE(vocabulary, [("f", " "), ("f ", "@")])))
