"""An image transform is plain data: small when pickled, the same on the other side, without a module inside."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from mner.vision import FasterRCNN, Grid, PrecomputedRegions

IMAGE = Image.effect_noise((90, 70), 60).convert("RGB")


def regions(folder):
    np.savez(folder / "regions.npz", **{"12": np.ones((3, 4), dtype=np.float32)})
    return PrecomputedRegions(folder / "regions.npz")


ENCODERS = {
    "grid": lambda folder: Grid("test_resnet", weights=None, image_size=64),
    "detector": lambda folder: FasterRCNN("fasterrcnn_mobilenet_v3_large_320_fpn", None, image_size=64, num_classes=3),
    "file": regions,
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_it_pickles_without_the_encoder(kind, tmp_path):
    transform = ENCODERS[kind](tmp_path).image_transform
    if kind != "file":
        expected = transform(IMAGE)
    sent = pickle.dumps(transform)
    assert len(sent) < 2000
    assert b"torch" not in sent
    if kind != "file":
        assert torch.equal(pickle.loads(sent)(IMAGE), expected)


def test_missing_images_are_zero_rows():
    transform = ENCODERS["grid"](None).image_transform
    image = transform(IMAGE)
    assert transform.collate([None, None]) is None
    assert torch.equal(transform.collate([None, image]), torch.stack([torch.zeros(3, 64, 64), image]))
