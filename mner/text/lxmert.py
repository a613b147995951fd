"""LXMERT as a text encoder: a stream of words and one of detected regions that attend to each other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mner.batch import Batch, ImageFeatures
from mner.errors import ConfigurationError
from mner.text.base_model import BaseLoader, adapt, restore
from mner.text.encoder import pool_words
from mner.text.lora import LoRA
from mner.text.pretrained import describe, load_model, load_tokenizer
from mner.text.probe import check_encoder, check_vocabulary
from mner.text.region_encoder import RegionEncoder
from mner.text.subword_factory import subword_tokenizer
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
        new_projection: Learn a new projection of the regions where their width is not that of the pretrained LXMERT;
            otherwise such regions are rejected. It is trained with the learning rate of new layers.
        pooling: The vector of a word is the ``mean`` of its subwords, or its ``first`` subword.
        max_length: Maximum number of subwords per row, not counting regions; by default what the model allows.
        on_long_post: ``window`` reads a post that does not fit in overlapping windows, each with all regions;
            ``error`` refuses it.
        freeze_embeddings: Do not train the subword embeddings.
        lora: Train a small adapter in the encoder, whose own weights stay as they are and out of checkpoints; the
            projection of regions is trained whole.
        architecture: Filled in when a checkpoint is saved, so that it can be loaded without the source of the weights;
            leave it out.

    Raises:
        WeightsNotFoundError: If the weights or the tokenizer are neither on disk nor reachable.
        ConfigurationError: If the model is not an LXMERT, or the tokenizer does not fit it.
    """

    width_setting = "visual_feat_dim"
    projection_name = "encoder.visn_fc.visn_fc"

    def __init__(
        self,
        name: str,
        new_projection: bool = False,
        pooling: Literal["mean", "first"] = "mean",
        max_length: int | None = None,
        on_long_post: Literal["window", "error"] = "window",
        freeze_embeddings: bool = False,
        lora: LoRA | None = None,
        architecture: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name if architecture is None else None, lora=lora)
        loader = BaseLoader(name, partial(load_model, joint="lxmert"))
        known = None
        if architecture is None:
            self.model, pieces = loader(), load_tokenizer(name)
            check_vocabulary(pieces, self.model, name)
        else:
            self.model, pieces, known = restore(architecture, loader, lora is not None)
        self.set_up_regions(new_projection, from_text=False, architecture=architecture)
        self.architecture = describe(self.model, pieces)
        self.model.train()
        self.hidden_size: int = self.model.config.hidden_size
        self.subword_tokenizer = subword_tokenizer(pieces, self.model, pooling, max_length, on_long_post)
        if architecture is None:
            check_encoder(self, name)
        if self.lora is not None:
            adapt(self, self.lora, known)
        if freeze_embeddings:
            self.model.get_input_embeddings().weight.requires_grad_(False)
        self.train_visual_layers(False)
        for module in _visual_layers(self.model.encoder.x_layers[-1]):
            module.requires_grad_(False)

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
        layers = self.model(**self._inputs(batch, image), output_attentions=True).cross_encoder_attentions
        mean = torch.stack([layer.mean(dim=1) for layer in layers]).mean(dim=0)
        return pool_words(mean * image.mask[batch.post_of_row, None], batch)

    def visual_layers(self) -> Iterator[nn.Module]:
        """Iterate over the layers of regions, except those of the last cross-modality layer."""
        encoder = self.model.encoder
        yield from (encoder.visn_fc, encoder.r_layers)
        for layer in encoder.x_layers[:-1]:
            yield from _visual_layers(layer)

    def _inputs(self, batch: Batch, image: ImageFeatures | None) -> dict[str, Tensor]:
        """Build the inputs of ``transformers``' LxmertModel, one row per encoder row."""
        rows = batch.input_ids.shape[0]
        weight = self.projection.weight
        if image is None:
            regions, boxes = weight.new_zeros(rows, 1, self.region_size), weight.new_zeros(rows, 1, 4)
            mask = torch.zeros(rows, 1, dtype=torch.bool, device=weight.device)
        else:
            mask = image.mask[batch.post_of_row]
            # A weight of zero does not cancel a region that contains NaN.
            regions = image.regions[batch.post_of_row].masked_fill(~mask[..., None], 0.0)
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
