"""Memory of ``mner tag`` over many posts with images: resident memory after each tenth of the posts.

python benchmarks/tagging_memory.py [--posts 1000000] [--ckpt_path CKPT] [--images false]

By default the model is a tiny one with random weights, which reads every image. Resident memory is that of the process
of mner tag, without its output.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from mner.fusion import CoAttention
from mner.labels import labels_for
from mner.testing import TinyGrid, tiny_text_encoder

WORDS = ("so", "proud", "of", "Serena", "in", "Oslo", "with", "Kevin", "Durant", "and", "Nike", "again", "today")
IMAGES = 1000


def write(folder: Path, number: int, images: bool) -> Path:
    """Write posts, each with one of a thousand images or without any."""
    random = np.random.default_rng(0)
    (folder / "images").mkdir()
    for place in range(IMAGES):
        pixels = random.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{place}.jpg")
    with (folder / "posts.jsonl").open("w", encoding="utf-8") as file:
        for place in range(number):
            words = random.choice(WORDS, 12).tolist()
            image = {"image": f"{place % IMAGES}.jpg"} if images else {}
            file.write(json.dumps({"id": place, "text": " ".join(words)} | image) + "\n")
    return folder / "posts.jsonl"


def memory(pid: int) -> int:
    """Resident memory of a process in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=1_000_000)
    parser.add_argument("--ckpt_path", type=Path)
    parser.add_argument("--images", choices=("true", "false"), default="true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        posts = write(folder, options.posts, options.images == "true")
        if options.ckpt_path is None:
            labels = labels_for(["PER", "LOC", "ORG"])
            model = CoAttention(labels=labels, text_encoder=tiny_text_encoder(), image_encoder=TinyGrid())
            model.save_pretrained(folder / "model")
        checkpoint = options.ckpt_path or folder / "model"
        command = [sys.executable, "-m", "mner", "tag", str(posts), "--ckpt_path", str(checkpoint)]
        start = time.monotonic()
        with subprocess.Popen([*command, "--images", str(folder / "images")], stdout=subprocess.PIPE) as tagging:
            for number, _ in enumerate(tagging.stdout, start=1):
                if number % (options.posts // 10) == 0:
                    seconds = time.monotonic() - start
                    print(f"{number:10,} posts  {memory(tagging.pid):6} MiB  {seconds:7.1f} s", flush=True)


if __name__ == "__main__":
    main()
