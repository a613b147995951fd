"""Intersection over union of boxes as tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def pairwise_overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """Compute the intersection over union of every box with every other one of the same post.

    Args:
        boxes: Corners ``(x1, y1, x2, y2)``, shape ``(B, N, 4)``.
        others: Shape ``(B, M, 4)``.

    Returns:
        Shape ``(B, N, M)``; 0 where both boxes have no area.

    Example:
        >>> boxes = torch.tensor([[[0.0, 0.0, 1.0, 0.5], [0.0, 0.0, 0.2, 0.2]]])
        >>> pairwise_overlap(boxes, torch.tensor([[[0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 1.0, 1.0]]]))
        tensor([[[0.5000, 0.0000],
                 [0.0400, 0.0000]]])
    """
    first, second = boxes[:, :, None], others[:, None]
    sides = torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])
    shared = sides.clamp(min=0).prod(dim=-1)
    union = _area(first) + _area(second) - shared
    return shared / union.clamp(min=torch.finfo(union.dtype).tiny)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)
