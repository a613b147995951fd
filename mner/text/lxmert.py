"""LXMERT as a text encoder: a stream of words and one of detected regions that attend to each other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from mner.batch import Batch, ImageFeatures
from mner.errors import ConfigurationError
from mner.text.base_model import BaseLoader
from mner.text.encoder import pool_words
from mner.text.joint_encoder import mean_attention, regions_of_rows
from mner.text.pretrained import load_model
from mner.text.region_encoder import RegionEncoder
from mner.vision.encoder import ImageEncoder


class LxmertText(RegionEncoder):
    r"""LXMERT (Tan and Bansal 2019; named in paper 2): two streams with cross-attention, a vector per word.

    Words pass language layers and regions relationship layers; then each cross-modality layer lets words attend to
    regions and regions to words. A region is embedded by its vector and its box:

    .. math::
        v_j = \tfrac{1}{2} (\mathrm{LN}(W_F f_j + b_F) + \mathrm{LN}(W_P p_j + b_P))

    with :math:`p_j` the corners of the box as fractions of width and height. Nothing attends to a masked region. Since
    the cross-attention of a word needs something to attend to, a post without an image has one region of zeros.

    The last cross-modality layer computes states of the regions that nothing reads; those parameters are not trained.

    Args:
        name: An LXMERT: a name on a model hub, such as ``unc-nlp/lxmert-base-uncased`` for regions of 2048, a folder,
            or ``pkg://package/folder`` inside an installed package.
        kwargs: Other arguments of :class:`~mner.text.RegionEncoder`.

    Raises:
        WeightsNotFoundError: If the weights or the tokenizer are neither on disk nor reachable.
        ConfigurationError: If the model is not an LXMERT, or the tokenizer does not fit it.
    """

    width_setting = "visual_feat_dim"
    projection_name = "encoder.visn_fc.visn_fc"

    def base_loader(self, name: str) -> BaseLoader:
        """Return how an LXMERT is loaded."""
        return BaseLoader(name, partial(load_model, joint="lxmert"))

    def accept_images(self, image_encoder: ImageEncoder) -> None:
        """Prepare for regions of the image encoder's width, and make the layers that they use trainable.

        Raises:
            ConfigurationError: If the regions have no boxes, or another width than the pretrained projection, which may
                not be replaced.
        """
        if not image_encoder.gives_boxes:
            raise ConfigurationError(
                f"LXMERT reads regions with their boxes, got a {type(image_encoder).__name__}, which gives none; use "
                "faster_rcnn, DetectedCrops or PrecomputedRegions with boxes, or read the image with a VisualBertText"
            )
        super().accept_images(image_encoder)

    def encode_subwords(self, batch: Batch, image: ImageFeatures | None = None) -> Tensor:
        """Return the states of all subwords, which attended to the regions.

        Args:
            batch: B posts.
            image: Regions ``(B, R, V)`` with boxes, or ``None`` to read only the text.

        Returns:
            Shape ``(N, P, D)``.
        """
        states: Tensor = self.model(**self._inputs(batch, image)).language_output
        return states.to(self.output_dtype)

    def attention(self, batch: Batch, image: ImageFeatures) -> Tensor:
        """Compute the attention of each word to each region, averaged over subwords, heads and cross-modality layers.

        Returns:
            Shape ``(B, W, R)``; the weights of a word sum to one, since its cross-attention is on the image only. Zero
            where a region is masked or a word is padding.
        """
        outputs = self.model(**self._inputs(batch, image), output_attentions=True)
        weights = mean_attention(outputs.cross_encoder_attentions)
        return pool_words(weights * image.mask[batch.post_of_row, None], batch)

    def visual_layers(self) -> Iterator[nn.Module]:
        """Iterate over the layers of regions, except those of the last cross-modality layer."""
        encoder = self.model.encoder
        yield from (encoder.visn_fc, encoder.r_layers)
        for layer in encoder.x_layers[:-1]:
            yield from _visual_layers(layer)

    def train_visual_layers(self, train: bool) -> None:
        """Make the layers of regions trainable or not; those of the last cross-modality layer never are."""
        super().train_visual_layers(train)
        for module in _visual_layers(self.model.encoder.x_layers[-1]):
            module.requires_grad_(False)

    def _inputs(self, batch: Batch, image: ImageFeatures | None) -> dict[str, Tensor]:
        """Build the inputs of ``transformers``' LxmertModel, one row per encoder row."""
        rows = batch.input_ids.shape[0]
        if image is None:
            placed = {"device": batch.input_ids.device, "dtype": self.model.dtype}
            regions, boxes = torch.zeros(rows, 1, self.region_size, **placed), torch.zeros(rows, 1, 4, **placed)
            mask = torch.zeros(rows, 1, dtype=torch.bool, device=batch.input_ids.device)
        else:
            regions, mask = regions_of_rows(batch, image)
            if image.boxes is None:  # no post of the batch has an image
                boxes = regions.new_zeros(*mask.shape, 4)
            else:
                boxes = image.boxes[batch.post_of_row].to(regions.dtype).masked_fill(~mask[..., None], 0.0)
        first = torch.arange(mask.shape[1], device=mask.device) == 0
        read = mask | (first & ~mask.any(dim=1, keepdim=True))
        return {
            "input_ids": batch.input_ids,
            "attention_mask": batch.attention_mask,
            "token_type_ids": batch.token_type_ids,
            "visual_feats": regions,
            "visual_pos": boxes,
            "visual_attention_mask": read.to(batch.attention_mask.dtype),
        }


def _visual_layers(layer: nn.Module) -> Iterator[nn.Module]:
    """Iterate over the parts of a cross-modality layer that compute states of regions."""
    return (module for name, module in layer.named_children() if name.startswith("visn_"))
