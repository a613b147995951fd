"""Several models that tag together: their probabilities of the tags are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.components import to_config
from mner.decoders import Softmax
from mner.decoders.entities import EntityLists, find_entities
from mner.errors import ConfigurationError
from mner.fusion.base import FusionModule
from mner.grounding.region_pointer import place
from mner.inference.tagger import DEFAULTS, Tagger
from mner.inference.tagging_options import TaggingOptions
from mner.remote_images import RemoteImages


class _Output(NamedTuple):
    """What a model of the ensemble computed: its batch, features, emissions and order of the labels."""

    model: FusionModule
    batch: Batch
    text: TextFeatures
    image: ImageFeatures
    emissions: Tensor
    order: Tensor


class Ensemble(Tagger):
    """Tags with the mean over models of the marginal probability of each label of each word.

    The tags are the best sequence that the tagging scheme allows under the averaged marginals; the confidence of an
    entity is the mean of its exact probabilities under the models. If all models ground entities, the region of an
    entity is that with the highest mean probability. ``scores`` of a post are empty.

    Args:
        models: At least one model. Encoders and methods may differ; labels, contexts and word tokenizer must not, and
            models that ground entities need the same regions.
        options: Precision, confidences and the like, of all models.

    Raises:
        ConfigurationError: If there is no model, labels, contexts or word tokenizers differ, some ground entities and
            others do not, or a model cannot be run as the options say.
    """

    def __init__(self, models: Sequence[FusionModule], options: TaggingOptions = DEFAULTS) -> None:
        if not models:
            raise ConfigurationError("expected at least one model, got none; give the checkpoints of the ensemble")
        if options.feature_store is not None:
            raise ConfigurationError(
                "a feature store has the features of one image encoder; leave it out, or tag with one model"
            )
        super().__init__(models[0], options)
        self.models = [model.eval() for model in models]
        first = self.models[0]
        # Makes the batches: a model without images would not read them.
        self._reader = next((model for model in self.models if model.image_encoder is not None), first)
        self.preprocessor = self._reader.preprocessor.using(draft_images=options.draft_images)
        for other in self.models[1:]:
            if set(other.labels) != set(first.labels):
                raise ConfigurationError(
                    f"expected models with the same labels, got {first.labels} and {other.labels}; train them on the "
                    "same data"
                )
            if (other.contexts, to_config(other.word_tokenizer)) != (first.contexts, to_config(first.word_tokenizer)):
                raise ConfigurationError(
                    "expected models with the same contexts and word tokenizer; train them on the same data"
                )
            if (other.grounding is None) != (first.grounding is None):
                raise ConfigurationError(
                    "some of the models ground entities and others do not; leave one kind out of the ensemble"
                )
            options.prepare(other)
            other.preprocessor = other.preprocessor.using(draft_images=options.draft_images)
        self._softmax = Softmax(constraints="decode")
        self._softmax.bind(first.labels)
        self._softmax.with_confidence = options.confidences
        self._softmax.to(first.device)

    def use_image_folder(self, folder: Path | None, remote: RemoteImages | None = None) -> None:
        """Read images from one folder only; see the base class."""
        super().use_image_folder(folder, remote)
        for model in self.models[1:]:
            model.preprocessor = model.preprocessor.using(image_folders=[folder], remote=remote)

    def _find(self, batch: Batch) -> tuple[EntityLists, Sequence[str | None]]:
        first = self.models[0]
        mask = batch.word_mask.to(first.device)
        outputs = [self._run(model, batch) for model in self.models]
        marginals = torch.zeros((), device=first.device)
        for each in outputs:
            found = each.model.decoder.marginals(each.emissions, each.batch.word_mask)[..., each.order]
            marginals = marginals + found.to(first.device)
        averaged = (marginals / len(self.models)).clamp_min(torch.finfo(torch.float32).tiny).log()
        tags = self._softmax.decode(averaged, mask)
        confidence = torch.zeros(tags.shape, device=first.device)
        for each in outputs if self.options.confidences else ():
            found = each.model.decoder.confidence(
                each.emissions, each.batch.word_mask, each.order[tags.to(each.order.device)]
            )
            confidence += found.to(first.device) / len(self.models)
        entities = find_entities(self._softmax, batch.to(first.device), averaged, tags, confidence=confidence)
        further = {
            error: None for each in outputs for error in each.batch.image_errors if error not in batch.image_errors
        }
        return entities if first.grounding is None else _ground(entities, outputs), [*batch.image_errors, *further]

    def _run(self, model: FusionModule, batch: Batch) -> _Output:
        own = (batch if model is self._reader else model.preprocessor.using(quiet=True)(batch.posts)).to(model.device)
        text, image = model.encode(own)
        emissions = model.emissions(text, image)
        order = torch.tensor([model.labels.index(label) for label in self.models[0].labels], device=model.device)
        return _Output(model, own, text, image, emissions, order)


def _ground(found: EntityLists, outputs: Sequence[_Output]) -> EntityLists:
    """Give each entity the region with the highest mean probability.

    Raises:
        ConfigurationError: If the models have different regions.
    """
    first = outputs[0].image
    probabilities = torch.zeros((), device=first.mask.device)
    for each in outputs:
        if not (_equal(each.image.mask, first.mask) and _equal(each.image.boxes, first.boxes)):
            raise ConfigurationError(
                "the models of the ensemble choose among different regions of an image, which cannot be averaged; give "
                "models with the same image encoder, or tag with one of them"
            )
        pointer = each.model.grounding
        assert pointer is not None
        logits = pointer.entity_logits(found, each.text, each.image)
        probabilities = probabilities + logits.softmax(dim=-1).to(first.mask.device)
    return place(found, probabilities, first)


def _equal(part: Tensor | None, other: Tensor | None) -> bool:
    if part is None or other is None:
        return part is other
    return part.shape == other.shape and torch.allclose(part.float().cpu(), other.float().cpu(), atol=1e-4)
