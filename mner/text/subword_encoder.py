"""The base of text encoders that run a transformer over subwords, pool its states to words and can be exported."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.text.encoder import TextEncoder, pool_words
from mner.text.lora import LoRA, merged


class SubwordEncoder(TextEncoder, ABC):
    """A ``transformers`` model over subwords, one vector per word.

    A subclass sets ``model``, ``subword_tokenizer`` and ``hidden_size`` in its constructor, describes model and
    tokenizer in ``architecture``, which is also one of its arguments, and implements :meth:`encode_subwords`.

    Args:
        source: Source of its weights; ``None`` where a checkpoint contains them.
        revision: The version of the source, or ``None`` for the default one.
        lora: The adapter, if the encoder has one; a mapping if it comes from a checkpoint.
    """

    model: Any
    architecture: dict[str, Any]
    """Configuration and tokenizer as plain data (see :func:`mner.text.pretrained.describe`)."""
    is_whole: ClassVar[bool] = True
    """Whether ``model`` is all that its source contains, so that a folder written of it is read like the source."""

    def __init__(
        self, source: str | None, revision: str | None = None, lora: LoRA | Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.source = source
        self.revision = revision
        self.lora = LoRA(**lora) if isinstance(lora, Mapping) else lora
        # Converted along with the module, and so records its data type.
        self.register_buffer("_follows_dtype", torch.zeros(()), persistent=False)

    @property
    def output_dtype(self) -> torch.dtype:
        """The data type of the module that contains the encoder, independent of that of its own weights."""
        return self.get_buffer("_follows_dtype").dtype

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Add the architecture to the arguments, so that a checkpoint loads without the source of the weights."""
        return {**super().checkpoint_arguments(), "architecture": self.architecture}

    @property
    def own_layers(self) -> tuple[str, ...]:
        """Names of the layers in ``model`` that are trained whole next to an adapter, and kept in checkpoints."""
        return ()

    def merged_model(self) -> Any:
        """Return the encoder as an ordinary ``transformers`` model, its adapter merged into its weights."""
        return self.model if self.lora is None else merged(self.model)

    @abstractmethod
    def encode_subwords(self, batch: Batch, image: ImageFeatures | None = None) -> Tensor:
        """Return the states of all subwords, shape ``(N, P, D)``."""

    def forward(self, batch: Batch, image: ImageFeatures | None = None) -> TextFeatures:
        """Encode a batch.

        Args:
            batch: B posts.
            image: Regions ``(B, R, V)`` to read together with the words, or ``None``; a text-only encoder ignores them.

        Returns:
            Word vectors ``(B, W, D)`` and the vector of the first subword ``(B, D)``.
        """
        return self.pool(self.encode_subwords(batch, image), batch)

    def pool(self, pieces: Tensor, batch: Batch) -> TextFeatures:
        """Pool the states of subwords, shape ``(N, P, D)``, to those of words and posts."""
        return TextFeatures(words=pool_words(pieces, batch), mask=batch.word_mask, pooled=pieces[batch.first_row, 0])
