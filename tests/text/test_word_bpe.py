"""BERTweet's and PhoBERT's tokenizers as fast ones, and the normal form of tweets."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_model_families import SIZES
from torch.utils.data import DataLoader

from mner.components import from_config, to_config
from mner.errors import ConfigurationError
from mner.fusion import TextOnly
from mner.inference.load import load_model
from mner.labels import labels_for
from mner.posts import Post
from mner.text import HuggingFaceText
from mner.text.tweet_words import normalized

pytestmark = pytest.mark.filterwarnings("ignore")
LETTERS = sorted(set("NOikesno#@dalv!HTPURL"))
# Neither "Nik@@" nor "ke" is a subword, though merges lead over them.
PIECES = [*LETTERS, *(f"{letter}@@" for letter in LETTERS), "is", "Ni@@", "Nike", "Os@@", "lo", "@@", "@USER"]
MERGES = ["i s</w>", "N i", "Ni k", "Nik e</w>", "O s", "l o</w>", "k e</w>", "@ U", "S E"]


@pytest.fixture(params=["BertweetTokenizer", "PhobertTokenizer"])
def folder(request, save):
    """A tiny RoBERTa with the files of such a tokenizer, and no ``tokenizer.json``."""
    folder = Path(save("roberta", {**SIZES, "vocab_size": 80, "pad_token_id": 1, "max_position_embeddings": 66}))
    for path in folder.glob("*token*"):
        path.unlink()
    (folder / "vocab.txt").write_text("".join(f"{piece} 1\n" for piece in PIECES), encoding="utf-8")
    (folder / "bpe.codes").write_text("".join(f"{merge} 1\n" for merge in MERGES), encoding="utf-8")
    settings = {"tokenizer_class": request.param, "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def slow_tokenizer(folder):
    name = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["tokenizer_class"]
    files = (str(folder / "vocab.txt"), str(folder / "bpe.codes"))
    return getattr(transformers, name)(*files, model_max_length=64)


def test_every_word_has_the_subwords_of_the_slow_tokenizer(folder):
    slow, subwords = slow_tokenizer(folder), HuggingFaceText(str(folder)).subword_tokenizer

    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.text("NOikesno#@dalv!xé", min_size=1, max_size=6), min_size=1, max_size=5))
    def agree(words):
        found = subwords([Post("1", tuple(words))])["input_ids"][0].tolist()
        pieces = slow.convert_tokens_to_ids(slow.tokenize(" ".join(words)))
        assert found == slow.build_inputs_with_special_tokens(pieces)

    agree()
    for word in ("Nike", "Nik", "Niks", "Nikes", "ke", "kke", "Os", "Oslo", "@@", "@@@", "x", "éx"):
        assert subwords([Post("1", (word,))])["input_ids"][0].tolist()[1:-1] == slow.convert_tokens_to_ids(
            slow.tokenize(word)
        )


def test_a_checkpoint_has_the_same_subwords(folder, make_trainer, sample_posts, tmp_path):
    model = TextOnly(labels=labels_for(("PER", "LOC", "ORG", "MISC")), text_encoder=HuggingFaceText(str(folder)))
    trainer = make_trainer(max_steps=1)
    trainer.fit(model, DataLoader(sample_posts, batch_size=5, collate_fn=model.preprocessor))
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = load_model(tmp_path / "model.ckpt")
    posts = [*sample_posts, Post("1", ("Niks", "Nike", "</s>", "<unk>"))]
    with torch.no_grad():
        assert torch.equal(loaded(loaded.preprocessor(posts)), model.eval()(model.preprocessor(posts)))
    assert to_config(from_config(to_config(loaded))) == to_config(model)
    ids = loaded.preprocessor(posts[-1:]).input_ids
    assert ids.max() < 80
    assert (ids[0] == 2).sum() == 1  # </s> in a post is text


def test_the_vocabulary_of_another_model_is_refused(save, folder):
    (folder / "vocab.txt").write_text("".join(f"x{index} 1\n" for index in range(90)), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"at most 80 subwords, .* got one of 95"):
        HuggingFaceText(str(folder))


@pytest.fixture
def emoji(monkeypatch):
    """The package of emoji names, reduced to one of them."""
    normalized.cache_clear()
    names = SimpleNamespace(demojize=lambda word: word.replace("\U0001f525", ":fire:"))
    monkeypatch.setitem(sys.modules, "emoji", names)
    yield
    normalized.cache_clear()


def test_tweets_are_read_in_their_normal_form(emoji, tiny_text_encoder_folder):
    tokenizers = [
        HuggingFaceText(str(tiny_text_encoder_folder), normalize_tweets=option).subword_tokenizer
        for option in (False, True)
    ]
    words = ("@dana", "http://t.co/x", "WWW.x", "\U0001f525", "Oslo", "@", "…", "’", "Zoë’s", "so…")
    normal = ("@USER", "HTTPURL", "HTTPURL", ":fire:", "Oslo", "@", "...", "'", "Zoë's", "so...")
    caption = {"caption": " ".join(words)}
    found = tokenizers[1]([Post("1", words, contexts=caption)])
    expected = tokenizers[0]([Post("1", normal, contexts={"caption": " ".join(normal)})])
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    post = Post("1", words)
    assert tokenizers[1].lengths([post]) == tokenizers[0].lengths([Post("1", normal)])


def test_emoji_have_the_names_of_the_package():
    pytest.importorskip("emoji")
    normalized.cache_clear()
    found = [normalized(word) for word in ("\U0001f525", "\U0001f44d\U0001f3fd", "go\U0001f525", "Zoë")]
    assert found == [":fire:", ":thumbs_up_medium_skin_tone:", "go:fire:", "Zoë"]


def test_without_the_names_of_emoji_the_remedy_is_named(tiny_text_encoder_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "emoji", None)
    with pytest.raises(ConfigurationError, match=r'pip install "mner\[tweets\]"'):
        HuggingFaceText(str(tiny_text_encoder_folder), normalize_tweets=True)
