"""The preprocessing of a timm network, as an image transform."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from PIL import Image
from torch import Tensor

from mner.vision.transform import ImageTransform


@dataclass(frozen=True)
class GridTransform(ImageTransform):
    """Scales, crops and normalises an image as a timm network was trained.

    Args:
        preprocessing: timm's data configuration: ``input_size``, ``mean``, ``crop_pct`` and so on.
    """

    preprocessing: dict[str, Any]

    @property
    def min_side(self) -> int:
        """Shorter side to which images are scaled before the crop."""
        side: float = max(self.preprocessing["input_size"][1:]) / self.preprocessing.get("crop_pct", 1.0)
        return math.ceil(side)

    def __call__(self, image: Image.Image) -> Tensor:
        """Transform an RGB image to shape ``(3, H, W)``."""
        tensor: Tensor = self._to_tensor(image)
        return tensor

    @cached_property
    def _to_tensor(self) -> Any:
        from timm import data

        create_transform: Any = data.create_transform  # type: ignore[attr-defined]
        settings = {k: tuple(v) if isinstance(v, list) else v for k, v in self.preprocessing.items()}  # as from JSON
        return create_transform(**settings, is_training=False)

    def checkpoint_arguments(self) -> dict[str, Any]:
        """The settings, which a copy has too."""
        return {"preprocessing": self.preprocessing}

    def __getstate__(self) -> dict[str, Any]:
        """Leave torchvision's modules behind: a few lines of settings build them again."""
        return {"preprocessing": self.preprocessing}
