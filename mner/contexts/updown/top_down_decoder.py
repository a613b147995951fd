"""The caption decoder of Anderson et al. 2018: one LSTM attends to the regions, another chooses the words."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn

from mner.batch import ImageFeatures
from mner.recurrent import run_recurrent

LSTMStates: TypeAlias = "tuple[Tensor, Tensor, Tensor, Tensor]"
Regions: TypeAlias = "tuple[Tensor, Tensor, Tensor, Tensor]"


class TopDownDecoder(nn.Module):
    """Top-down attention LSTM and language LSTM (Anderson et al. 2018, section 3.2).

    Args:
        vocabulary_size: Words, specials included.
        region_size: Width of a region vector (V).
        embedding_size: Width of a word vector; 1000 in the paper.
        hidden_size: Width of both LSTMs; 1000 in the paper.
        attention_size: Width of the attention layer; 512 in the paper.
        dropout: Dropout rate of the word vectors and of the input of the output layer.
    """

    def __init__(
        self,
        vocabulary_size: int,
        region_size: int,
        embedding_size: int,
        hidden_size: int,
        attention_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.attention_lstm = nn.LSTMCell(hidden_size + region_size + embedding_size, hidden_size)
        self.region_projection = nn.Linear(region_size, attention_size, bias=False)
        self.query_projection = nn.Linear(hidden_size, attention_size, bias=False)
        self.attention = nn.Linear(attention_size, 1, bias=False)
        self.language_lstm = nn.LSTMCell(region_size + hidden_size, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.words = nn.Linear(hidden_size, vocabulary_size)

    def look(self, image: ImageFeatures) -> Regions:
        """Precompute what every step needs of B images: regions, their mask and projection, and their mean."""
        mask = image.mask[..., None]
        mean = image.regions.masked_fill(~mask, 0.0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        return image.regions, image.mask, self.region_projection(image.regions), mean

    def initial_states(self, regions: Regions) -> LSTMStates:
        """Zero states for both LSTMs, each tensor of shape ``(B, hidden_size)``."""
        rest = regions[0].new_zeros(len(regions[0]), self.hidden_size)
        return rest, rest, rest, rest

    def step(self, words: Tensor, states: LSTMStates, regions: Regions) -> tuple[Tensor, LSTMStates]:
        """Read one word and score the next one (eq. 1-7).

        Args:
            words: The previous words, shape ``(B,)``.
            states: Hidden and cell state of the attention LSTM, then of the language LSTM.
            regions: From :meth:`look`.

        Returns:
            Scores of shape ``(B, vocabulary_size)``, and the new states.
        """
        vectors, mask, projected, mean = regions
        attention_hidden, attention_cell, language_hidden, language_cell = states
        seen = torch.cat([language_hidden, mean, self.dropout(self.embedding(words))], dim=1)
        attention_hidden, attention_cell = run_recurrent(self.attention_lstm, seen, (attention_hidden, attention_cell))
        query = self.query_projection(attention_hidden)[:, None]
        scores = self.attention(torch.tanh(projected + query)).squeeze(-1)
        # The lowest number instead of -inf: an image without detections then yields zeros, not NaN.
        weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=1)
        attended = (weights[:, None] @ vectors).squeeze(1)
        language_hidden, language_cell = run_recurrent(
            self.language_lstm, torch.cat([attended, attention_hidden], dim=1), (language_hidden, language_cell)
        )
        states = attention_hidden, attention_cell, language_hidden, language_cell
        return self.words(self.dropout(language_hidden)), states

    def forward(self, image: ImageFeatures, words: Tensor) -> Tensor:
        """Score every word of B captions given the gold words before it (teacher forcing).

        Args:
            image: The images.
            words: The previous word of each position, beginning with the start symbol, shape ``(B, T)``.

        Returns:
            Scores, shape ``(B, T, vocabulary_size)``.
        """
        regions = self.look(image)
        states = self.initial_states(regions)
        scores = []
        for column in words.unbind(dim=1):
            score, states = self.step(column, states, regions)
            scores.append(score)
        return torch.stack(scores, dim=1)
