"""Trains the UpDown captioner, on the demo posts or on your own captions, and evaluates it.

python examples/contexts/train_updown.py runs/captioner
python examples/contexts/train_updown.py runs/captioner --captions captions_train2017.json --images train2017
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint

from mner.contexts import CaptionData, UpDown, common_words, read_captions
from mner.demo import generate_demo_posts
from mner.demo.scenes import STYLES
from mner.posts import Post
from mner.vision import load_image

NOUNS = {noun: style.type for style in STYLES.values() for noun in style.nouns}


def main() -> None:
    """Train, keep the checkpoint with the lowest validation loss, and caption the demo's test images."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, help="folder for the demo, the features and updown.ckpt")
    options.add_argument("--captions", type=Path, help="COCO's JSON or JSON lines (default: the demo posts)")
    options.add_argument("--images", type=Path, help="folder of their images")
    options.add_argument("--valid", type=int, default=1000, help="last captions that are held out for validation")
    options.add_argument("--image_encoder", default="efficientnet_lite0", help="faster_rcnn is the paper's")
    options.add_argument("--hidden_size", type=int, default=256, help="1000 in the paper")
    options.add_argument("--min_count", type=int, default=2, help="minimum occurrences of a word in the vocabulary")
    options.add_argument("--size", type=int, default=600, help="posts of the demo's training split")
    options.add_argument("--epochs", type=int, default=20)
    given = options.parse_args()
    seed_everything(0)
    if given.captions is None:
        splits = generate_demo_posts(given.size, folder=given.folder / "demo")
        train, valid, test = ([post for post in splits[name] if post.image] for name in ("train", "valid", "test"))
    else:
        posts = read_captions(given.captions, given.images)
        train, valid, test = posts[: -given.valid], posts[-given.valid :], []
    model = UpDown(
        common_words((post.contexts["caption"] for post in train), given.min_count),
        given.image_encoder,
        embedding_size=given.hidden_size,
        hidden_size=given.hidden_size,
        attention_size=given.hidden_size,
        lr=1e-3,
    )
    keep = ModelCheckpoint(
        given.folder, "updown", monitor="val/loss", save_weights_only=True, enable_version_counter=False
    )
    trainer = Trainer(
        max_epochs=given.epochs,
        gradient_clip_val=5.0,
        callbacks=[keep],
        logger=False,
        log_every_n_steps=1,
        default_root_dir=given.folder,
    )
    trainer.fit(model, CaptionData(model, train, valid, given.folder / "features.lmdb"))
    print(f"lowest validation loss {float(keep.best_model_score or 0):.3f}: {keep.best_model_path}")
    if test:
        score(keep.best_model_path, test)


def score(checkpoint: str, posts: Sequence[Post]) -> None:
    """Print how often a caption of a demo image names what the image shows."""
    captioner = UpDown.load_from_checkpoint(checkpoint).eval()
    captions = captioner([load_image(post.image) for post in posts if post.image])
    for name, chosen in (("all", (True, False)), ("known drawing styles", (False,)), ("new styles", (True,))):
        rows = [(p, c) for p, c in zip(posts, captions, strict=True) if p.metadata["novel_style"] in chosen]
        found = [(post, next((word for word in re.findall(r"\w+", text) if word in NOUNS), "")) for post, text in rows]
        nouns = sum(noun == post.metadata["noun"] for post, noun in found) / len(found)
        types = sum(NOUNS.get(noun) == post.metadata["shown"] for post, noun in found) / len(found)
        print(f"{name}: {len(found)} images, correct noun {nouns:.1%}, noun of the correct type {types:.1%}")
    for post, caption in list(zip(posts, captions, strict=True))[:5]:
        print(f"  {post.contexts['caption']!r} was described as {caption!r}")


if __name__ == "__main__":
    main()
