"""The head of sentence-image prediction: whether a caption belongs to the image, from the state of ``[CLS]``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mner.pretraining.language_head import language_model_class
from mner.text.pretrained import quiet_loading
from mner.text.visualbert import VisualBertText
from mner.weights import resolve_weights


class SentenceImageHead(nn.Module):
    r"""Scores a caption by VisualBERT's pooler and a linear layer, :math:`w^\top \tanh(W h + b) + c`.

    A published VisualBERT has one score for "own" and one for "another's", of which this is the difference.

    Args:
        width: Width of the state of ``[CLS]``, D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.score = nn.Linear(width, 1)

    def forward(self, states: Tensor) -> Tensor:
        """Score captions; above zero is "own".

        Args:
            states: States of ``[CLS]``, shape ``(B, D)``.

        Returns:
            Shape ``(B,)``.
        """
        scores: Tensor = self.score(self.dense(states).tanh()).squeeze(-1)
        return scores

    def load(self, text_encoder: VisualBertText) -> bool:
        """Load the head of a pretrained VisualBERT.

        Args:
            text_encoder: The encoder, from whose source the head is loaded.

        Returns:
            Whether the source contains one; if not, it keeps its random weights.
        """
        from transformers import VisualBertForPreTraining

        if text_encoder.source is None:
            return False
        source = resolve_weights(text_encoder.source)
        with quiet_loading():
            cls = language_model_class(source)
            if cls is not VisualBertForPreTraining:
                return False
            loaded: Any = cls.from_pretrained(source, trust_remote_code=False, output_loading_info=True)
        model, report = loaded
        if any("pooler" in name or "seq_relationship" in name for name in report["missing_keys"]):
            return False
        with torch.no_grad():
            self.dense.load_state_dict(model.visual_bert.pooler.dense.state_dict())
            weight, bias = model.cls.seq_relationship.weight, model.cls.seq_relationship.bias
            self.score.weight.copy_(weight[:1] - weight[1:])
            self.score.bias.copy_(bias[:1] - bias[1:])
        return True

    def write(self, model: Any) -> None:
        """Copy the head into a ``VisualBertForPreTraining``."""
        with torch.no_grad():
            model.visual_bert.pooler.dense.load_state_dict(self.dense.state_dict())
            for parameter, value in (
                (model.cls.seq_relationship.weight, self.score.weight),
                (model.cls.seq_relationship.bias, self.score.bias),
            ):
                parameter.zero_()
                parameter[:1] = value
