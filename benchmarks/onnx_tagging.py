"""Exported models compared with PyTorch: differences of emissions and tags, F1, and tagging speed.

python benchmarks/onnx_tagging.py --ckpt_path runs/0/best.ckpt --file valid.txt [--images DIR] [--folder DIR]

The checkpoint is exported to ONNX, in single precision and in int8, into the folder, or read from there. All variants
tag the same posts in turn, a block each, so that a busy machine slows them alike; times are processor seconds of one
thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from tagging import f1, sorted_batches

import mner
from mner.data.readers import read_posts
from mner.exporting.onnx_export import export_onnx
from mner.inference.tagging_options import TaggingOptions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt_path", required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--posts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    posts = read_posts(options.file, images=options.images)[: options.posts]
    variants = {name: TaggingOptions(num_workers=0, precision=name) for name in ("32", "int8")}
    taggers = {f"PyTorch {name}": mner.load(options.ckpt_path, options=each) for name, each in variants.items()}
    with TemporaryDirectory() as temporary:
        for name in variants:
            folder = (options.folder or Path(temporary)) / name
            if not folder.exists():
                export_onnx(mner.load_model(options.ckpt_path), folder, int8=name == "int8")
            taggers[f"ONNX {name}"] = mner.load(folder, options=variants["32"])
        seconds = dict.fromkeys(taggers, 0.0)
        for turn in range(options.rounds + 1):
            for name, tagger in taggers.items():
                start = time.process_time()
                tagger.predict_batch(posts)
                seconds[name] += (time.process_time() - start) * (turn > 0)  # the first round warms up
        plain = taggers["PyTorch 32"]
        batches = sorted_batches(plain, posts)
        print(f"{len(posts)} posts, {options.rounds} rounds")
        for name, tagger in taggers.items():
            difference, changed = 0.0, 0
            with torch.inference_mode():
                for batch in batches:
                    expected, found = plain.model(batch), tagger.model(batch)
                    mask = batch.word_mask
                    difference = max(difference, (expected - found)[mask].abs().max().item())
                    tags = (
                        model.decoder.decode(each, mask)
                        for model, each in ((plain.model, expected), (tagger.model, found))
                    )
                    changed += int(torch.ne(*tags).any(dim=1).sum())
            speed = options.rounds * len(posts) / seconds[name]
            score = f"  F1 {f1(tagger, posts):.2f}" if posts[0].tags is not None else ""
            print(
                f"{name:14} {speed:8.1f} posts/s  {seconds['PyTorch 32'] / seconds[name]:5.2f} x  emissions differ by "
                f"{difference:.1e} at most, tags of {changed} posts{score}"
            )


if __name__ == "__main__":
    main()
