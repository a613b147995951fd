"""The most probable readings of a post, each with its entities and probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from mner.decoders.chain_decoder import ChainDecoder
from mner.decoders.entities import find_entities
from mner.errors import ConfigurationError
from mner.fusion.base import FusionModule
from mner.inference.tagger import Tagger
from mner.posts import Entities

CANDIDATES = 4
"""Tag sequences per reading that are looked at: several may encode the same entities."""


@torch.inference_mode()
def n_best(
    tagger: Tagger,
    text: str | Sequence[str],
    image: str | Path | None = None,
    contexts: Mapping[str, str] | None = None,
    n: int = 5,
) -> list[Entities]:
    """Find the n most probable readings of a post.

    Args:
        tagger: The tagger of one model; an ensemble has no sequences of its own.
        text: Raw text or words.
        image: The path of the image.
        contexts: Texts about the image, by kind.
        n: Maximum number of readings.

    Returns:
        Different lists of entities in descending order of ``scores["probability"]``: the sum over the tag sequences,
        among the most probable ones, that encode exactly these entities.

    Raises:
        ConfigurationError: If ``n`` is not at least 1, the tagger is an ensemble, or the model's decoder is not a
            linear chain.
        DataError: If the text or the contexts cannot be tagged.
    """
    if not isinstance(n, int) or n < 1:
        raise ConfigurationError(f"expected n of at least 1, got {n!r}")
    if len(tagger.models) > 1:
        raise ConfigurationError("an ensemble has no n best sequences, only averaged probabilities; give one model")
    model: FusionModule = tagger.model
    decoder = model.decoder
    if not isinstance(decoder, ChainDecoder):
        raise ConfigurationError(f"{type(decoder).__name__} has no n best sequences; train with CRF or Softmax")
    preprocessor = tagger.preprocessor.using(quiet=True)
    batch = preprocessor([tagger.new_post(text, image, contexts)]).to(model.device)
    (post,) = batch.posts
    with tagger.options.context(model.device):
        emissions, mask = model(batch), batch.word_mask
    tags, probabilities = (found[0] for found in decoder.n_best(emissions, mask, CANDIDATES * n))
    count = len(tags)
    repeated = batch.replace(posts=[post] * count, word_mask=mask.expand(count, -1))
    found = find_entities(decoder, repeated, emissions.expand(count, -1, -1), tags)
    readings: dict[tuple[tuple[str, int, int], ...], Entities] = {}
    for entities, probability in zip(found, probabilities.tolist(), strict=True):
        if not probability and readings:
            break
        spans = tuple(entity.span for entity in entities)
        reading = readings.setdefault(spans, Entities(entities, {"probability": 0.0}, post))
        reading.scores["probability"] += probability
    return sorted(readings.values(), key=lambda reading: -reading.scores["probability"])[:n]
