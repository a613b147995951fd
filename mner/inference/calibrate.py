"""Temperature scaling: one number that makes the confidences of a trained model match its accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mner.decoders.chain_decoder import ChainDecoder
from mner.errors import ConfigurationError, DataError
from mner.fusion.base import FusionModule
from mner.posts import Post

LOWEST, HIGHEST, STEPS = 0.05, 20.0, 40
"""Range and steps of the search, which halves the logarithm of the range by 0.618 per step."""


class Calibrated(NamedTuple):
    """A fitted temperature.

    Args:
        temperature: The temperature.
        before: Mean negative log-likelihood of the gold tags per post, with the temperature that the model had.
        after: The same with the fitted one.
    """

    temperature: float
    before: float
    after: float


def fit_temperature(model: FusionModule, posts: Sequence[Post], batch_size: int = 32) -> Calibrated:
    """Fit the temperature of a model's decoder (Guo et al. 2017), and set it.

    All scores of the chain, emissions and transitions, are divided by it, which changes no tag, only probabilities.
    It minimises the negative log-likelihood of the gold tags, by golden-section search.

    Args:
        model: The model; ``model.decoder.temperature`` is set.
        posts: Annotated posts that the model was not trained on, such as the validation split.
        batch_size: Posts per batch.

    Raises:
        DataError: If there are no posts, one has no tags, or the model makes no error: the lower the temperature, the
            more likely are the gold tags then.
        ConfigurationError: If the decoder is not a linear chain, or ``batch_size`` is below 1.
    """
    if batch_size < 1:
        raise ConfigurationError(f"expected batch_size of at least 1, got {batch_size}")
    decoder = model.decoder
    if not isinstance(decoder, ChainDecoder):
        raise ConfigurationError(f"{type(decoder).__name__} has no temperature; train with CRF or Softmax")
    if not posts or any(post.tags is None for post in posts):
        raise DataError("a temperature is fitted on annotated posts; give the validation split with its tags")
    model.preprocessor.check(posts, "annotated")
    outputs = _outputs(model.eval(), posts, batch_size)
    if all(bool((decoder.decode(emissions, mask) == tags)[mask].all()) for emissions, tags, mask in outputs):
        raise DataError(
            "the model tags all of these posts correctly, so that they do not determine a temperature; give more "
            "posts, which it was not trained on"
        )

    def loss(temperature: float) -> float:
        decoder.temperature = temperature
        with torch.inference_mode():
            losses = [decoder.calibrated_loss(*output).sum() for output in outputs]
        return float(torch.stack(losses).cpu().double().sum()) / len(posts)

    before = loss(decoder.temperature)
    best = _minimum(loss)
    return Calibrated(best, before, loss(best))


@torch.inference_mode()
def _outputs(model: FusionModule, posts: Sequence[Post], size: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Emissions, gold tags and mask of each batch."""
    found = []
    for start in range(0, len(posts), size):
        batch = model.preprocessor(posts[start : start + size]).to(model.device)
        assert batch.tags is not None
        found.append((model(batch), batch.tags, batch.word_mask))
    return found


def _minimum(loss: Callable[[float], float]) -> float:
    """Minimise over the logarithm of the temperature."""
    golden = (math.sqrt(5) - 1) / 2
    low, high = math.log(LOWEST), math.log(HIGHEST)
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = loss(math.exp(left)), loss(math.exp(right))
    for _ in range(STEPS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = loss(math.exp(left))
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = loss(math.exp(right))
    return round(math.exp((low + high) / 2), 4)
