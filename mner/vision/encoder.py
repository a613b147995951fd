"""The contract of an image encoder: pixels in, regions out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mner.batch import ImageFeatures
from mner.components import Component
from mner.vision.transform import ImageTransform


class ImageEncoder(Component, nn.Module, ABC):
    """Turns images into region vectors.

    A subclass sets ``hidden_size`` (V), ``frozen`` and ``image_transform`` in its constructor and gives :meth:`encode`.
    One whose regions have boxes also sets ``gives_boxes``, without which no entity can be grounded. One whose network
    cannot be an ONNX graph sets ``not_exported_because``.
    While ``frozen`` is true its features may be stored, no gradient is kept, and its modules stay in evaluation mode.
    ``learning_rate`` is that of its trainable parameters, ``None`` for the text encoder's.
    """

    hidden_size: int
    frozen: bool
    image_transform: ImageTransform
    learning_rate: float | None = None
    gives_boxes: bool = False
    not_exported_because: str | None = None
    """Why ``mner export`` refuses it, as the end of a sentence; ``None`` to try."""
    known_fingerprint: str | None = None
    """What identifies its features where its weights are elsewhere, as in an exported model; see
    :func:`mner.vision.fingerprint.encoder_fingerprint`."""

    @property
    def feature_source(self) -> str:
        """What features depend on in addition to arguments and weights, as part of their key in a feature store."""
        return ""

    @abstractmethod
    def encode(self, pixels: Any) -> ImageFeatures:
        """Encode the images that are present; :meth:`forward` handles the missing ones.

        Args:
            pixels: Rows of what ``image_transform.collate`` returned, for example of shape ``(B, 3, H, W)``.

        Returns:
            Regions of shape ``(B, R, V)``.
        """

    def forward(self, pixels: Any, mask: Tensor) -> ImageFeatures:
        """Encode a batch in which posts may have no image.

        A missing image is not encoded at all, so it neither shifts batch-norm statistics nor costs time.

        Args:
            pixels: What ``image_transform.collate`` returned.
            mask: True where a post has an image, shape ``(B,)``. On the CPU, as :class:`mner.batch.Batch` keeps it, it
                lets a GPU run without waiting for the number of images.

        Returns:
            Regions of shape ``(B, R, V)``, masked out and zero where ``mask`` is false; R is 1 in a batch
            without images.
        """
        present = mask.nonzero().squeeze(1)
        like = next(self.parameters(), torch.empty(0, device=mask.device))
        if pixels is None or not len(present):
            nothing = like.new_zeros(len(mask), 1, self.hidden_size)
            return ImageFeatures(nothing, torch.zeros_like(nothing[..., 0], dtype=torch.bool), nothing[:, 0])
        rows = None if len(present) == len(mask) else present
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features = self.encode(_rows(pixels, rows, like.dtype))
        features.regions = features.regions.masked_fill(~features.mask[..., None], 0.0)
        if rows is None:
            return features
        present = present.to(features.regions.device, non_blocking=True)
        placed: dict[str, Any] = {
            name: None if part is None else part.new_zeros(len(mask), *part.shape[1:]).index_copy(0, present, part)
            for name, part in vars(features).items()
        }
        return ImageFeatures(**placed)

    def region_boxes(self, image: ImageFeatures) -> Tensor | None:
        """Return the box of each region, shape ``(B, R, 4)``, or ``None`` where they are not known.

        Args:
            image: What :meth:`forward` returned, or stored features of this encoder.
        """
        return image.boxes

    def train(self, mode: bool = True) -> ImageEncoder:
        """Keep a frozen encoder in evaluation mode, so that batch-norm statistics never drift."""
        super().train(mode and not self.frozen)
        return self


def _rows(pixels: Any, rows: Tensor | None, dtype: torch.dtype) -> Any:
    """Some or all rows of the pixels, in the floating-point type of the encoder, which may be half or double."""
    if isinstance(pixels, Mapping):
        return {name: _rows(part, rows, dtype) for name, part in pixels.items()}
    part = pixels if rows is None else pixels.index_select(0, rows.to(pixels.device, non_blocking=True))
    return part.to(dtype) if part.is_floating_point() else part
