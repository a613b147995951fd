"""The tokenizers of BERTweet and PhoBERT, which ``transformers`` has in slow Python only, as fast ones."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, processors

CLASSES = ("BertweetTokenizer", "PhobertTokenizer")
CONTINUED, FINAL = "@@", "</w>"
"""fastBPE marks a subword that another one follows; ``tokenizers`` marks the last one of a word."""


def is_word_bpe(tokenizer: Any) -> bool:
    """Whether a slow tokenizer is one of those that :func:`fast_word_bpe` converts."""
    return type(tokenizer).__name__ in CLASSES


def fast_word_bpe(slow: Any) -> Tokenizer:
    """Convert a slow tokenizer of this kind.

    Some merges pass through strings that are not subwords of the model. They are appended to the vocabulary; where one
    is what remains of a word, :class:`~mner.text.subwords.SubwordTokenizer` reads the unknown token, as the slow
    tokenizer does.

    Args:
        slow: A ``BertweetTokenizer`` or ``PhobertTokenizer``.

    Returns:
        A tokenizer that gives each word the same ids.
    """
    special = set(slow.all_special_tokens)
    vocabulary = {piece if piece in special else _renamed(piece): index for piece, index in slow.get_vocab().items()}
    merges = sorted(slow.bpe_ranks, key=slow.bpe_ranks.__getitem__)
    for left, right in merges:
        for piece in (left, right, left + right):
            vocabulary.setdefault(piece, len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token=slow.unk_token, end_of_word_suffix=FINAL))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.RobertaProcessing(
        (slow.sep_token, slow.sep_token_id), (slow.cls_token, slow.cls_token_id), add_prefix_space=False
    )
    tokenizer.add_special_tokens(sorted(special, key=slow.convert_tokens_to_ids))
    return tokenizer


def _renamed(piece: str) -> str:
    is_continued = len(piece) > len(CONTINUED) and piece.endswith(CONTINUED)
    return piece.removesuffix(CONTINUED) if is_continued else piece + FINAL
