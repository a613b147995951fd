"""Start-up and memory of training on a million posts: seconds until the first step ends, and peak resident memory.

python benchmarks/million_posts.py --folder DIR [--posts 1000000] [--suffix .jsonl] [--in_memory 100000]

Writes synthetic posts, and trains a tiny text model for one step in a new process each: with an empty cache, with the
posts in the cache, and with as many posts as --in_memory says in memory, as files below the limit are read. Resident
memory counts the pages of the mapped file that a process touched, although processes share them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

START = time.monotonic()
VOCABULARY, BLOCK = 200_000, 10_000


def records(number: int) -> Iterator[list[dict[str, Any]]]:
    """Posts of 5 to 25 words, frequent and rare ones as in text, with an entity each, in blocks."""
    random = np.random.default_rng(0)
    for start in range(0, number, BLOCK):
        block = []
        for place in range(start, min(start + BLOCK, number)):
            words = [f"word{rank}" for rank in np.minimum(random.zipf(1.3, random.integers(5, 26)), VOCABULARY)]
            tags = ["B-PER", "I-PER", *["O"] * (len(words) - 2)]
            block.append({"id": f"post{place}", "tokens": words, "ner_tags": tags})
        yield block


def write(path: Path, number: int) -> None:
    """Write synthetic posts, as Parquet or as JSON lines, unless they are there."""
    if path.exists():
        return
    partial = path.with_suffix(".partial")
    if path.suffix == ".parquet":
        import pyarrow
        from pyarrow.parquet import ParquetWriter

        strings = pyarrow.list_(pyarrow.string())
        schema = pyarrow.schema([("id", pyarrow.string()), ("tokens", strings), ("ner_tags", strings)])
        with ParquetWriter(partial, schema) as file:
            for block in records(number):
                file.write_table(pyarrow.Table.from_pylist(block, schema))
    else:
        with partial.open("w", encoding="utf-8") as lines:
            for block in records(number):
                lines.writelines(json.dumps(record) + "\n" for record in block)
    partial.rename(path)


def train(train: Path, valid: Path, num_workers: int) -> None:
    """Train for one step, and print what it took as JSON."""
    import torch
    from pytorch_lightning import Callback, Trainer

    from mner.data import PostFiles
    from mner.fusion import TextOnly
    from mner.testing import tiny_text_encoder

    class FirstStep(Callback):
        seconds = cpu = 0.0

        def on_train_batch_end(self, *_: Any) -> None:
            self.seconds, self.cpu = time.monotonic() - START, time.process_time()

    torch.set_num_threads(1)
    data = PostFiles(train, valid, num_workers=num_workers)
    model = TextOnly(text_encoder=tiny_text_encoder(), labels=data.labels)
    first = FirstStep()
    options: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    trainer = Trainer(max_steps=1, callbacks=[first], accelerator="cpu", use_distributed_sampler=False, **options)
    trainer.fit(model, data.using(model.preprocessor))
    found = {"seconds": first.seconds, "cpu": first.cpu, "main": _peak(resource.RUSAGE_SELF)}
    del trainer, data
    print(json.dumps(found | {"children": _peak(resource.RUSAGE_CHILDREN)}))


def _peak(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 2**20


def measure(name: str, options: argparse.Namespace, posts: int, environment: dict[str, str]) -> None:
    """Train in a new process and print a line."""
    load = os.getloadavg()[0]
    command = [sys.executable, __file__, *sys.argv[1:], "--measured", str(posts)]
    ended = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(ended.stdout.splitlines()[-1])
    print(
        f"{name:12} {posts:10,} posts: first step after {found['seconds']:6.1f} s ({found['cpu']:.1f} s of processor "
        f"time); peak resident memory {found['main']:.2f} GiB, {options.num_workers} workers up to "
        f"{found['children']:.2f} GiB (load {load:.1f})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--posts", type=int, default=1_000_000)
    parser.add_argument("--in_memory", type=int, default=100_000)
    parser.add_argument("--suffix", choices=(".parquet", ".jsonl"), default=".parquet")
    parser.add_argument("--num_workers", type=int, default=2)
    parser.add_argument("--measured", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder: Path = options.folder
    files = {number: folder / f"{number}{options.suffix}" for number in (1000, options.in_memory, options.posts)}
    if options.measured is not None:
        from mner.data import large_files

        large_files.LARGE = int(os.environ["LARGE"])
        train(files[options.measured], files[1000], options.num_workers)
        return
    folder.mkdir(parents=True, exist_ok=True)
    for number, file in files.items():
        write(file, number)
    cache = folder / f"cache{time.time_ns()}"
    stored = {"MNER_CACHE": str(cache), "LARGE": str(8 << 20)}
    measure("empty cache", options, options.posts, stored)
    measure("from cache", options, options.posts, stored)
    measure("in memory", options, options.in_memory, {"LARGE": str(1 << 60)})


if __name__ == "__main__":
    main()
