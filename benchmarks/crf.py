"""Time the CRF against pytorch-crf: a training step (loss and backward), and decoding.

Both run the same inputs, by turns, in one process; the table gives the median of the repeats and of their ratios.
On the CPU it counts processor time on one thread, so that a busy machine tells the same. Where there is CUDA, it
measures there as well, by the clock. Run ``python benchmarks/crf.py``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torchcrf
from rich.console import Console
from rich.table import Table

from mner.decoders import CRF
from mner.labels import labels_for

LABELS = labels_for(["PER", "LOC", "ORG", "MISC"])
SHAPES = [(32, 40), (32, 128), (128, 64)]


def seconds(function: Callable[[], object], device: str) -> float:
    if device == "cpu":
        begin = time.process_time()
        function()
        return time.process_time() - begin
    torch.cuda.synchronize()
    begin = time.perf_counter()
    function()
    torch.cuda.synchronize()
    return time.perf_counter() - begin


def compare(ours: Callable[[], object], theirs: Callable[[], object], device: str, repeats: int) -> list[str]:
    for function in (ours, theirs) * 2:
        function()
    times = [(seconds(ours, device), seconds(theirs, device)) for _ in range(repeats)]
    mine, peer = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
    ratio = statistics.median(their / our for our, their in times)
    return [f"{mine:.2f}", f"{peer:.2f}", f"{ratio:.1f}"]


def rows(posts: int, words: int, shortest: int, device: str, repeats: int) -> list[list[str]]:
    torch.manual_seed(0)
    emissions = torch.randn(posts, words, len(LABELS), device=device, requires_grad=True)
    tags = torch.randint(len(LABELS), (posts, words), device=device)
    lengths = torch.randint(shortest, words + 1, (posts, 1), device=device)
    lengths[0] = words
    mask = torch.arange(words, device=device) < lengths
    peer = torchcrf.CRF(len(LABELS), batch_first=True).to(device)
    crf = CRF()
    crf.bind(LABELS)
    crf.to(device).load_state_dict(peer.state_dict())

    @torch.no_grad()
    def decode_peer() -> object:
        return peer.decode(emissions, mask)

    tasks = {
        "train": (
            lambda: crf.loss(emissions, tags, mask).backward(),
            lambda: (-peer(emissions, tags, mask, reduction="mean")).backward(),
        ),
        "decode": (lambda: crf.decode(emissions, mask), decode_peer),
    }
    label = [device, f"({posts}, {words}, {len(LABELS)})", f"{shortest}-{words}"]
    return [[*label, name, *compare(*pair, device, repeats)] for name, pair in tasks.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=31)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table("device", "(B, W, L)", "words", "task", "mner ms", "peer ms", "ratio")
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        for posts, words in SHAPES:
            for shortest in (words, words // 2):
                for row in rows(posts, words, shortest, device, arguments.repeats):
                    table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
