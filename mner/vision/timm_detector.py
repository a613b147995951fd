"""A light Faster R-CNN on a network of timm: a detector that can be trained on a few hundred images of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mner.errors import ConfigurationError
from mner.vision.backbones import create_backbone

LEVELS = 3
"""Number of the last stages of the network that the feature pyramid combines."""
CHANNELS = 64
HIDDEN_SIZE = 256
ANCHORS = (0.1, 0.2, 0.4, 0.8)
"""Sides of the anchors of each level of the pyramid, as fractions of the longer side of an image."""


class TimmPyramid(nn.Module):
    """A feature pyramid (Lin et al. 2017) over the last stages of a network of timm, as torchvision's detectors use it.

    Args:
        name: A timm name.
        weights: ``hub``, a weights file, ``pkg://package/file``, or ``None`` for random ones.

    Raises:
        RegistryError: If timm knows no such name.
        WeightsNotFoundError: If the weights are not there or cannot be reached.
        ConfigurationError: If the weights do not fit, or the network has too few stages or reads one size only.
    """

    def __init__(self, name: str, weights: str | Path | None) -> None:
        from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

        super().__init__()
        self.body: Any = create_backbone(name, weights)
        stages = getattr(self.body, "feature_info", [])
        if len(stages) < LEVELS or not hasattr(self.body, "forward_intermediates"):
            raise ConfigurationError(f"timm's {name!r} has no {LEVELS} stages; choose a convolutional network")
        published: Any = self.body.pretrained_cfg
        if published.get("fixed_input_size"):
            raise ConfigurationError(f"timm's {name!r} reads images of one size only; choose a convolutional network")
        channels = [stage["num_chs"] for stage in stages][-LEVELS:]
        self.out_channels = CHANNELS
        self.pyramid = FeaturePyramidNetwork(channels, CHANNELS, LastLevelMaxPool())

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return the maps of the pyramid by level, the finest first, of images ``(B, 3, H, W)``."""
        maps = self.body.forward_intermediates(pixels, indices=LEVELS, norm=True, intermediates_only=True)
        pyramid: dict[str, Tensor] = self.pyramid({str(level): each for level, each in enumerate(maps)})
        return pyramid


def create_timm_detector(name: str, weights: str | Path | None, num_classes: int, image_size: int) -> Any:
    """Build torchvision's Faster R-CNN on a network of timm, the detector itself with random weights.

    Args:
        name: A timm name, such as ``tf_efficientnet_lite0``.
        weights: Weights of that network: ``hub``, a file, ``pkg://package/file``, or ``None`` for random ones.
        num_classes: Number of classes, background included.
        image_size: Longer side of the scaled image, in pixels.

    Returns:
        A ``torchvision.models.detection.FasterRCNN``; in training mode, it returns losses.

    Raises:
        RegistryError: If timm knows no such name.
        WeightsNotFoundError: If the weights are not there or cannot be reached.
        ConfigurationError: If the weights do not fit, or the network has too few stages.
    """
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.ops import MultiScaleRoIAlign

    backbone = TimmPyramid(name, weights)
    sides = tuple((round(side * image_size),) for side in ANCHORS)
    pool = MultiScaleRoIAlign([str(level) for level in range(LEVELS)], output_size=7, sampling_ratio=2)
    trained: Any = backbone.body.pretrained_cfg
    return FasterRCNN(
        backbone,
        min_size=image_size,
        max_size=image_size,
        image_mean=list(trained["mean"]),
        image_std=list(trained["std"]),
        rpn_anchor_generator=AnchorGenerator(sides, ((0.5, 1.0, 2.0),) * len(sides)),
        rpn_pre_nms_top_n_train=400,
        rpn_post_nms_top_n_train=200,
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_test=100,
        rpn_batch_size_per_image=128,
        box_roi_pool=pool,
        box_head=TwoMLPHead(CHANNELS * 7 * 7, HIDDEN_SIZE),
        box_predictor=FastRCNNPredictor(HIDDEN_SIZE, num_classes),
        box_batch_size_per_image=64,
    )
