"""Tagging speed: precisions and confidences against the bare text encoder, and F1 in each precision.

python benchmarks/tagging.py --ckpt_path runs/0/best.ckpt --file posts.txt [--images DIR]

All variants tag the same posts in turn, so that a busy machine slows them alike; times are processor seconds of the
thread that computes. Without --images, it also prepares the batches. With --images, a model that sees images is
compared with its text encoder and its image encoder, one after the other, on prepared batches of decoded images; other
threads decode JPEG files meanwhile, and their processor seconds are printed as a share of those of the computing one:
with that many further cores, decoding costs no time.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

import mner
from mner.batch import Batch
from mner.data.readers import read_posts
from mner.inference.tagger import Tagger
from mner.inference.tagging_options import TaggingOptions
from mner.labels import spans
from mner.posts import Post

VARIANTS = {
    "fp32": TaggingOptions(),
    "fp32, no confidences": TaggingOptions(confidences=False),
    "int8": TaggingOptions(precision="int8"),
    "bf16": TaggingOptions(precision="bf16"),
    "fp32, draft images": TaggingOptions(draft_images=True),
}


def f1(tagger: Tagger, posts: Sequence[Post]) -> float:
    """Micro F1 of a tagger on annotated posts, in percent."""
    predicted = [{entity.span for entity in found} for found in tagger.predict_batch(posts)]
    gold = [{entity.span for entity in spans(post.tags or ())} for post in posts]
    correct = sum(len(one & other) for one, other in zip(predicted, gold, strict=True))
    return 100 * 2 * correct / max(1, sum(map(len, predicted)) + sum(map(len, gold)))


def sorted_batches(tagger: Tagger, posts: Sequence[Post], size: int = 32) -> list[Batch]:
    """Batches of posts of similar length, ready for the model."""
    lengths = tagger.preprocessor.lengths(posts)
    order = sorted(range(len(posts)), key=lengths.__getitem__)
    return [
        tagger.preprocessor([posts[place] for place in order[start : start + size]])
        for start in range(0, len(order), size)
    ]


@torch.inference_mode()
def encode(tagger: Tagger, batches: Iterable[Batch]) -> None:
    """Run the text encoder, and the image encoder if there is one, alone."""
    for batch in batches:
        tagger.model.text_encoder(batch)
        if tagger.model.image_encoder is not None:
            tagger.model.encode_image(batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt_path", required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--posts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    posts = read_posts(options.file, images=options.images)[: options.posts]
    names = [name for name in VARIANTS if options.images is not None or not VARIANTS[name].draft_images]
    workers = 0 if options.images is None else 2
    taggers = {
        name: mner.load(options.ckpt_path, options=replace(VARIANTS[name], num_workers=workers)) for name in names
    }
    plain = taggers["fp32"]
    batches = sorted_batches(plain, posts)
    runs: dict[str, Callable[[], object]] = {
        "bare": (lambda: encode(plain, sorted_batches(plain, posts)))
        if options.images is None
        else (lambda: encode(plain, batches)),
        **{name: (lambda tagger=tagger: tagger.predict_batch(posts)) for name, tagger in taggers.items()},
    }
    seconds, others = dict.fromkeys(runs, 0.0), dict.fromkeys(runs, 0.0)
    for turn in range(options.rounds + 1):
        for name, run in runs.items():
            start, all_start = time.thread_time(), time.process_time()
            run()
            spent = time.thread_time() - start
            if turn > 0:  # the first round warms up
                seconds[name] += spent
                others[name] += time.process_time() - all_start - spent
    print(f"{len(posts)} posts, {options.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    for name, each in seconds.items():
        score = f"  F1 {f1(taggers[name], posts):.2f}" if name in taggers and posts[0].tags is not None else ""
        meanwhile = f"  other threads {others[name] / each:.2f}" if workers else ""
        rate = options.rounds * len(posts) / each
        print(f"{name:25} {rate:8.1f} posts/s  {seconds['bare'] / each:5.2f} x bare{meanwhile}{score}")


if __name__ == "__main__":
    main()
