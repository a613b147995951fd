"""Matching and alignment (MAF): the image is weighted by its match with the text, learned from two auxiliary losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from mner.argument_types import check_range
from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.fusion.base import FusionModule
from mner.fusion.cross_attention import CrossAttention
from mner.fusion.shuffled_images import shuffle_images


@dataclass
class MatchedTextFeatures(TextFeatures):
    """Text features with what the words see in the image, ``(B, W, D)``, and the logit of a match, ``(B,)``."""

    visual: Tensor | None = None
    match: Tensor | None = None


class MatchingAlignment(FusionModule):
    r"""Xu et al. 2022, "MAF: a general matching and alignment framework for multimodal named entity recognition".

    With word states :math:`h`, projected regions :math:`v = W_v V`, their means :math:`\bar h`, :math:`\bar c` over the
    words, and :math:`\mathrm{Cross}(q, k)` a BERT layer with queries from q and keys and values from k:

    .. math::
        c &= \mathrm{Cross}(h, v), \quad P = \sigma(w^\top [\bar h ; \bar c]) \\
        o_i &= [h_i ; g_i \odot P c_i], \quad g_i = \sigma(W h_i + U P c_i) \\
        \mathcal L &= \alpha \mathcal L_{\mathrm{decoder}} + (1 - \alpha) (\mathcal L_{\mathrm{match}} +
            \mathcal L_{\mathrm{align}})

    :math:`\mathcal L_{\mathrm{match}}` is the cross entropy of P on posts with their own image (a match) and with that
    of another post of the batch (none). :math:`\mathcal L_{\mathrm{align}}` is InfoNCE between the pooled vectors of
    texts and images, each through a two-layer perceptron, with cosines over the temperature :math:`\tau`: :math:`\beta`
    times that of the image of a text plus :math:`1 - \beta` times that of the text of an image.

    Choices:

    * P is computed from the mean of the words, the authors' code's from all of 128 padded subwords flattened into one
      vector, which fixes the length, reads padding, and has a weight per position.
    * Only the matching is trained on shuffled images. In the authors' code the tagger is trained on them as well,
      although tags may be determined by the post's own image; and what is shuffled is c, computed with the words of
      the other post.
    * Images are shuffled by a generator that is seeded by the training step, so that a resumed training continues
      identically. Only posts with images take part; a batch with fewer than two has no mismatch. Two posts with the
      same image file are neither a mismatch nor negatives of each other.
    * Both losses exist only in training, since they depend on the batch: validation losses are the decoder's. In
      distributed training they compare the posts of one process, so their value depends on the batch size per device.
    * The total is divided by :math:`\alpha`, so that the decoder's loss has the scale that it has in other methods.
    * A post without an image has :math:`P = 0`: its emissions are those of :math:`[h_i ; 0]`.

    Args:
        heads: Number of attention heads of the cross-modal layer; by default such that each is about 64 wide.
        tagging_weight: :math:`\alpha`, the weight of the decoder's loss, in (0, 1].
        temperature: :math:`\tau`.
        text_to_image_weight: :math:`\beta`, in [0, 1].
        layer_dropout: Dropout in the cross-modal layer.
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If ``heads`` does not divide the text encoder's width, or a number is out of range.
    """

    def __init__(
        self,
        heads: int | None = None,
        tagging_weight: float = 0.62,
        temperature: float = 0.179,
        text_to_image_weight: float = 0.7,
        layer_dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_range("tagging_weight", tagging_weight, "(0, 1]")
        check_range("temperature", temperature, "(0, inf)")
        check_range("text_to_image_weight", text_to_image_weight, "[0, 1]")
        check_range("layer_dropout", layer_dropout, "[0, 1)")
        width = self.text_encoder.hidden_size
        self.auxiliary_weight = (1 - tagging_weight) / tagging_weight
        self.temperature = temperature
        self.text_to_image_weight = text_to_image_weight
        self.project_image = nn.Linear(self.image_width, width)
        self.cross_layer = CrossAttention(width, heads, layer_dropout)
        self.matching = nn.Linear(2 * width, 1)
        self.gate = nn.Linear(2 * width, width)
        self.align_text = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.align_image = nn.Sequential(nn.Linear(self.image_width, width), nn.ReLU(), nn.Linear(width, width))

    @property
    def fused_size(self) -> int:
        """Width of the word and the gated image, concatenated."""
        return 2 * self.text_encoder.hidden_size

    def encode(self, batch: Batch) -> tuple[TextFeatures, ImageFeatures]:
        """Encode the texts and images, and match them, which both the emissions and the loss use."""
        text, image = super().encode(batch)
        return self.match(text, image), image

    def match(self, text: TextFeatures, image: ImageFeatures) -> MatchedTextFeatures:
        """Let the words attend to the regions, and score whether the image belongs to the text.

        Args:
            text: Word states ``(B, W, D)``.
            image: Region states ``(B, R, V)``.

        Returns:
            The text features with both.
        """
        visual = self.cross_layer(text.words, self.project_image(image.regions), image.mask)
        pair = torch.cat([_mean(text.words, text.mask), _mean(visual, text.mask)], dim=-1)
        return MatchedTextFeatures(**vars(text), visual=visual, match=self.matching(pair).squeeze(-1))

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Add to each word what it sees, by how well the image matches.

        Args:
            text: What :meth:`match` returned, of shape ``(B, W, D)``.
            image: Region states ``(B, R, V)``; ``image.mask`` is false everywhere where a post has no image.

        Returns:
            Fused word states, shape ``(B, W, 2 * D)``.
        """
        probability = self._probability(text, image)
        visual = probability[:, None, None] * _matched(text)[0]
        gate = self.gate(torch.cat([text.words, visual], dim=-1)).sigmoid()
        if self.records_attention:
            weights = self.cross_layer.weights(text.words, self.project_image(image.regions), image.mask)
            self.record_attention(weights, match=probability[:, None].expand(text.mask.shape), visual=gate)
        return torch.cat([text.words, gate * visual], dim=-1)

    def post_scores(self, text: TextFeatures, image: ImageFeatures) -> dict[str, Tensor]:
        """Return ``match``: the probability P that the image belongs to the text, 0 without an image."""
        return {"match": self._probability(text, image)}

    def auxiliary_loss(
        self, batch: Batch, text: TextFeatures, image: ImageFeatures, emissions: Tensor
    ) -> Tensor | None:
        """Compute the weighted losses of matching and alignment; none outside of training."""
        if not self.training:
            return None
        shuffled = shuffle_images(batch, image, self.global_step)
        own = _matched(text)[1]
        others = _matched(self.match(TextFeatures(text.words, text.mask, text.pooled), shuffled.image))[1]
        logits = torch.cat([own, others])
        weights = torch.cat([image.present, shuffled.mismatch]).to(logits.dtype)
        targets = (torch.arange(len(logits), device=logits.device) < len(own)).to(logits.dtype)
        losses = binary_cross_entropy_with_logits(logits, targets, reduction="none")
        matching = (losses * weights).sum() / weights.sum().clamp(min=1)
        return self.auxiliary_weight * (matching + self._alignment(text, image, shuffled.names))

    def _probability(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        return _matched(text)[1].sigmoid() * image.present

    def _alignment(self, text: TextFeatures, image: ImageFeatures, names: Tensor) -> Tensor:
        """InfoNCE between texts and images; each other post with an image is a negative."""
        texts, images = self.align_text(text.pooled), self.align_image(image.pooled)
        dtype = torch.promote_types(texts.dtype, torch.float32)  # half precision would lose the small differences
        with torch.autocast(texts.device.type, enabled=False):
            texts, images = (normalize(part.to(dtype), dim=-1) for part in (texts, images))
            present, cosines = image.present, texts @ images.T / self.temperature
            same = torch.eye(len(names), dtype=torch.bool, device=names.device)
            compared = same | (present[:, None] & present[None] & (names[:, None] != names[None]))
            scores = cosines.masked_fill(~compared, torch.finfo(dtype).min)
            losses = [-scores.log_softmax(dim=axis).diagonal() for axis in (1, 0)]
            weighted = self.text_to_image_weight * losses[0] + (1 - self.text_to_image_weight) * losses[1]
            total: Tensor = (weighted * present).sum() / present.sum().clamp(min=1)
        return total


def _matched(text: TextFeatures) -> tuple[Tensor, Tensor]:
    features = cast("MatchedTextFeatures", text)
    return cast("Tensor", features.visual), cast("Tensor", features.match)


def _mean(words: Tensor, mask: Tensor) -> Tensor:
    """The mean of the real words, shape ``(B, D)``; zeros for a post without words."""
    return words.masked_fill(~mask[..., None], 0.0).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
