"""Duration of a training step of a text encoder on a CPU: attention kernels and memory allocation, by length.

python benchmarks/attention_kernels.py ENCODER --subwords 64 192 384   (a name or folder; Linux with glibc)

Attention with dropout has no fused kernel on a CPU, and its matrices, quadratic in the length, are so large that glibc
returns them to the system and fetches them again in every step unless its thresholds are raised. A process per row runs
steps with posts of varying length up to the given one; the rows take turns, and the last steps of each are measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from statistics import median

import torch
from timing import seconds

from mner.labels import labels_for
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.text import HuggingFaceText

KEPT = 32 * 2**30
ALLOCATION = {
    "default": {},
    "kept": {"MALLOC_MMAP_THRESHOLD_": f"{KEPT}", "MALLOC_TRIM_THRESHOLD_": f"{KEPT}"},
}
KERNELS = ("sdpa", "eager")
LENGTHS = (1.0, 0.9, 0.95, 0.85)
"""Lengths of successive batches, as parts of the greatest, which comes first."""


def measure(encoder: str, kernel: str, posts: int, subwords: int, precision: torch.dtype) -> float:
    """Return the seconds of the second pass over batches of several lengths, per step."""
    torch.manual_seed(0)
    text_encoder = HuggingFaceText(encoder, attn_implementation=kernel).train()
    preprocessor = Preprocessor(labels=labels_for(("PER", "LOC")), subword_tokenizer=text_encoder.subword_tokenizer)
    batches = []
    for part in LENGTHS:
        words = ("the",) * (int(part * subwords) - 2)
        batches.append(preprocessor([Post(f"{number}", words, ("O",) * len(words)) for number in range(posts)]))

    def steps() -> None:
        for batch in batches:
            with torch.autocast("cpu", precision, enabled=precision != torch.float32):
                words = text_encoder(batch).words
            words.float().square().mean().backward()

    steps()
    return seconds(steps, "cpu") / len(batches)


def main() -> None:
    """Print a table, or measure one row."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("encoder")
    options.add_argument("--posts", type=int, default=16, help="posts per batch (default: %(default)s)")
    options.add_argument("--subwords", type=int, nargs="+", default=[64, 192, 384], help="greatest length of a batch")
    options.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    options.add_argument("--rounds", type=int, default=3, help="processes per row (default: %(default)s)")
    options.add_argument("--kernel", help="measure this one here, and print JSON")
    given = options.parse_args()
    if given.kernel:
        precision = getattr(torch, given.precision)
        print(json.dumps(measure(given.encoder, given.kernel, given.posts, given.subwords[0], precision)))
        return
    print("| subwords | attention | allocation | s/step (least to most) | times the default |\n|---|---|---|---|---|")
    rows = [(kernel, allocation) for kernel in KERNELS for allocation in ALLOCATION]
    for subwords in given.subwords:
        times: dict[tuple[str, str], list[float]] = {row: [] for row in rows}
        for _ in range(given.rounds):
            for kernel, allocation in rows:
                command = [sys.executable, __file__, given.encoder, "--kernel", kernel, "--subwords", f"{subwords}"]
                command += ["--posts", f"{given.posts}", "--precision", given.precision]
                environment = os.environ | {"OMP_NUM_THREADS": "1"} | ALLOCATION[allocation]
                output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
                times[kernel, allocation].append(json.loads(output.splitlines()[-1]))
        default = median(times[rows[0]])
        for (kernel, allocation), found in times.items():
            spread = f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f})"
            print(f"| {subwords} | {kernel} | {allocation} | {spread} | {median(found) / default:.2f} |", flush=True)


if __name__ == "__main__":
    main()
