"""Relation gate (RpBERT): regions are scaled by the probability that the image is related to the text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mner.argument_types import check_range
from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.fusion.shuffled_images import shuffle_images
from mner.fusion.transformer_attention import TransformerAttention
from mner.recurrent import run_recurrent


@dataclass
class RelatedTextFeatures(TextFeatures):
    """Text features with the scores of an unrelated and of a related image, ``(B, 2)``."""

    relation: Tensor | None = None


class RelationGate(TransformerAttention):
    r"""Sun et al. 2021, "RpBERT: a text-image relation propagation-based BERT model for multimodal NER".

    The encoder reads words :math:`t` and regions :math:`V` twice, the second time with the regions scaled by the
    probability :math:`r` that the image is related to the text:

    .. math::
        r &= \mathrm{softmax}(W h_{\mathrm{CLS}} + b)_1, \quad h = \mathrm{Encoder}([t ; V]) \\
        o &= \mathrm{BiLSTM}(h'_1, \dots, h'_n), \quad h' = \mathrm{Encoder}([t ; r V])

    :math:`r` is trained on the entities and on a second task: the regions of another post of the batch are not related
    to the words, those of the post itself are. Its cross entropy is added with ``relation_weight``. :math:`r` is among
    the scores of a post as ``relation``, in predictions files and in ``Tagger.predict(...).scores``.

    Choices:

    * The paper trains :math:`r` on a corpus of annotated text-image relations (Vempala and Preotiuc-Pietro 2019), in
      turn with the entities. Shuffled images need no annotation, but a post's own image may be unrelated as well.
    * Both tasks are trained in each step. The second is computed only in training, where it costs a third pass of the
      encoder; a batch with fewer than two images has none.
    * A post without an image has :math:`r = 0` and is encoded as text only.

    The recorded attention is that of the second pass; the gate ``relation`` is :math:`r`, repeated for each word.

    Args:
        lstm_size: Width of the LSTM, per direction.
        relation_weight: Weight of the loss of shuffled images; with 0, :math:`r` is trained on the entities only.
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If the text encoder is not a :class:`~mner.text.JointEncoder`, or a number is out of range.
    """

    def __init__(self, lstm_size: int = 256, relation_weight: float = 0.05, **kwargs: Any) -> None:
        check_range("lstm_size", lstm_size, "[1, inf)")
        check_range("relation_weight", relation_weight, "[0, inf)")
        self.lstm_size = lstm_size
        super().__init__(**kwargs)
        self.relation_weight = relation_weight
        self.relation = nn.Linear(self.text_encoder.hidden_size, 2)
        self.forward_lstm, self.backward_lstm = (
            nn.LSTM(self.text_encoder.hidden_size, int(lstm_size), batch_first=True)  # int: it refuses NumPy's
            for _ in range(2)
        )

    @property
    def fused_size(self) -> int:
        """Width of both directions of the LSTM."""
        return 2 * self.lstm_size

    def encode_text(self, batch: Batch, image: ImageFeatures) -> RelatedTextFeatures:
        """Encode the texts with the regions ``(B, R, V)``, and again with the regions scaled by the relation."""
        relation = self._relation(batch, image)
        gate = related(relation, image)
        text = super().encode_text(batch, replace(image, regions=gate[:, None, None] * image.regions))
        self.record_attention(relation=gate[:, None].expand(text.mask.shape))
        return RelatedTextFeatures(**vars(text), relation=relation)

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Run an LSTM over the words in both directions.

        Args:
            text: Word states ``(B, W, D)``, which already attended to the regions.
            image: Ignored.

        Returns:
            Shape ``(B, W, 2 * lstm_size)``.
        """
        forward, _ = run_recurrent(self.forward_lstm, text.words)
        backward, _ = run_recurrent(self.backward_lstm, reverse_words(text.words, text.mask))
        return torch.cat([forward, reverse_words(backward, text.mask)], dim=-1)

    def post_scores(self, text: TextFeatures, image: ImageFeatures) -> dict[str, Tensor]:
        """Return :math:`r` as ``relation``, shape ``(B,)``."""
        return {"relation": related(_scores(text), image)}

    def auxiliary_loss(
        self, batch: Batch, text: TextFeatures, image: ImageFeatures, emissions: Tensor
    ) -> Tensor | None:
        """Compute the weighted loss of shuffled images; none outside of training."""
        if not self.training or not self.relation_weight:
            return None
        shuffled = shuffle_images(batch, image, self.global_step)
        own, others = _scores(text), self._relation(batch, shuffled.image)
        scores = torch.cat([own, others])
        weights = torch.cat([image.present & shuffled.mismatch.any(), shuffled.mismatch]).to(scores.dtype)
        targets = (torch.arange(len(scores), device=scores.device) < len(own)).long()
        losses = cross_entropy(scores, targets, reduction="none") * weights
        return self.relation_weight * losses.sum() / weights.sum().clamp(min=1)

    def _relation(self, batch: Batch, image: ImageFeatures) -> Tensor:
        """Score unrelated and related, shape ``(B, 2)``."""
        scores: Tensor = self.relation(self.text_encoder(batch, image).pooled)
        return scores


def related(scores: Tensor, image: ImageFeatures) -> Tensor:
    """Compute the probability that an image is related to the text; 0 without an image, shape ``(B,)``."""
    return scores.softmax(dim=-1)[:, 1] * image.present


def reverse_words(words: Tensor, mask: Tensor) -> Tensor:
    """Reverse the words of each post; padding, which follows them, stays in place.

    Args:
        words: Shape ``(B, W, D)``.
        mask: True where a word is real, shape ``(B, W)``.

    Example:
        >>> words = torch.tensor([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [0.0]]])
        >>> reverse_words(words, words[..., 0] > 0)[..., 0]
        tensor([[3., 2., 1.],
                [5., 4., 0.]])
    """
    place = torch.arange(words.shape[1], device=words.device)
    reversed_place = torch.where(mask, mask.sum(dim=1, keepdim=True) - 1 - place, place)
    # take_along_dim would fix the sizes of a traced graph
    return words.gather(1, reversed_place[..., None].expand_as(words))


def _scores(text: TextFeatures) -> Tensor:
    return cast("Tensor", cast("RelatedTextFeatures", text).relation)
