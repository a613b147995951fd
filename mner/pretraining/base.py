"""The base of every pre-training module: objectives, metrics and export of the encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric

from mner.batch import Batch
from mner.components import check_arguments
from mner.errors import ConfigurationError, DataError
from mner.preprocessor import Preprocessor
from mner.pretraining.export import export_encoder
from mner.pretraining.language_head import LanguageModelHead
from mner.pretraining.masking import IGNORE_INDEX, SubwordMasking
from mner.text.subword_encoder import SubwordEncoder
from mner.training import Optimization, TrainingModule
from mner.vision.encoder import ImageEncoder

OPTIMIZATION = Optimization(warmup_ratio=0.1)
"""The default of every pre-training."""


@dataclass(frozen=True)
class Objective:
    """The result of an objective on a batch.

    Args:
        loss: Loss summed over its predictions.
        correct: Number of correct predictions.
        count: Number of predictions.
    """

    loss: Tensor
    correct: Tensor
    count: Tensor


class PretrainingModule(TrainingModule, ABC):
    """Adapts a text encoder to the posts at hand, without reading their tags; a subclass defines the objectives.

    The loss is the sum of the objectives, each averaged over its predictions. ``val/loss``, ``val/perplexity`` and the
    accuracies are over all predictions of the validation posts, the same ones in every epoch. Afterwards :meth:`export`
    writes the encoder for fine-tuning; ``mner fit`` does so with the weights of the best epoch.

    Args:
        names: The objectives, as :meth:`objectives` names them.
        text_encoder: The encoder to adapt.
        image_encoder: Images to regions, or ``None``.
        mask_rate: Fraction of the subwords to predict; of these 80% are masked, 10% replaced.
        whole_words: Mask all subwords of a word or none (whole-word masking).
        validation_seed: Seed of the validation masks.
        training: The other arguments of :class:`~mner.training.TrainingModule`.

    Raises:
        ConfigurationError: If the text encoder is a part of a model, which its folder would no longer contain.
    """

    text_encoder: SubwordEncoder

    def __init__(
        self,
        names: Sequence[str],
        text_encoder: SubwordEncoder,
        image_encoder: ImageEncoder | str | None,
        mask_rate: float,
        whole_words: bool,
        validation_seed: int,
        training: Mapping[str, Any],
    ) -> None:
        if not text_encoder.is_whole:
            raise ConfigurationError(
                f"a {type(text_encoder).__name__} is one part of a model, and the folder of a pre-training would lack "
                "the others; pre-train a HuggingFaceText or a VisualBertText, or leave the pre-training out"
            )
        super().__init__(text_encoder, image_encoder, **training)
        self.masking = SubwordMasking(text_encoder, mask_rate, whole_words, validation_seed)
        self.names = list(names)
        self.head = LanguageModelHead(text_encoder)
        source, revision = text_encoder.source, text_encoder.revision
        self.head_is_pretrained = source is not None and self.head.load(source, revision)
        self.validation_means = nn.ModuleDict(
            {f"{name}_{value}": MeanMetric() for name in names for value in ("loss", "accuracy")}
        )
        self.preprocessor = Preprocessor(**self.preprocessing())  # without labels: tags are not read
        check_arguments(self)

    @abstractmethod
    def objectives(self, batch: Batch, noise: Tensor) -> dict[str, Objective]:
        """Compute the objectives on a batch.

        Args:
            batch: Posts as subwords.
            noise: Noise for the masks, from :class:`mner.pretraining.masking.SubwordMasking`, shape ``(N, P, 3)``.
        """

    def masked_language(self, states: Tensor, targets: Tensor) -> Objective:
        """Predict the masked subwords; the others are not scored, which saves most of the work.

        Args:
            states: Encoder states, shape ``(N, P, D)``.
            targets: The masked subwords, ``IGNORE_INDEX`` elsewhere, shape ``(N, P)``.

        Returns:
            Their cross-entropy.
        """
        masked = targets != IGNORE_INDEX
        target = targets[masked]
        scores = self.head(states[masked], self.text_encoder.model.get_input_embeddings().weight)
        loss = functional.cross_entropy(scores, target, reduction="sum")
        return Objective(loss, (scores.argmax(dim=-1) == target).sum(), masked.sum())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the loss under freshly drawn masks."""
        found = self.objectives(batch, self.masking.training_noise(batch))
        means = {name: each.loss / each.count.clamp(min=1) for name, each in found.items()}
        if len(means) > 1:
            self.log_dict({f"train/{name}_loss": mean for name, mean in means.items()}, batch_size=len(batch))
        loss = cast("Tensor", sum(means.values()))
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget what an earlier validation collected, even if it did not reach its end."""
        with torch.inference_mode(False):  # or later training could not update them
            for metric in self._means.values():
                metric.reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect losses and accuracies under the validation masks."""
        for name, each in self.objectives(batch, self.masking.validation_noise(batch)).items():
            for value, total in (("loss", each.loss.float()), ("accuracy", each.correct.float())):
                self._means[f"{name}_{value}"].update(total / each.count.clamp(min=1), each.count)

    def on_validation_epoch_end(self) -> None:
        """Log ``val/loss``, ``val/perplexity``, and the loss and accuracy of each objective.

        Raises:
            DataError: If there was nothing to predict.
        """
        means = {name: metric.compute() for name, metric in self._means.items()}
        idle = [name for name in self.names if means[f"{name}_accuracy"].isnan()]
        if idle and not self.trainer.sanity_checking:
            raise DataError(
                f"none of the validation posts takes part in {' and '.join(idle)}: masked_language needs words to "
                "hide, sentence_image a caption and an image that can be read; see mner check-data"
            )
        losses = {name: mean for name, mean in means.items() if name.endswith("_loss")}
        means["loss"] = cast("Tensor", sum(losses.values()))
        if "masked_language_loss" in losses:
            means["perplexity"] = losses["masked_language_loss"].exp()
        # The means are already synchronised, which Lightning cannot know.
        self.log_dict({f"val/{name}": mean for name, mean in means.items()}, sync_dist=True)

    @property
    def _means(self) -> dict[str, MeanMetric]:
        return cast("dict[str, MeanMetric]", dict(self.validation_means.items()))

    def export(self, folder: str | Path) -> Path:
        """Write the encoder and its trained head in Hugging Face's own format, for ``name`` of a text encoder.

        Args:
            folder: The folder to create.

        Raises:
            DataError: If the folder exists.
        """
        return export_encoder(self.text_encoder, self.head, folder)
