"""Building a subword tokenizer of words from a ``transformers`` tokenizer: special tokens, spaces, lengths."""

from __future__ import annotations

import json
from typing import Any, Literal

from tokenizers import Tokenizer

from mner.errors import ConfigurationError
from mner.text.architecture import NUM_SUBWORDS
from mner.text.subword_options import SubwordOptions
from mner.text.subwords import SubwordTokenizer

DEFAULT_MAX_LENGTH = 512
"""Subwords per row where neither the model nor its tokenizer has a limit."""
UNLIMITED = 10**9
RUNNING_TEXT = ("so", "Proud", "of", "@dana", "#Oslo", "in", "2024", ",", "don't", "!")


def subword_tokenizer(
    tokenizer: Any,
    model: Any,
    pooling: Literal["mean", "first"],
    max_length: int | None,
    on_long_post: Literal["window", "error"],
    contexts_first: bool = False,
    normalize_tweets: bool = False,
) -> SubwordTokenizer:
    """Wrap a fast ``transformers`` tokenizer for words.

    Raises:
        ConfigurationError: If ``max_length`` is below 8 or above the model's number of positions, if the tokenizer
            splits single words differently from running text, cannot read unknown characters, or has no special token.
    """
    whole = tokenizer.backend_tokenizer
    _check_unknown(whole)
    backend = without_special_words(Tokenizer.from_str(whole.to_str()))
    backend.no_padding()
    backend.no_truncation()
    if getattr(backend.model, "dropout", None) is not None:  # of BPE merges: other subwords each time
        backend.model.dropout = None
    allowed = _allowed_length(tokenizer, model)
    if allowed < 8:
        raise ConfigurationError(
            f"expected an encoder of at least 8 subwords per row, got one of {allowed}; check max_position_embeddings "
            "in its config.json and model_max_length in its tokenizer_config.json"
        )
    if max_length is not None and not 8 <= max_length <= allowed:
        raise ConfigurationError(
            f"expected max_length between 8 and {allowed}, which the encoder allows, got {max_length}"
        )
    longest = max_length or (allowed if allowed < UNLIMITED else DEFAULT_MAX_LENGTH)
    _check_special_tokens(backend, longest)
    options = SubwordOptions(
        max_length=longest,
        # Byte-level tokenizers know every character, and may have no unknown token.
        unknown_id=_special_id(tokenizer, whole, "unk", "mask", "sep", "eos", "cls", "bos", "pad"),
        separator_id=_special_id(tokenizer, whole, "sep", "eos", "cls", "bos", "mask", "unk", "pad"),
        padding_id=tokenizer.pad_token_id or 0,
        word_prefix=word_prefix(backend),
        pooling=pooling,
        on_long_post=on_long_post,
        contexts_first=contexts_first,
        num_subwords=tokenizer.init_kwargs.get(NUM_SUBWORDS),
        normalize_tweets=normalize_tweets,
    )
    return SubwordTokenizer(backend, options)


def without_special_words(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer in which no text has the id of a special token.

    The vocabularies of SentencePiece contain ``</s>`` and ``<unk>`` like any other subword. Their ids remain, but under
    names with spaces, which are in no word.

    Args:
        tokenizer: A tokenizer, whose own setting for special tokens in texts is changed.
    """
    tokenizer.encode_special_tokens = True
    special = {index: token.content for index, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    found = {
        index: content
        for index, content in special.items()
        if index in tokenizer.encode([content], is_pretokenized=True, add_special_tokens=False).ids
    }
    if not found:
        return tokenizer
    described = json.loads(tokenizer.to_str())
    model, names = described["model"], {content: f" {content} " for content in found.values()}
    if isinstance(model["vocab"], list):  # of a unigram model: subwords with their scores, by id
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in model["vocab"]]
    else:
        model["vocab"] = {names.get(piece, piece): index for piece, index in model["vocab"].items()}
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    described["added_tokens"] = [each for each in described["added_tokens"] if each["id"] not in found]
    return Tokenizer.from_str(json.dumps(described))


def word_prefix(tokenizer: Tokenizer) -> str:
    """Find what must precede each word so that it is split into the same subwords as in running text.

    WordPiece and most SentencePiece tokenizers need nothing. Byte-level ones (GPT-2, RoBERTa, Llama 3, Qwen) and
    Gemma's keep the space before a word as part of its first subword, so a word without one has other subwords.

    Args:
        tokenizer: A tokenizer with any normalizer, pre-tokenizer and model.

    Returns:
        The empty string or a space.

    Raises:
        ConfigurationError: If neither yields the subwords of running text.
    """
    start, *words = RUNNING_TEXT
    running = tokenizer.encode(" ".join(RUNNING_TEXT), add_special_tokens=False).tokens
    first = tokenizer.encode(start, add_special_tokens=False).tokens
    for prefix in ("", " "):
        spaced = [prefix + word for word in words]
        alone = tokenizer.encode(spaced, is_pretokenized=True, add_special_tokens=False).tokens
        if first + alone == running:
            return prefix
    raise ConfigurationError(
        f"the tokenizer splits {' '.join(words)!r} into {alone} word by word, but into {running[len(first) :]} as "
        "running text; choose an encoder whose tokenizer gives the same subwords, such as BERT, RoBERTa or XLM-R"
    )


def _check_unknown(tokenizer: Tokenizer) -> None:
    """Check that unknown characters are read, as an emoji in the middle of a training may be one."""
    try:
        tokenizer.encode(["\ue000", "\U00013000", "\U0001fae0"], is_pretokenized=True, add_special_tokens=False)
    except Exception as error:  # the library raises no other class
        raise ConfigurationError(
            f"the tokenizer cannot read unknown characters ({error}); name an unk_token of its vocabulary in "
            "tokenizer.json"
        ) from error


def _check_special_tokens(tokenizer: Tokenizer, max_length: int) -> None:
    """Check that the special tokens of a row are put around its words, and leave room for them."""
    words = list(RUNNING_TEXT)
    plain = tokenizer.encode(words, is_pretokenized=True, add_special_tokens=False).ids
    row = tokenizer.encode(words, is_pretokenized=True).ids
    added = len(row) - len(plain)
    if not plain or not any(row[start : start + len(plain)] == plain for start in range(added + 1)):
        raise ConfigurationError(
            "the tokenizer adds special tokens in place of the words; correct the post_processor in its tokenizer.json"
        )
    if max_length - added < 4:
        raise ConfigurationError(
            f"the tokenizer adds {added} special tokens to each row, which leaves no room for words in {max_length} "
            "subwords; correct the post_processor in its tokenizer.json, or raise max_length"
        )


def _special_id(tokenizer: Any, backend: Tokenizer, *names: str) -> int:
    """Return the id of the first of the named special tokens that the tokenizer has."""
    for name in names:
        token = getattr(tokenizer, f"{name}_token", None)
        found = None if token is None else backend.token_to_id(str(token))
        if found is not None:
            return found
    raise ConfigurationError(
        f"expected a tokenizer with at least one special token ({', '.join(names)}), got one without; "
        "name them in its tokenizer_config.json"
    )


def _allowed_length(tokenizer: Any, model: Any) -> int:
    """Return the maximum number of subwords per row; configs of models with relative positions have -1 or none."""
    positions = getattr(model.config, "max_position_embeddings", None) or UNLIMITED
    if positions < 0:
        positions = UNLIMITED
    length = tokenizer.model_max_length
    if not isinstance(length, (int, float)):
        raise ConfigurationError(
            f"expected model_max_length in tokenizer_config.json to be a number, got {length!r:.60}"
        )
    return int(min(positions - _reserved_positions(model), length, UNLIMITED))


def _reserved_positions(model: Any) -> int:
    """Count the positions before the first subword: RoBERTa-like models start after that of padding."""
    tables = (module for name, module in model.named_modules() if name.endswith("position_embeddings"))
    return next((table.padding_idx + 1 for table in tables if getattr(table, "padding_idx", None) is not None), 0)
