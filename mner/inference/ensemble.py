"""Several models that tag together: their probabilities of the tags are averaged."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from mner.batch import Batch
from mner.components import to_config
from mner.decoders import Softmax
from mner.decoders.entities import EntityLists, find_entities
from mner.errors import ConfigurationError
from mner.fusion.base import FusionModule
from mner.inference.tagger import Tagger
from mner.remote_images import RemoteImages


class Ensemble(Tagger):
    """Tags with the mean over models of the marginal probability of each label of each word.

    The tags are the best sequence that the tagging scheme allows under the averaged marginals; the confidence of an
    entity is the mean of its exact probabilities under the models. ``scores`` of a post are empty, and entities are not
    grounded.

    Args:
        models: At least one model. Encoders and methods may differ; labels, contexts and word tokenizer must not.

    Raises:
        ConfigurationError: If there is no model, or labels, contexts or word tokenizers differ.
    """

    def __init__(self, models: Sequence[FusionModule]) -> None:
        if not models:
            raise ConfigurationError("expected at least one model, got none; give the checkpoints of the ensemble")
        super().__init__(models[0])
        self.models = [model.eval() for model in models]
        first = self.models[0]
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
        if any(model.grounding is not None for model in self.models):
            warnings.warn("an ensemble predicts no boxes; tag with one of its models to ground entities", stacklevel=3)
        self._softmax = Softmax(constraints="decode")
        self._softmax.bind(first.labels)
        self._softmax.to(first.device)

    def use_image_folder(self, folder: Path | None, remote: RemoteImages | None = None) -> None:
        """Read images from one folder only; see the base class."""
        super().use_image_folder(folder, remote)
        for model in self.models[1:]:
            model.preprocessor = model.preprocessor.using(image_folders=[folder], remote=remote)

    @torch.inference_mode()
    def _tag(self, batch: Batch) -> EntityLists:
        first = self.models[0]
        mask = batch.word_mask.to(first.device)
        outputs = []
        marginals = torch.zeros((), device=first.device)
        for place, model in enumerate(self.models):
            own = (batch if not place else model.preprocessor.using(quiet=True)(batch.posts)).to(model.device)
            emissions = model(own)
            order = torch.tensor([model.labels.index(label) for label in first.labels], device=model.device)
            outputs.append((model.decoder, emissions, own.word_mask, order))
            marginals = marginals + model.decoder.marginals(emissions, own.word_mask)[..., order].to(first.device)
        averaged = (marginals / len(self.models)).clamp_min(torch.finfo(torch.float32).tiny).log()
        tags = self._softmax.decode(averaged, mask)
        confidence = torch.zeros(tags.shape, device=first.device)
        for decoder, emissions, own_mask, order in outputs:
            found = decoder.confidence(emissions, own_mask, order[tags.to(order.device)])
            confidence += found.to(first.device) / len(self.models)
        return find_entities(self._softmax, batch.to(first.device), averaged, tags, confidence=confidence)
