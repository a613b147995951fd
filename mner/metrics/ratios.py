"""Precision, recall and F1 of counts as tensors."""

from __future__ import annotations

from torch import Tensor


def ratios(correct: Tensor, predicted: Tensor, gold: Tensor) -> dict[str, Tensor]:
    """Compute ``f1``, ``precision`` and ``recall`` of counts of one shape; 0 where a denominator is.

    Example:
        >>> import torch
        >>> {name: value.item() for name, value in ratios(*torch.tensor([1, 2, 4])).items()}
        {'f1': 0.3333333432674408, 'precision': 0.5, 'recall': 0.25}
    """
    return {
        "f1": 2 * correct / (predicted + gold).clamp_min(1),
        "precision": correct / predicted.clamp_min(1),
        "recall": correct / gold.clamp_min(1),
    }
