"""Features of several stages of a timm network, pooled to a few cells."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from mner.argument_types import check_range
from mner.vision.backbones import HUB
from mner.vision.grid import Grid


class PyramidGrid(Grid):
    """The last stages of a network, each pooled to the same few cells, concatenated: HVPNeT's image features.

    The four stages of ResNet-50 give 2x2 regions of 256 + 512 + 1024 + 2048 = 3840, row by row. A vision transformer
    gives its last blocks. Images are scaled, cropped and normalised as the network was trained; the pooled vector is
    the mean of the regions. Pooling is adaptive: of a 7x7 map, neighbouring cells share a row or column, whereas the
    authors' code leaves the last one out.

    Args:
        name: A timm name, such as ``resnet50``.
        weights: ``hub``, a weights file, ``pkg://package/file`` in an installed package, or ``None`` for random ones.
        stages: Number of the last stages.
        cells: Cells per side.
        trainable_stages: Number of the last stages to train, or ``all``.
        learning_rate: Learning rate of the trained stages; ``None`` for that of the text encoder.
        image_size: Side of the square image, in pixels; ``None`` for what the network was trained with.
        preprocessing: Parts of timm's data configuration to replace.

    Raises:
        RegistryError: If timm knows no such name.
        WeightsNotFoundError: If the weights are not there or cannot be reached.
        ConfigurationError: If the weights do not fit, or the network does not give so many stages.
    """

    def __init__(
        self,
        name: str,
        weights: str | None = HUB,
        stages: int = 4,
        cells: int = 2,
        trainable_stages: int | Literal["all"] = 0,
        learning_rate: float | None = None,
        image_size: int | None = None,
        preprocessing: dict[str, Any] | None = None,
    ) -> None:
        check_range("stages", stages, "[1, inf)")
        check_range("cells", cells, "[1, inf)")
        self.stages = stages
        self.cells = cells
        super().__init__(
            name,
            weights,
            stage=None,
            trainable_stages=trainable_stages,
            learning_rate=learning_rate,
            image_size=image_size,
            preprocessing=preprocessing,
        )

    def _map(self, pixels: Tensor) -> tuple[Tensor, Any]:
        """Regions, shape ``(B, cells * cells, V)``, and no final map."""
        maps = self.backbone.forward_intermediates(pixels, indices=self.stages, norm=True, intermediates_only=True)
        pooled = [adaptive_avg_pool2d(each, self.cells).flatten(2).mT for each in maps]
        return torch.cat(pooled, dim=-1), None
