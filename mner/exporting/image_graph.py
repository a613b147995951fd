"""An image encoder as a function of pixels: the features of images that are all present."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from mner.batch import ImageFeatures
from mner.checkpoint_file import reason
from mner.errors import ConfigurationError
from mner.exporting.graph_inputs import PIXELS, image_inputs
from mner.exporting.scorer import exported
from mner.images import load_image
from mner.posts import Post
from mner.vision.encoder import ImageEncoder


class ImageGraph(nn.Module):
    """Computes image features from a dictionary of tensors, as ``torch.export`` needs it.

    Args:
        encoder: The encoder, of which it keeps a copy in single precision on the CPU.
    """

    def __init__(self, encoder: ImageEncoder) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).cpu().float().eval().requires_grad_(False)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Encode M images: regions ``(M, R, V)``, and the other parts of :class:`mner.batch.ImageFeatures`."""
        features = self.encoder.encode(inputs.get(PIXELS, inputs))
        return {name: part for name, part in vars(features).items() if part is not None}


def export_image_program(encoder: ImageEncoder) -> tuple[ExportedProgram, dict[str, Tensor]]:
    """Export an image encoder by ``torch.export``, with any number of images.

    Returns:
        The program and sample inputs.

    Raises:
        ConfigurationError: If its operations cannot be exported, or it reads its input from a file.
    """
    inputs = image_inputs(_sample_pixels(encoder))
    shapes = {
        name: {0: Dim.DYNAMIC} if len(inputs) == 1 else dict.fromkeys(range(min(2, part.ndim)), Dim.AUTO)
        for name, part in inputs.items()
    }
    return exported(ImageGraph(encoder), inputs, shapes, type(encoder).__name__), inputs


def constant_boxes(encoder: ImageEncoder, features: ImageFeatures) -> list[list[float]] | None:
    """Return the boxes of the regions where they are the same in every image, as the cells of a grid are.

    Args:
        encoder: The encoder.
        features: What it returned.
    """
    boxes = encoder.region_boxes(replace(features, boxes=None)) if encoder.gives_boxes else None
    return None if boxes is None else boxes[0].tolist()


def _sample_pixels(encoder: ImageEncoder) -> Any:
    """Transform three drawn images of different shapes."""
    transform = encoder.image_transform
    with TemporaryDirectory() as folder:
        posts = []
        for number, size in enumerate(((64, 48), (48, 64), (64, 64))):
            path = Path(folder) / f"{number}.png"
            Image.effect_mandelbrot(size, (-2.0, -1.5, 1.0, 1.5), 20 + number).convert("RGB").save(path)
            posts.append(Post(f"{number}", ("a",), image=path))
        try:
            with torch.no_grad():
                return transform.collate([transform.load(post, load_image) for post in posts])
        except Exception as error:  # of a transform that needs more than an image
            raise ConfigurationError(
                f"{type(encoder).__name__} cannot be exported: it does not read an image by itself ({reason(error)}); "
                "tag with PyTorch"
            ) from error
