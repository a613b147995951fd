"""Tagging with Ray against one process: posts per second, and processor seconds per post.

python benchmarks/tagging_ray.py --ckpt_path runs/0/best.ckpt --file posts.txt [--posts 2000] [--actors 2]

Both tag the same posts in turn, so that a busy machine slows them alike. Starting processes and loading the model are
left out: times begin when the first part is written, with Ray, and with the first post in one process. Processor
seconds are those of all processes of the cluster.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
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


def processor_seconds() -> float:
    """Processor time of this process and all those that it started."""
    own = psutil.Process()
    times = [each.cpu_times() for each in (own, *own.children(recursive=True)) if each.is_running()]
    return sum(each.user + each.system for each in times)


def here(tagger: Tagger, posts: Sequence[Post], folder: Path) -> Counter[str]:
    """Tag in this process."""
    found: Counter[str] = Counter(posts=len(posts))
    wall, processor = time.perf_counter(), processor_seconds()
    with (folder / "one.jsonl").open("w", encoding="utf-8") as file:
        for prediction in tagger.stream(posts, BATCH, WINDOW, max_wait=None):
            file.write(prediction.to_json() + "\n")
    return found + Counter(wall=time.perf_counter() - wall, processor=processor_seconds() - processor)


def with_ray(checkpoint: str, file: Path, folder: Path, actors: int) -> Counter[str]:
    """Tag with several processes."""
    output = OutputParts(str(folder / "parts"))
    totals = tag_with_ray(
        str(file), checkpoint, output, Reading(chunk=BATCH * WINDOW), OPTIONS, Cluster(actors, 1), BATCH
    )
    first = next(totals).posts
    wall, processor = time.perf_counter(), processor_seconds()
    last = first
    for each in totals:
        last = each.posts
    return Counter(posts=last - first, wall=time.perf_counter() - wall, processor=processor_seconds() - processor)


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
        rate, cost = each["posts"] / each["wall"], 1000 * each["processor"] / each["posts"]
        print(f"{name:12} {rate:8.1f} posts/s  {cost:6.2f} processor ms per post")


if __name__ == "__main__":
    main()
