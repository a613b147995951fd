"""The base of every pre-training: objectives, extra posts, and the encoder that it leaves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric

from mner.batch import Batch
from mner.collate import Collator
from mner.components import check_arguments
from mner.data.datamodule import PostDataModule
from mner.data.readers import iter_posts
from mner.errors import ConfigurationError, DataError, DatasetNotFoundError
from mner.posts import Post
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
    """What an objective found in a batch.

    Args:
        loss: Summed over its predictions.
        correct: How many of these were right.
        count: How many there were.
    """

    loss: Tensor
    correct: Tensor
    count: Tensor


class PretrainingModule(TrainingModule, ABC):
    """Adapts a text encoder to the posts at hand, whose tags are not read; a subclass says by which objectives.

    The loss is the sum of the objectives, each averaged over its predictions. ``val/loss``, ``val/perplexity`` and the
    accuracies are over all predictions of the validation posts, the same ones in every epoch. Afterwards :meth:`export`
    writes the encoder for fine-tuning; ``mner fit`` does so with the weights of the best epoch.

    Args:
        names: The objectives, as :meth:`objectives` names them.
        text_encoder: The encoder to adapt.
        image_encoder: Images to regions, or ``None``.
        mask_rate: Share of the subwords that are to be predicted; of these 80 % are masked, 10 % replaced.
        whole_words: Hide all pieces of a word or none.
        extra_posts: Files of further posts to train on.
        extra_images: The folder of their images, or ``None`` to leave these out.
        validation_seed: Of the validation's masks.
        training: What every :class:`~mner.training.TrainingModule` takes beside.
    """

    text_encoder: SubwordEncoder

    def __init__(
        self,
        names: Sequence[str],
        text_encoder: SubwordEncoder,
        image_encoder: ImageEncoder | str | None,
        mask_rate: float,
        whole_words: bool,
        extra_posts: Sequence[str] | str,
        extra_images: str | None,
        validation_seed: int,
        training: Mapping[str, Any],
    ) -> None:
        super().__init__(text_encoder, image_encoder, **training)
        self.masking = SubwordMasking(text_encoder, mask_rate, whole_words, validation_seed)
        self.names = list(names)
        self.extra_posts = [extra_posts] if isinstance(extra_posts, str) else [str(path) for path in extra_posts]
        if extra_images is not None and not self.extra_posts:
            raise ConfigurationError("extra_images is the folder of the images of extra_posts, and none are given")
        self.extra_images = None if extra_images is None else Path(extra_images)
        self.head = LanguageModelHead(text_encoder)
        source, revision = text_encoder.source, text_encoder.revision
        self.head_is_pretrained = source is not None and self.head.load(source, revision)
        self.validation_means = nn.ModuleDict(
            {f"{name}_{value}": MeanMetric() for name in names for value in ("loss", "accuracy")}
        )
        check_arguments(self)

    @abstractmethod
    def objectives(self, batch: Batch, noise: Tensor) -> dict[str, Objective]:
        """What each objective finds in a batch.

        Args:
            batch: Posts as subwords.
            noise: What the masks are made of, of :class:`mner.pretraining.masking.SubwordMasking`, ``(N, P, 3)``.
        """

    def masked_language(self, states: Tensor, targets: Tensor) -> Objective:
        """Predict the hidden pieces; the others are not scored, which saves most of the work.

        Args:
            states: Encoder states, shape ``(N, P, D)``.
            targets: The hidden pieces, elsewhere ``IGNORE_INDEX``, shape ``(N, P)``.

        Returns:
            Their cross-entropy.
        """
        hidden = targets != IGNORE_INDEX
        scores = self.head(states[hidden], self.text_encoder.model.get_input_embeddings().weight)
        loss = functional.cross_entropy(scores, targets[hidden], reduction="sum")
        return Objective(loss, (scores.argmax(dim=-1) == targets[hidden]).sum(), hidden.sum())

    @property
    def collator(self) -> Collator:
        """Turns posts into this model's batches, without tags."""
        return Collator(self.text_encoder.subword_tokenizer, images=self.images)

    def setup(self, stage: str) -> None:
        """Add the extra posts to those of the data module.

        Raises:
            ConfigurationError: If there are extra posts but no data module to add them to.
            DatasetNotFoundError: If one of their files or the folder of their images is not there.
        """
        if stage == "fit" and self.extra_posts:
            datamodule: Any = getattr(self.trainer, "datamodule", None)
            if not isinstance(datamodule, PostDataModule):
                raise ConfigurationError("extra_posts are added to a data module's: fit with one, not with loaders")
            datamodule.extra_posts = read_extra_posts(self.extra_posts, datamodule.contexts, self.extra_images)
            rank_zero_info(f"{len(datamodule.extra_posts)} more train posts from {', '.join(self.extra_posts)}")
        super().setup(stage)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One step, under masks of its own."""
        found = self.objectives(batch, self.masking.training_noise(batch))
        means = {name: each.loss / each.count.clamp(min=1) for name, each in found.items()}
        if len(means) > 1:
            self.log_dict({f"train/{name}_loss": mean for name, mean in means.items()}, batch_size=len(batch))
        loss = cast("Tensor", sum(means.values()))
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect losses and accuracies under the validation's masks."""
        for name, each in self.objectives(batch, self.masking.validation_noise(batch)).items():
            for value, total in (("loss", each.loss.float()), ("accuracy", each.correct.float())):
                self._means[f"{name}_{value}"].update(total / each.count.clamp(min=1), each.count)

    def on_validation_epoch_end(self) -> None:
        """Log ``val/loss``, ``val/perplexity`` and, of each objective, loss and accuracy.

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
        # The means are over all processes already, as Lightning cannot know.
        self.log_dict({f"val/{name}": mean for name, mean in means.items()}, sync_dist=True)
        with torch.inference_mode(False):  # or a training could not count in them after a validation
            for metric in self._means.values():
                metric.reset()

    @property
    def _means(self) -> dict[str, MeanMetric]:
        return cast("dict[str, MeanMetric]", dict(self.validation_means.items()))

    def export(self, folder: str | Path) -> Path:
        """Write the encoder and its trained head in Hugging Face's own format, for ``name`` of a text encoder.

        Args:
            folder: Where to.

        Raises:
            DataError: If the folder exists.
        """
        return export_encoder(self.text_encoder, self.head, folder)


def read_extra_posts(paths: Sequence[str], contexts: Sequence[str], images: Path | None = None) -> list[Post]:
    """Read posts to pre-train on, without tags.

    Args:
        paths: Files in any format that mner reads, or of one raw text a line.
        contexts: Kinds of context that are kept, where the posts have them.
        images: The folder of their images; without it, the posts are read as posts without one.

    Raises:
        DatasetNotFoundError: If a file or the folder is not there.
        FormatError: If a file is malformed.
    """
    if images is not None and not images.is_dir():
        raise DatasetNotFoundError(f"{images}: no such folder; give that of the extra posts' images as extra_images")
    return [
        replace(
            post,
            tags=None,
            image=post.image if images is not None else None,
            contexts={kind: post.contexts[kind] for kind in contexts if kind in post.contexts},
        )
        for path in paths
        for post in iter_posts(path, images=images)
    ]
