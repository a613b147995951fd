"""A masked softmax, and attention weights that are recorded on demand."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from mner.batch import Batch


@dataclass
class Attention:
    """Attention of the words of B posts to the image.

    Args:
        regions: Weight of each region for each word, shape ``(B, W, R)``: they sum to one where the post has an
            image and are zero where it has none; ``None`` for a method that does not attend to regions.
        gates: Other quantities of the method by name: one value per word, shape ``(B, W)``, or several,
            ``(B, W, ...)``.
        word_mask: True where a word is real, shape ``(B, W)``; values at other words are undefined.
    """

    regions: Tensor | None = None
    gates: dict[str, Tensor] = field(default_factory=dict)
    word_mask: Tensor | None = None


class AttentionRecorder:
    """Lets a fusion module report its attention; nothing is kept in training or tagging.

    ``fuse`` passes its weights to :meth:`record_attention`, which does nothing unless :meth:`attention` is running.
    Anything computed only for the record is guarded by ``if self.records_attention``.
    """

    _attention: Attention | None = None

    @property
    def records_attention(self) -> bool:
        """Whether attention is being recorded."""
        return self._attention is not None

    def record_attention(self, regions: Tensor | None = None, **gates: Tensor) -> None:
        """Record attention weights and gates; called in ``fuse``.

        Args:
            regions: Weights ``(B, W, R)``.
            gates: Values ``(B, W, ...)``, by name.
        """
        if self._attention is not None:
            if regions is not None:
                self._attention.regions = regions.detach().float()
            self._attention.gates.update({name: gate.detach().float() for name, gate in gates.items()})

    @torch.no_grad()
    def attention(self, batch: Batch) -> Attention:
        """Run the model on a batch and return the attention of its words.

        Call ``eval()`` first, as :func:`mner.load_model` does, unless the attention under dropout is wanted.

        Args:
            batch: B posts, on the model's device.

        Returns:
            Weights and gates; empty for a method that has none.
        """
        self._attention = record = Attention(word_mask=batch.word_mask)
        try:
            self(batch)  # type: ignore[operator]  # a mix-in of a module
        finally:
            del self._attention
        return record


def masked_softmax(scores: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
    """Softmax over the unmasked scores; zeros, without gradient, where all are masked.

    Args:
        scores: Any shape.
        mask: True where a score counts; broadcasts to ``scores``.
        dim: The axis that sums to one.

    Returns:
        The shape of ``scores``.

    Example:
        >>> masked_softmax(torch.zeros(2, 3), torch.tensor([[True, True, False], [False, False, False]]))
        tensor([[0.5000, 0.5000, 0.0000],
                [0.0000, 0.0000, 0.0000]])
    """
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(dim).masked_fill(~mask, 0.0)
