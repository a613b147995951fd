"""A tiny image encoder that counts its work, and pictures on disk."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mner.batch import ImageFeatures
from mner.vision.encoder import ImageEncoder
from mner.vision.transform import ImageTransform


class EightByEight(ImageTransform):
    """Scales to 8x8 pixels from 0 to 1."""

    def __call__(self, image):
        return torch.from_numpy(np.asarray(image.resize((8, 8)), dtype=np.float32)).permute(2, 0, 1) / 255


class MeanColour(ImageEncoder):
    """The mean colour of each quarter of the picture, times a weight."""

    def __init__(self, weight: float = 1.0, frozen: bool = True):
        super().__init__()
        self.hidden_size = 3
        self.frozen = frozen
        self.image_transform = EightByEight()
        self.weight = nn.Parameter(torch.tensor([weight]))
        self.norm = nn.BatchNorm2d(3)
        self.encoded = 0
        self.eval()

    def encode(self, pixels):
        self.encoded += len(pixels)
        cells = nn.functional.adaptive_avg_pool2d(self.norm(pixels) * self.weight, 2).flatten(2).mT
        return ImageFeatures(cells, torch.ones(cells.shape[:2], dtype=torch.bool), cells.mean(1))


@pytest.fixture
def tiny_encoder():
    """The class of the tiny encoder."""
    return MeanColour


@pytest.fixture
def pictures(tmp_path):
    """A function that writes so many distinct pictures and returns their paths."""

    def write(count, folder="pictures", size=(24, 20)):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths = []
        for index in range(count):
            noise = np.random.default_rng(index).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
            paths.append(tmp_path / folder / f"{index}.png")
            Image.fromarray(noise).save(paths[-1])
        return paths

    return write
