"""Tiny encoders of the families that differ in what an encoder must be told: tokenizer, segments, positions."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader


@dataclass(frozen=True)
class Family:
    """A saved random encoder.

    Args:
        folder: Its folder.
        segments: Whether the model distinguishes post and context by token types.
        space: Prefix that a byte-level tokenizer needs before each word.
    """

    folder: Path
    segments: bool
    space: str = ""


SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
RELATIVE = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}


def byte_level_tokenizer():
    """RoBERTa's: byte-level BPE without a space before the first word, ``<s> post </s></s> context </s>``."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġa"]
    tokenizer = Tokenizer(models.BPE({piece: index for index, piece in enumerate(pieces)}, [("Ġ", "a")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    names = {"cls_token": "<s>", "bos_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=64, unk_token="<unk>", mask_token="<mask>", **names
    )


def sentence_piece_tokenizer():
    """XLM-R's and DeBERTa-v3's: a unigram model over the letters, each word after a ``▁``."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = [("▁", -2.0), *((chr(code), -3.0) for code in range(ord("A"), ord("z") + 1)), ("▁a", -2.5), ("an", -3.5)]
    specials = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram([*specials, *letters], unk_id=3))
    tokenizer.normalizer = normalizers.Replace("\u200b", "")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", "<s> $A </s> </s> $B </s>", [("<s>", 0), ("</s>", 2)]
    )
    names = {"cls_token": "<s>", "bos_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=64, unk_token="<unk>", mask_token="<mask>", **names
    )


@pytest.fixture(scope="session")
def family(tiny_text_encoder_folder, tmp_path_factory):
    """A function from a family's name to the family."""
    import transformers

    made = {"bert": Family(tiny_text_encoder_folder, segments=True)}
    word_piece = transformers.AutoTokenizer.from_pretrained(tiny_text_encoder_folder)

    def make(name):
        if name in made:
            return made[name]
        positions = {"max_position_embeddings": 64}
        tokenizer, segments, config = {
            "distilbert": (word_piece, False, {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32}),
            "electra": (word_piece, True, {**SIZES, "embedding_size": 8}),
            "albert": (word_piece, True, {**SIZES, "embedding_size": 8}),
            "mpnet": (word_piece, False, SIZES),
            "roberta": (byte_level_tokenizer(), False, {**SIZES, "type_vocab_size": 1}),
            "deberta": (byte_level_tokenizer(), False, {**SIZES, **RELATIVE}),
            "xlm-roberta": (sentence_piece_tokenizer(), False, {**SIZES, "type_vocab_size": 1}),
            "deberta-v2": (sentence_piece_tokenizer(), False, {**SIZES, **RELATIVE}),
        }[name]
        config = transformers.AutoConfig.for_model(
            name, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **config, **positions
        )
        folder = tmp_path_factory.mktemp(name)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            transformers.AutoModel.from_config(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        made[name] = Family(folder, segments, " " if name in ("roberta", "deberta") else "")
        return made[name]

    return make


@pytest.fixture
def config_of():
    """Builds the config of a type of model; skips the test if this version of transformers has no such type."""
    import transformers

    def make(kind, **settings):
        if kind not in transformers.CONFIG_MAPPING:
            pytest.skip(f"transformers {transformers.__version__} has no {kind}")
        return transformers.AutoConfig.for_model(kind, **settings)

    return make


@pytest.fixture
def save(config_of, tiny_text_encoder_folder, tmp_path):
    """Saves a tiny random model of a type, with the WordPiece tokenizer of the tiny BERT, and returns its folder."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_text_encoder_folder)

    def make(kind, settings):
        positions = {} if kind == "xlnet" else {"max_position_embeddings": 64}
        settings = {"vocab_size": len(tokenizer), "pad_token_id": 0, **positions, **settings}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = transformers.AutoModel.from_config(config_of(kind, **settings))
            # The weights of an initialisation are small, which would hide what a subword sees of padding.
            for weights in filter(lambda weights: weights.dim() > 1, model.parameters()):
                torch.nn.init.normal_(weights, std=0.3)
            model.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        return str(tmp_path)

    return make


@pytest.fixture
def train_briefly(make_trainer, tmp_path):
    """A function that trains a model, and returns it with its checkpoint."""

    def run(model, posts, name="model", steps=3):
        trainer = make_trainer(max_steps=steps, max_epochs=-1)
        trainer.fit(model, DataLoader(posts, batch_size=5, collate_fn=model.preprocessor))
        path = tmp_path / f"{name}.ckpt"
        trainer.save_checkpoint(path)
        return model.eval(), path

    return run
