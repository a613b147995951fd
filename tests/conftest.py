"""Shared fixtures: a tiny pretrained encoder on disk, posts, and a data set in its real layout."""

import gc
import json
import os
import signal

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MNER_CACHE"] = os.devnull  # a test that stores posts names a folder of its own

import string
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from chat_server import chat_server  # noqa: F401  (a fixture)
from hypothesis import settings
from left_files import pytest_sessionfinish, pytest_sessionstart, pytest_terminal_summary  # noqa: F401  (hooks)
from PIL import Image
from tiny_images import pictures, tiny_encoder  # noqa: F401  (fixtures)

from mner.labels import labels_for
from mner.posts import Post
from mner.training import Optimization

torch.set_num_threads(1)
settings.register_profile("repeatable", derandomize=True)  # --hypothesis-profile default draws other examples
settings.load_profile("repeatable")

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (
    (("RT", "@dana", ":", "Kevin", "Durant", "enters"), ("O", "O", "O", "B-PER", "I-PER", "O")),
    (("Oracle", "Arena", "is", "loud"), ("B-LOC", "I-LOC", "O", "O")),
    (("Letter", "to", "Nike", "from", "Serena"), ("O", "O", "B-ORG", "O", "B-PER")),
    (("watching", "Frozen", "\ufe0f", "again", "in", "Oslo", "tonight"), ("O", "B-MISC", "O", "O", "O", "B-LOC", "O")),
    (("good", "morning"), ("O", "O")),
)


def pytest_collection_modifyitems(items):
    """Lift the time limit from tests that are expected to be slow."""
    for item in items:
        if any(map(item.get_closest_marker, ("slow", "gpu", "realdata"))):
            item.add_marker(pytest.mark.timeout(0))


def pytest_collection_finish():
    """Take what was imported out of the garbage collector's rounds: statsmodels starts one per correction of Holm."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Leave no environment (``PL_GLOBAL_SEED``), import path or random state of one test to the next."""
    environment, path = dict(os.environ), list(sys.path)
    torch.manual_seed(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background processes of a shell start with it ignored
    try:
        return (yield)
    finally:
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = path
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_text_encoder_folder(tmp_path_factory) -> Path:
    """A folder with a random BERT, 16 wide, of one layer and 64 positions, and its fast WordPiece tokenizer.

    Its subwords are the letters, so that a word has as many subwords as letters.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = string.ascii_lowercase
    pieces = [*SPECIALS, *letters, *(f"##{letter}" for letter in letters), "@", "#", ":"]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIALS, strict=True))
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    folder = tmp_path_factory.mktemp("tiny_bert")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def no_seed_of_another_test(monkeypatch):
    """Lightning keeps the seed of ``seed_everything`` in the environment, where data modules read it."""
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)


@pytest.fixture
def labels() -> list[str]:
    """The labels of Twitter-2017."""
    return labels_for(("PER", "LOC", "ORG", "MISC"))


@pytest.fixture
def sample_posts() -> list[Post]:
    """Five annotated posts of two to seven words; two have a caption, one has a word that vanishes in BERT."""
    contexts = [{"caption": "a man with a ball"}, {}, {}, {"caption": "two people on a sofa"}, {}]
    return [Post(f"post_{index}", words, tags, contexts=contexts[index]) for index, (words, tags) in enumerate(WORDS)]


@pytest.fixture
def twitter_folder(tmp_path) -> Path:
    """A data set in the layout of Twitter-2017: 20 train, 5 valid and 5 test posts, each with a caption and an image.

    As published, ids are not numbers and the file ends without a blank line.
    """
    return write_twitter_folder(tmp_path / "twitter2017")


@pytest.fixture(scope="session")
def shared_twitter_folder(tmp_path_factory) -> Path:
    """The same, for tests that do not modify it."""
    return write_twitter_folder(tmp_path_factory.mktemp("data") / "twitter2017")


@pytest.fixture(scope="session")
def experiment(tmp_path_factory, tiny_text_encoder_folder, shared_twitter_folder) -> Path:
    """The config of a training of six epochs, after which every entity of the data set's five texts is found."""
    config = {
        "model": {
            "class_path": "TextOnly",
            "init_args": {
                "text_encoder": {"class_path": "HuggingFaceText", "init_args": {"name": str(tiny_text_encoder_folder)}},
                "characters": {"class_path": "CharacterCNN"},
                "optimization": {"lr": 0.01},
            },
        },
        "data": {"class_path": "Twitter2017", "init_args": {"root": str(shared_twitter_folder), "batch_size": 4}},
        "trainer": {
            "max_epochs": 6,
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "enable_model_summary": False,
        },
    }
    path = tmp_path_factory.mktemp("configs") / "experiment.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory, experiment) -> Path:
    """The run folder of that training, made by ``mner fit``; for tests that leave it as it is."""
    from mner.cli import main

    folder = tmp_path_factory.mktemp("runs") / "trained"
    assert main(["fit", "--config", str(experiment), "--run_folder", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def make_model(tiny_text_encoder_folder):
    """Build a fusion module around the tiny encoder: ``make_model()``, ``make_model(MyFusion, lr=1e-3)``."""
    from mner.fusion import TextOnly
    from mner.text import HuggingFaceText

    def make(cls=TextOnly, seed=0, **arguments):
        torch.manual_seed(seed)
        arguments.setdefault("labels", labels_for(("PER", "LOC", "ORG", "MISC")))
        return cls(text_encoder=HuggingFaceText(str(tiny_text_encoder_folder)), **with_optimization(arguments))

    return make


def with_optimization(arguments):
    """Gather the options of the optimization, ``lr`` and the like, into one argument."""
    names = {each.name for each in fields(Optimization)}
    chosen = {name: value for name, value in arguments.items() if name in names}
    rest = {name: value for name, value in arguments.items() if name not in names}
    return rest | ({"optimization": Optimization(**chosen)} if chosen else {})


@pytest.fixture
def make_trainer(tmp_path):
    """Builds a quiet trainer on the CPU: ``make_trainer(max_epochs=1)``."""
    from pytorch_lightning import Trainer

    def make(**arguments):
        quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
        if "callbacks" in arguments:
            quiet.pop("enable_checkpointing")
        settings = {
            "accelerator": "cpu",
            "num_sanity_val_steps": 0,
            "default_root_dir": tmp_path,
            "use_distributed_sampler": False,
        }
        return Trainer(**{**quiet, **settings, **arguments})

    return make


def write_twitter_folder(root: Path) -> Path:
    (root / "images").mkdir(parents=True)
    for split, count in (("train", 20), ("valid", 5), ("test", 5)):
        blocks, captions = [], []
        for index in range(count):
            name = f"{split}_16_05_{index}"
            words, tags = WORDS[index % len(WORDS)]
            lines = [f"{word}\t{tag}" for word, tag in zip(words, tags, strict=True)]
            blocks.append("\n".join([f"IMGID:{name}", *lines, ""]))
            captions.append(json.dumps({"image_id": f"{name}.jpg", "caption": f"a photo of {index} people"}))
            Image.new("RGB", (8, 8), (12 * index, 80, 200)).save(root / "images" / f"{name}.jpg")
        (root / f"{split}.txt").write_text("\n".join(blocks), encoding="utf-8", newline="\n")
        (root / f"captions.{split}.jsonl").write_text("\n".join(captions) + "\n", encoding="utf-8")
    return root
