"""Visual prefixes (HVPNeT): the image as keys and values that every layer of the text encoder attends to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from mner.argument_types import check_range
from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.fusion.base import FusionModule
from mner.text.huggingface import HuggingFaceText
from mner.text.prefix import Prefix
from mner.text.prefix_probe import check_prefix


class VisualPrefix(FusionModule):
    r"""Chen et al. 2022, "Good visual guidance makes a better extractor: hierarchical visual prefix" (HVPNeT).

    The regions of an image are c cells of a feature pyramid (:class:`~mner.vision.PyramidGrid`), and further groups of
    c cells are those of its crops (:class:`~mner.vision.DetectedCrops` with ``regions="all"``). With cells V, layers l
    of the text encoder and S slices:

    .. math::
        [u_1 ; \dots ; u_S] &= W_2 \tanh(W_1 V), \quad u_s \in R^{c \times 2D} \\
        g_l &= \mathrm{softmax}\; \mathrm{LeakyReLU}(W_l\, \mathrm{flatten}(\tfrac1S \textstyle\sum_s u_s)) \in R^S \\
        [K_l ; V_l] &= \textstyle\sum_s g_{ls} u_s

    for the image and each crop with the same weights. All cells of a post, :math:`K_l` and :math:`V_l` split into the
    heads of the encoder, precede the keys and values of its subwords in layer l. A word's vector is pooled from its
    subwords, as without an image.

    Choices:

    * In the paper the slices are the stages of the pyramid. In the authors' code they are learned from all stages
      together, as here.
    * The authors' code mixes channels and cells, and features and positions among the heads, by reshaping where it
      should transpose. Here a position of the prefix is a cell, and a head sees its part of the features.
    * The positions of the subwords are not shifted. A missing crop and the image of a post without one are masked: such
      a post is read as by the text encoder itself.
    * Regions are grouped by c in order; the last group may be incomplete. So any image encoder serves.

    The encoder must attend to a prefix, which is tested in the constructor: see :mod:`mner.text.prefix_probe`.

    Args:
        cells: Number of consecutive regions that are one image or crop, c, and share gates.
        slices: Number of slices, S.
        size: Inner width of the projection.
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If the text encoder does not attend to a prefix, or a number is below 1.
    """

    text_encoder: HuggingFaceText

    def __init__(self, cells: int = 4, slices: int = 4, size: int = 800, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_range("cells", cells, "[1, inf)")
        check_range("slices", slices, "[1, inf)")
        check_range("size", size, "[1, inf)")
        layers, heads, head_size = check_prefix(self.text_encoder).prefix_shape
        width = 2 * heads * head_size
        self.cells = cells
        self.slices = slices
        self.projection = nn.Sequential(nn.Linear(self.image_width, size), nn.Tanh(), nn.Linear(size, slices * width))
        self.gates = nn.Linear(cells * width, layers * slices)

    def encode_text(self, batch: Batch, image: ImageFeatures) -> TextFeatures:
        """Encode the texts with the images as prefixes."""
        return self.text_encoder.encode_with_prefix(batch, self.prefix(image))

    def prefix(self, image: ImageFeatures) -> Prefix:
        """Turn regions into keys and values for every layer.

        Args:
            image: Region states ``(B, R, V)``.

        Returns:
            A prefix of R positions, filled up to a multiple of ``cells`` by masked ones.
        """
        layers, heads, head_size = self.text_encoder.prefix_shape
        missing = -image.regions.shape[1] % self.cells
        mask = pad(image.mask, (0, missing))
        regions = pad(image.regions, (0, 0, 0, missing)).masked_fill(~mask[..., None], 0.0)
        # (B, groups, cells, slices, 2 D); a masked cell would otherwise be the bias in the gates
        parts = self.projection(regions).masked_fill(~mask[..., None], 0.0)
        parts = parts.view(mask.shape[0], -1, self.cells, self.slices, 2 * heads * head_size)
        gates = leaky_relu(self.gates(parts.mean(dim=3).flatten(2))).unflatten(-1, (layers, self.slices)).softmax(-1)
        mixed = torch.einsum("bgls,bgcsd->lbgcd", gates.to(parts.dtype), parts).flatten(2, 3)
        keys, values = mixed.unflatten(-1, (2, heads, head_size)).permute(3, 0, 1, 4, 2, 5)
        return Prefix(keys, values, mask)

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Return ``text.words``, shape ``(B, W, D)``, which already attended to the prefix."""
        return text.words
