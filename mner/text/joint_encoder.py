"""The base of encoders that read the words of a post and the regions of its image together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from mner.batch import Batch, ImageFeatures
from mner.text.pretrained_encoder import PretrainedEncoder
from mner.vision.encoder import ImageEncoder


class JointEncoder(PretrainedEncoder, ABC):
    """A transformer in which words and regions attend to each other; only words are pooled.

    A fusion that passes regions calls :meth:`accept_images` in its constructor; until then the layers that only regions
    use are not trained. A post without an image is encoded as by :meth:`forward` without ``image``, whatever the other
    posts of its batch have.

    The image does not count towards ``max_length``, and every window of a long post has it. Next to an adapter, a
    projection of regions is trained whole.

    Arguments are those of :class:`~mner.text.PretrainedEncoder`.
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


def regions_of_rows(batch: Batch, image: ImageFeatures) -> tuple[Tensor, Tensor]:
    """Repeat the regions of each post for its encoder rows.

    Returns:
        Regions, shape ``(N, R, V)``, zero where masked, since a weight of zero does not cancel a region that contains
        NaN; and their mask, shape ``(N, R)``.
    """
    mask = image.mask[batch.post_of_row]
    return image.regions[batch.post_of_row].masked_fill(~mask[..., None], 0.0), mask


def mean_attention(layers: Sequence[Tensor]) -> Tensor:
    """Average the attention of several layers over heads and layers.

    Args:
        layers: Weights of each layer, shape ``(N, heads, Q, K)``.

    Returns:
        Shape ``(N, Q, K)``.
    """
    return torch.stack([layer.mean(dim=1) for layer in layers]).mean(dim=0)
