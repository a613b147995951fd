"""Tagging with Ray against one process: posts per second.

python benchmarks/tagging_ray.py --ckpt_path runs/0/best.ckpt --file posts.txt [--posts 2000] [--actors 2]

Both tag the same posts in turn, so that a busy machine slows them alike. Starting processes and loading the model are
left out: with Ray, times are those from the first part to the last.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

import mner
from mner.data.readers import read_posts
from mner.inference.output_parts import OutputParts
from mner.inference.ray_tagging import Cluster, Reading, tag_with_ray
from mner.inference.tagger import Tagger
from mner.inference.tagging_options import TaggingOptions
from mner.post_json import to_json
from mner.posts import Post
from mner.ray_cluster import connect

OPTIONS = TaggingOptions(num_workers=0)
BATCH, WINDOW = 32, 2


def here(tagger: Tagger, posts: Sequence[Post], folder: Path) -> Counter[str]:
    """Tag in this process."""
    start = time.perf_counter()
    with (folder / "one.jsonl").open("w", encoding="utf-8") as file:
        for prediction in tagger.stream(posts, BATCH, WINDOW, max_wait=None):
            file.write(prediction.to_json() + "\n")
    return Counter(posts=len(posts), seconds=time.perf_counter() - start)


def with_ray(checkpoint: str, file: Path, folder: Path, actors: int) -> Counter[str]:
    """Tag with several processes."""
    output, reading = OutputParts(str(folder / "parts")), Reading(chunk=BATCH * WINDOW)
    for _ in tag_with_ray(str(file), checkpoint, output, reading, OPTIONS, Cluster(actors), BATCH):
        pass
    written = sorted((path.stat().st_mtime, path) for path in (folder / "parts").glob("*.jsonl"))
    posts = sum(len(path.read_bytes().splitlines()) for _, path in written[1:])
    return Counter(posts=posts, seconds=written[-1][0] - written[0][0])


def main() -> None:
    """Print both rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt_path", required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--posts", type=int, default=2000)
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    read = read_posts(given.file)
    posts = (read * (given.posts // len(read) + 1))[: given.posts]
    connect(num_cpus=given.actors + 1)
    tagger = mner.load(given.ckpt_path, options=OPTIONS)
    found = {"one process": Counter[str](), f"{given.actors} actors": Counter[str]()}
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(given.rounds):
            folder = Path(temporary, f"{number}")
            folder.mkdir()
            file = folder / "posts.jsonl"
            lines = (to_json({"id": f"{place}", "words": list(post.words)}) for place, post in enumerate(posts))
            file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            found["one process"] += here(tagger, posts, folder)
            found[f"{given.actors} actors"] += with_ray(given.ckpt_path, file, folder, given.actors)
    print(f"{given.posts} posts, {given.rounds} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name, each in found.items():
        print(f"{name:12} {each['posts'] / each['seconds']:8.1f} posts/s")


if __name__ == "__main__":
    main()
