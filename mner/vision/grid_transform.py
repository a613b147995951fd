"""The preprocessing of a timm network, as an image transform."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from PIL import Image
from torch import Tensor

from mner.argument_types import check_range, check_type
from mner.errors import ConfigurationError
from mner.labels import check_choice
from mner.vision.transform import ImageTransform

SETTINGS: dict[str, Any] = {
    "input_size": Sequence[int],
    "interpolation": Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"],
    "mean": Sequence[float],
    "std": Sequence[float],
    "crop_pct": float,
    "crop_mode": Literal["center", "squash", "border"],
}
"""The parts of timm's data configuration, and their types."""


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


def check_preprocessing(settings: Mapping[str, Any]) -> None:
    """Check parts of timm's data configuration, of which timm takes an unknown crop mode for ``center``.

    Args:
        settings: Some of ``SETTINGS`` by name.

    Raises:
        ConfigurationError: If there is no such setting, or it has no such value.
    """
    for name, value in settings.items():
        check_choice("a setting of preprocessing", name, tuple(SETTINGS))
        check_type(f"preprocessing.{name}", value, SETTINGS[name])
        if name in ("input_size", "mean", "std") and len(value) != 3:
            raise ConfigurationError(f"expected preprocessing.{name} to have 3 values, got {list(value)}")
        for positive in {"crop_pct": [value], "std": value}.get(name, ()):
            check_range(f"preprocessing.{name}", positive, "(0, inf)")
