"""Optical character recognition by RapidOCR, whose wheel includes its models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from mner.argument_types import check_range
from mner.contexts.captioner import Captioner
from mner.extras import extra
from mner.weights import require_open_source


class OCR(Captioner):
    """Optical character recognition by PP-OCR through RapidOCR: ``pip install "mner[ocr]"``, no download later.

    It runs on the CPU. The model for Latin and Chinese letters is the package's own.

    Args:
        threshold: Minimum confidence of a line of text, between 0 and 1.

    Raises:
        ConfigurationError: If the threshold is out of range, or the package is not installed.
    """

    kind: ClassVar[str] = "ocr"

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__()
        check_range("threshold", threshold, "[0, 1]")
        require_open_source("the models of", "RapidOCR")
        with extra("ocr", "reading text in images"):
            import onnxruntime  # noqa: F401  RapidOCR runs its models with it, and does not require it
            from rapidocr import RapidOCR
        self._engine = RapidOCR(params={"Global.text_score": threshold, "Global.log_level": "critical"})

    def describe(self, images: Sequence[Image.Image]) -> list[dict[str, Any]]:
        """Read B images, the lines of each from top to bottom; an image without text gets an empty list."""
        return [self._read(image) for image in images]

    def _read(self, image: Image.Image) -> dict[str, Any]:
        blue_green_red = np.asarray(image)[..., ::-1]
        found = self._engine(np.ascontiguousarray(blue_green_red))
        scores = [round(float(score), 3) for score in found.scores or ()]
        return {self.kind: list(found.txts or ()), "scores": scores}
