"""Object tags from an object detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from mner.argument_types import check_range
from mner.batch import moved
from mner.contexts.captioner import Captioner
from mner.vision.faster_rcnn import FasterRCNN


class DetectorTags(Captioner):
    """The classes that a Faster R-CNN detects, each once, best first, with the score of the best box.

    Args:
        detector: The detector; torchvision's with COCO's 80 classes by default.
        threshold: Minimum score of a tag.

    Raises:
        ConfigurationError: If the threshold is out of range.
        WeightsNotFoundError: If the weights of the default detector cannot be reached.
    """

    kind: ClassVar[str] = "objects"

    def __init__(self, detector: FasterRCNN | None = None, threshold: float = 0.5) -> None:
        super().__init__()
        check_range("threshold", threshold, "[0, 1]")
        self.detector = FasterRCNN(max_regions=100) if detector is None else detector
        self.threshold = threshold

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Add the detector as it was built to the arguments."""
        return {**super().checkpoint_arguments(), "detector": self.detector}

    def transform(self, image: Image.Image) -> Tensor:
        """Scale an image as the detector expects it."""
        return self.detector.image_transform(image)

    @torch.no_grad()
    def describe(self, images: Sequence[Tensor]) -> list[dict[str, Any]]:
        """Detect objects in B transformed images; one without any gets no tag."""
        device = next(self.detector.parameters()).device
        pixels = moved(self.detector.image_transform.collate(images), device)
        found = self.detector(pixels, torch.ones(len(images), dtype=torch.bool, device=device))
        names = self.detector.class_names
        records = []
        for classes, scores, mask in zip(
            found.classes.tolist(), found.scores.tolist(), found.mask.tolist(), strict=True
        ):
            best: dict[str, float] = {}
            for index, score, real in zip(classes, scores, mask, strict=True):
                if real and score >= self.threshold:
                    best.setdefault(names[index], round(score, 3))  # regions come best first
            records.append({self.kind: list(best), "scores": list(best.values())})
        return records
