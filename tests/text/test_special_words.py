"""A special token that is spelled out in a post is text, with tokenizers of every kind."""

import string

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from mner.posts import Post
from mner.text.subword_factory import without_special_words, word_prefix
from mner.text.subword_options import SubwordOptions
from mner.text.subwords import SubwordTokenizer

LETTERS = string.digits + string.ascii_letters + string.punctuation
NAMES = ("<pad>", "<s>", "</s>", "<unk>", "<mask>", "[SEP]")
LLAMA_3 = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def vocabulary(*pieces):
    return {piece: index for index, piece in enumerate([*NAMES, *pieces])}


def unigram():
    """XLM-R, DeBERTa-v3, T5: special tokens are subwords of the best score."""
    pieces = [*((name, 0.0) for name in NAMES), *((letter, -3.0) for letter in LETTERS), ("▁", -2.0), ("▁of", -2.5)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def word_piece():
    """A WordPiece without BERT's own split at punctuation."""
    pieces = vocabulary(*LETTERS, *(f"##{letter}" for letter in LETTERS))
    tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def byte_level(*steps, **options):
    pieces = vocabulary(*sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġo", "Ġof")
    tokenizer = Tokenizer(models.BPE(pieces, [("Ġ", "o"), ("Ġo", "f")], **options))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(False, use_regex=False)])
    return tokenizer


def llama_3():
    """Llama 3 and EuroBERT, which look up a word before they merge its bytes."""
    return byte_level(pre_tokenizers.Split(Regex(LLAMA_3), "isolated"), ignore_merges=True)


def qwen():
    tokenizer = byte_level(pre_tokenizers.Split(Regex(QWEN), "isolated"))
    tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def gemma():
    """Gemma and mmBERT."""
    tokenizer = Tokenizer(models.BPE(vocabulary("▁", *LETTERS, "▁o", "▁of"), [("▁", "o"), ("▁o", "f")], fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    return tokenizer


def llama_2():
    tokenizer = Tokenizer(models.BPE(vocabulary("▁", *LETTERS, "▁o", "▁of"), [("▁", "o"), ("▁o", "f")]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return tokenizer


KINDS = [unigram, word_piece, llama_3, qwen, gemma, llama_2]


@pytest.fixture(params=KINDS, ids=[kind.__name__ for kind in KINDS])
def tokenizer(request):
    """A tokenizer as ``transformers`` loads it, with its special tokens."""
    made = request.param()
    made.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> $B </s>", [("<s>", 1), ("</s>", 2)])
    made.add_tokens(["lovely"])
    names = dict(
        zip(("pad_token", "bos_token", "eos_token", "unk_token", "mask_token", "sep_token"), NAMES, strict=True)
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def subwords_of(tokenizer):
    backend = without_special_words(Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()))
    return SubwordTokenizer(backend, SubwordOptions(128, 3, 2, 0, word_prefix=word_prefix(backend)))


@pytest.mark.parametrize("around", ["{}", "x{}", "{}x", "{}{}"])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_text(tokenizer, name, around):
    subwords = subwords_of(tokenizer)
    word = around.replace("{}", name)
    post = subwords([Post("1", ("of", word, "of"))])
    with_context = subwords([Post("1", ("of",), contexts={"caption": f"of {word} of"})])
    ids = post["input_ids"][0].tolist()
    assert (ids[0], ids[-1]) == (1, 2)
    inside = ids[1:-1]
    assert not set(inside) & set(range(len(NAMES)))
    spelled = "".join(tokenizer.convert_ids_to_tokens(inside))
    assert word in spelled.replace("##", "").replace("Ġ", "").replace("▁", "")
    assert with_context["input_ids"][0].tolist()[-len(inside) - 1 : -1] == inside


def test_everything_else_is_as_before(tokenizer):
    subwords = subwords_of(tokenizer)
    words = ("of", "of", "Kevin", "#Oslo", "2024", "don't", "!")
    ids = subwords([Post("1", words)])["input_ids"][0].tolist()
    running = tokenizer.backend_tokenizer.encode(" ".join(("of", *words)), add_special_tokens=False).ids
    assert ids[2:-1] == running[-len(ids) + 3 :]
    added = tokenizer.convert_tokens_to_ids("lovely")  # no special token
    assert added in subwords([Post("1", ("lovely",))])["input_ids"][0].tolist()
