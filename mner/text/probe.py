"""Checks that a pretrained model is suitable as a text encoder, run once when it is first loaded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mner.batch import Batch
from mner.errors import ConfigurationError, summary
from mner.posts import Post
from mner.text.architecture import NUM_SUBWORDS
from mner.text.subword_encoder import SubwordEncoder

POST = Post("probe", ("Kevin", "Durant", "enters", "the", "Oracle", "Arena"))
SUITABLE = "choose an encoder such as BERT, RoBERTa, XLM-R, DeBERTa or ModernBERT"


def check_vocabulary(tokenizer: Any, model: Any, name: str) -> None:
    """Check that tokenizer and model belong together.

    Args:
        tokenizer: A fast ``transformers`` tokenizer.
        model: The ``transformers`` encoder that reads its subwords.
        name: The name that the user gave.

    Raises:
        ConfigurationError: If the tokenizer has no subword for any letter, since its files are missing, or has subwords
            for which the model has no vectors.
    """
    backend = tokenizer.backend_tokenizer
    added = backend.get_added_tokens_decoder()
    ordinary = (piece for piece, index in backend.get_vocab().items() if index not in added)
    if not any(character.isalnum() for piece in ordinary for character in piece):
        raise ConfigurationError(
            f"the tokenizer of {name!r} has only special tokens, so its files are missing; "
            "save them into the folder: AutoTokenizer.from_pretrained(...).save_pretrained(FOLDER)"
        )
    try:
        rows = len(model.get_input_embeddings().weight)
    except (NotImplementedError, AttributeError):
        raise ConfigurationError(
            f"{type(model).__name__} has no subword embeddings, so it does not read subwords; {SUITABLE}"
        ) from None
    size = tokenizer.init_kwargs.get(NUM_SUBWORDS, max(backend.get_vocab().values()) + 1)
    if size > rows:
        raise ConfigurationError(
            f"expected a tokenizer of at most {rows} subwords, which {name!r} has vectors for, got one of {size}; "
            "give the tokenizer that the model was trained with"
        )


def check_encoder(encoder: SubwordEncoder, name: str) -> None:
    """Encode a few rows to check that an encoder accepts plain text, is bidirectional and ignores padding.

    It runs in evaluation mode, without gradients, and does not change the state of random generators.

    Args:
        encoder: A complete encoder in float32.
        name: The name that the user gave.

    Raises:
        ConfigurationError: If the encoder fails, has weights that are not finite, is causal, or depends on padding;
            explains why and what to do.
    """
    found = type(encoder.model).__name__
    wrong = next((key for key, weight in encoder.model.named_parameters() if not weight.isfinite().all()), None)
    if wrong is not None:
        raise ConfigurationError(f"{name!r} has weights that are not finite, in {wrong}; get them again")
    alone, together = _observed(encoder, name)
    if alone.shape[-1] != encoder.hidden_size or together.shape[1:] != alone.shape[1:]:
        raise ConfigurationError(
            f"expected states of {encoder.hidden_size} features per subword, the hidden_size of {name!r}, got the "
            f"shape {tuple(alone.shape)}; {SUITABLE}"
        )
    scale = alone.abs().max()
    if not bool(scale.isfinite()):
        raise ConfigurationError(f"{name!r} turns plain text into numbers that are not finite; check its weights")
    seen = 1e-6 * scale
    if _largest(together[1, 0] - together[0, 0]) <= seen and _largest(together[2, -1] - together[0, -1]) <= seen:
        raise ConfigurationError(
            f"{name!r} is a {found}, in which no word sees another one: it has no layers that mix them, or they do not "
            f"run on this machine; {SUITABLE}"
        )
    if _largest(together[1, 0] - together[0, 0]) <= seen:
        remedy = ""
        if not getattr(encoder.model.config, "is_causal", True):
            remedy = "bidirectional has no effect on it; "
        elif _is_suitable_bidirectional(encoder, name):
            remedy = "set bidirectional to true to read it in both directions, or "
        if getattr(encoder.model.config, "is_decoder", False):
            remedy += "set is_decoder to false in its config.json if it was trained as an encoder, or "
        raise ConfigurationError(
            f"{name!r} is a {found}, which is causal: a word does not see the words after it, nor the contexts, "
            f"which follow the post; {remedy}{SUITABLE}"
        )
    if _largest(together[:1] - alone) > 1e-3 * scale:
        raise ConfigurationError(
            f"{name!r} is a {found}, whose output depends on padding: the vectors of a post would depend on the "
            f"other posts of its batch; {SUITABLE}"
        )


def check_causal(encoder: SubwordEncoder, name: str) -> None:
    """Check that a model is causal, so that bidirectional reading has an effect.

    Args:
        encoder: A complete encoder in float32.
        name: The name that the user gave.

    Raises:
        ConfigurationError: If it is not, unless it was saved as one that is read in both directions.
    """
    alone, together = _observed(encoder, name)
    sees = _largest(together[1, 0] - together[0, 0]) > 1e-6 * _largest(alone)
    if sees and getattr(encoder.model.config, "is_causal", True):
        raise ConfigurationError(
            f"{name!r} is a {type(encoder.model).__name__}, which is already bidirectional; leave bidirectional out"
        )


def _is_suitable_bidirectional(encoder: SubwordEncoder, name: str) -> bool:
    """Whether a causal encoder, which is about to be refused, would be accepted if it read in both directions."""
    encoder.model.config.is_causal = False
    try:
        check_encoder(encoder, name)
    except ConfigurationError:
        return False
    return True


def _observed(encoder: SubwordEncoder, name: str) -> tuple[Tensor, Tensor]:
    """Return the states of :func:`_states` in evaluation mode."""
    training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return _states(encoder)
    except Exception as error:
        raise ConfigurationError(
            f"{name!r} is a {type(encoder.model).__name__}, which fails on a row of plain text "
            f"({type(error).__name__}: {summary(error)}); {SUITABLE}"
        ) from error
    finally:
        encoder.train(training)


def _states(encoder: SubwordEncoder) -> tuple[Tensor, Tensor]:
    """Return the states of a row.

    Returns:
        Encoded alone, shape ``(1, P, D)``; and in a batch with longer rows, unchanged, with other subwords after the
        first, and with others before the last, shape ``(3, P, D)``.
    """
    batch = Batch(posts=[POST], **encoder.subword_tokenizer([POST]))  # type: ignore[arg-type]
    # Half of what fits, and odd, which detects models that accept only multiples of some length.
    length = min(batch.input_ids.shape[1], encoder.subword_tokenizer.options.max_length // 2)
    length -= 1 - length % 2
    row = {name: getattr(batch, name)[:1, :length] for name in ("input_ids", "attention_mask", "token_type_ids")}
    ids = row["input_ids"]
    after, before = _changed(ids, slice(1, None)), _changed(ids, slice(None, -1))
    # Of four rows that are twice as long, three are padded.
    together = {
        "input_ids": torch.cat([ids, after, before, ids]).repeat(1, 2),
        "attention_mask": torch.ones_like(ids).repeat(4, 2),
        "token_type_ids": row["token_type_ids"].repeat(4, 2),
    }
    for name, tensor in together.items():
        tensor[:3, length:] = encoder.subword_tokenizer.options.padding_id if name == "input_ids" else 0
    alone = encoder.encode_subwords(batch.replace(**row))
    return alone, encoder.encode_subwords(batch.replace(**together))[:3, :length]


def _changed(ids: Tensor, places: slice) -> Tensor:
    """Replace subwords by others, and not by a permutation, which untrained attention may not notice."""
    changed = ids.clone()
    changed[:, places] = ids[:, 1:2]
    if torch.equal(changed, ids):  # all words are unknown to the tokenizer
        changed[:, places] = (ids[:, places] - 1).abs()
    return changed


def _largest(difference: Tensor) -> float:
    return float(difference.abs().max())
