"""The base of encoders that read the words of a post and the regions of its image together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

from torch import Tensor

from mner.batch import Batch, ImageFeatures
from mner.text.base_model import BaseLoader, adapt, restore
from mner.text.lora import LoRA
from mner.text.pretrained import describe, load_tokenizer
from mner.text.probe import check_encoder, check_vocabulary
from mner.text.subword_encoder import SubwordEncoder
from mner.text.subword_factory import subword_tokenizer
from mner.vision.encoder import ImageEncoder


class JointEncoder(SubwordEncoder, ABC):
    """A transformer in which words and regions attend to each other; only words are pooled.

    A fusion that passes regions calls :meth:`accept_images` in its constructor; until then the layers that only regions
    use are not trained. A post without an image is encoded as by :meth:`forward` without ``image``, whatever the other
    posts of its batch have.

    Args:
        name: A name on a model hub, a folder, or ``pkg://package/folder`` inside an installed package.
        pooling: The vector of a word is the ``mean`` of its subwords, or its ``first`` subword.
        max_length: Maximum number of subwords per row, not counting the image; by default what the model allows.
        on_long_post: ``window`` reads a post that does not fit in overlapping windows, each with the image; ``error``
            refuses it.
        freeze_embeddings: Do not train the subword embeddings.
        lora: Train a small adapter in the encoder, whose own weights stay as they are and out of checkpoints; a
            projection of regions is trained whole.
        architecture: Filled in when a checkpoint is saved, so that it can be loaded without the source of the weights;
            leave it out.

    Raises:
        WeightsNotFoundError: If the weights or the tokenizer are neither on disk nor reachable.
        ConfigurationError: If the model is of another kind, or the tokenizer does not fit it.
    """

    def __init__(
        self,
        name: str,
        pooling: Literal["mean", "first"] = "mean",
        max_length: int | None = None,
        on_long_post: Literal["window", "error"] = "window",
        freeze_embeddings: bool = False,
        lora: LoRA | None = None,
        architecture: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name if architecture is None else None, lora=lora)
        loader, known = self.base_loader(name), None
        if architecture is None:
            self.model = loader()
            tokenizer = load_tokenizer(self.tokenizer_name(name))
            check_vocabulary(tokenizer, self.model, name)
        else:
            self.model, tokenizer, known = restore(architecture, loader, lora is not None)
        self.prepare(tokenizer, architecture)
        self.model.train()  # loading leaves it in evaluation mode, without dropout
        self.architecture = describe(self.model, tokenizer)
        self.hidden_size: int = self.model.config.hidden_size
        self.subword_tokenizer = subword_tokenizer(tokenizer, self.model, pooling, max_length, on_long_post)
        if architecture is None:
            check_encoder(self, name)
        if self.lora is not None:
            adapt(self, self.lora, known)
        if freeze_embeddings:
            self.model.get_input_embeddings().weight.requires_grad_(False)

    @abstractmethod
    def base_loader(self, name: str) -> BaseLoader:
        """Return how the ``transformers`` model of this name is loaded."""

    def tokenizer_name(self, name: str) -> str:
        """Return the name of the tokenizer; called after the model of this name was loaded."""
        return name

    def prepare(self, tokenizer: Any, architecture: dict[str, Any] | None) -> None:
        """Change the model, or look up tokens, before the model is described and tested; by default do nothing.

        Args:
            tokenizer: The tokenizer of ``transformers``.
            architecture: The architecture in the checkpoint, if the encoder is that of a checkpoint.
        """

    @abstractmethod
    def accept_images(self, image_encoder: ImageEncoder) -> None:
        """Prepare for the regions of an image encoder, and make the layers that they use trainable.

        Raises:
            ConfigurationError: If the encoder cannot read these regions.
        """

    @abstractmethod
    def attention(self, batch: Batch, image: ImageFeatures) -> Tensor:
        """Compute the attention of each word to each region, averaged over its subwords, all heads and all layers.

        Returns:
            Shape ``(B, W, R)``; zero where a region is masked or a word is padding. The weights of a word sum to the
            fraction of its attention that is on the image.
        """
