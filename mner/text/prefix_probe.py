"""A check that an encoder attends to a prefix, run when a fusion that passes one is built."""

from __future__ import annotations

import torch
from torch import Tensor

from mner.batch import Batch
from mner.errors import ConfigurationError, summary
from mner.text.encoder import TextEncoder
from mner.text.huggingface import HuggingFaceText
from mner.text.prefix import Prefix
from mner.text.probe import POST

SUITABLE = "choose a BERT, RoBERTa, XLM-R, CamemBERT or ELECTRA, or another fusion"


def check_prefix(encoder: TextEncoder) -> HuggingFaceText:
    """Encode a row without a prefix, with one, and with a masked one.

    Some architectures of ``transformers`` raise an error, others silently ignore the prefix.

    Args:
        encoder: A complete encoder.

    Returns:
        The encoder.

    Raises:
        ConfigurationError: If it does not attend to a prefix, or a masked one changes its output; explains what to do.
    """
    if not isinstance(encoder, HuggingFaceText):
        raise ConfigurationError(
            f"expected a HuggingFaceText, whose layers attend to a prefix, got a {type(encoder).__name__}; {SUITABLE}"
        )
    found = type(encoder.model).__name__
    if encoder.checkpoint_arguments()["gradient_checkpointing"]:
        raise ConfigurationError(
            f"{found} drops a prefix while it recomputes activations; set gradient_checkpointing to false"
        )
    training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            plain, attended, masked = _states(encoder)
    except Exception as error:
        raise ConfigurationError(
            f"{found} takes no prefix ({type(error).__name__}: {summary(error)}); {SUITABLE}"
        ) from error
    finally:
        encoder.train(training)
    scale = plain.abs().max()
    if (attended - plain).abs().max() <= 1e-4 * scale:
        raise ConfigurationError(f"{found} ignores a prefix, so it would never see the image; {SUITABLE}")
    if (masked - plain).abs().max() > 1e-2 * scale:
        raise ConfigurationError(f"{found} attends to a masked prefix, or shifts the positions of words; {SUITABLE}")
    return encoder


def _states(encoder: HuggingFaceText) -> tuple[Tensor, Tensor, Tensor]:
    """The states of a row, shape ``(1, P, D)``: without a prefix, with one, with a masked one."""
    batch = Batch(posts=[POST], **encoder.subword_tokenizer([POST]))  # type: ignore[arg-type]
    batch = batch.to(next(encoder.parameters()).device)
    layers, heads, size = encoder.prefix_shape
    keys, values = torch.randn(2, layers, 1, heads, 2, size, device=batch.input_ids.device)
    mask = torch.ones(1, 2, dtype=torch.bool, device=keys.device)
    states = [
        encoder.encode_subwords(batch, prefix=prefix).float()
        for prefix in (None, Prefix(keys, values, mask), Prefix(keys, values, ~mask))
    ]
    return states[0], states[1], states[2]
