"""An image encoder whose network is an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mner.batch import ImageFeatures
from mner.errors import ConfigurationError
from mner.exporting.graph_inputs import image_inputs
from mner.exporting.onnx_session import OnnxSession
from mner.vision.encoder import ImageEncoder
from mner.vision.transform import ImageTransform


class OnnxImages(ImageEncoder):
    """Turns images into regions by a graph, which :class:`~mner.exporting.onnx_model.OnnxModel` opens.

    Args:
        image_transform: The transform of the encoder that was exported.
        hidden_size: Width of a region, V.
        frozen: Whether that encoder was frozen in training, so that its features may be stored.
        fingerprint: That of the exported encoder: features that it stored are used, too.
        gives_boxes: Whether its regions have boxes.
        boxes: The boxes of the regions where they are the same in every image, ``(R, 4)``.
    """

    def __init__(
        self,
        image_transform: ImageTransform,
        hidden_size: int,
        frozen: bool,
        fingerprint: str | None = None,
        gives_boxes: bool = False,
        boxes: Sequence[Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        self.image_transform = image_transform
        self.hidden_size = hidden_size
        self.frozen = frozen
        self.known_fingerprint = fingerprint
        self.gives_boxes = gives_boxes
        self.boxes = boxes
        self.session: OnnxSession | None = None

    def encode(self, pixels: Any) -> ImageFeatures:
        """Run the graph.

        Args:
            pixels: Rows of what ``image_transform.collate`` returned.

        Returns:
            Regions of shape ``(B, R, V)``.

        Raises:
            ConfigurationError: If the encoder does not belong to a loaded model.
        """
        if self.session is None:
            raise ConfigurationError("expected the image encoder of an exported model; load its folder with mner.load")
        return ImageFeatures(**self.session(image_inputs(pixels)))

    def region_boxes(self, image: ImageFeatures) -> Tensor | None:
        """Return the box of each region, shape ``(B, R, 4)``; see the base class."""
        if self.boxes is None or image.boxes is not None:
            return image.boxes
        posts, regions = image.mask.shape
        return torch.tensor(self.boxes, device=image.mask.device)[:regions].expand(posts, -1, -1)
