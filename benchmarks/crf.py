"""Time the decoders: CRF against pytorch-crf, CRF with many labels both ways, Softmax against the equivalent chain.

The two of each pair run in turn on the same inputs in one process; the table shows the medians of the repeats and of
their ratios. On the CPU processor time on one thread is measured, so that a busy machine gives the same ratios. With
CUDA, wall-clock time on the GPU is measured as well. Run ``python benchmarks/crf.py``.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator

import torch
import torchcrf
from rich.console import Console
from rich.table import Table
from timing import in_turn

from mner.decoders import CRF, Softmax
from mner.decoders.chain_decoder import ChainDecoder
from mner.decoders.linear_chain import negative_log_likelihood
from mner.labels import labels_for

SHAPES = [(32, 40), (32, 128), (128, 64)]
TYPES = [4, 15, 25, 50, 100]
Task = tuple[str, Callable[[], object], Callable[[], object]]


def compare(ours: Callable[[], object], theirs: Callable[[], object], device: str, repeats: int) -> list[str]:
    own, others = in_turn({"ours": ours, "theirs": theirs}, repeats, device).values()
    mine, peer = (statistics.median(times) * 1e3 for times in (own, others))
    ratio = statistics.median(their / our for our, their in zip(own, others, strict=True))
    return [f"{mine:.2f}", f"{peer:.2f}", f"{ratio:.1f}"]


def batch(posts: int, words: int, labels: int, shortest: int, device: str) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    emissions = torch.randn(posts, words, labels, device=device, requires_grad=True)
    tags = torch.randint(labels, (posts, words), device=device)
    lengths = torch.randint(shortest, words + 1, (posts, 1), device=device)
    lengths[0] = words
    return emissions, tags, torch.arange(words, device=device) < lengths


def bound(decoder: ChainDecoder, labels: list[str], device: str) -> ChainDecoder:
    decoder.bind(labels)
    return decoder.to(device)


def against_pytorch_crf(posts: int, words: int, shortest: int, device: str) -> Iterator[Task]:
    """Compare a training step (loss and backward) and decoding, with the 9 labels of Twitter."""
    labels = labels_for(["PER", "LOC", "ORG", "MISC"])
    emissions, tags, mask = batch(posts, words, len(labels), shortest, device)
    crf = bound(CRF(), labels, device)
    peer = torchcrf.CRF(len(labels), batch_first=True).to(device)
    peer.load_state_dict(crf.state_dict())

    @torch.no_grad()
    def decode_peer() -> object:
        return peer.decode(emissions, mask)

    yield (
        "train, pytorch-crf",
        lambda: crf.loss(emissions, tags, mask).backward(),
        lambda: (-peer(emissions, tags, mask, reduction="mean")).backward(),
    )
    yield "decode, pytorch-crf", lambda: crf.decode(emissions, mask), decode_peer


def by_number_of_labels(types: int, device: str) -> Iterator[Task]:
    """Compare a training step by matrix products with exact sums, and a softmax with a chain of zero transitions."""
    labels = labels_for([f"T{index}" for index in range(types)])
    emissions, tags, mask = batch(32, 40, len(labels), 20, device)
    crf, softmax = bound(CRF(), labels, device), bound(Softmax(), labels, device)

    def train(products: bool) -> None:
        negative_log_likelihood(emissions, tags, mask, crf.chain(), products).sum().backward()

    yield "train, products against exact", lambda: train(products=True), lambda: train(products=False)
    yield (
        "train, softmax against chain",
        lambda: softmax.loss(emissions, tags, mask).backward(),
        lambda: ChainDecoder.negative_log_likelihood(softmax, emissions, tags, mask).sum().backward(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=31)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table("device", "(B, W, L)", "words", "task", "mner ms", "peer ms", "ratio")
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        for posts, words in SHAPES:
            for shortest in (words, words // 2):
                for name, ours, theirs in against_pytorch_crf(posts, words, shortest, device):
                    label = [device, f"({posts}, {words}, 9)", f"{shortest}-{words}", name]
                    table.add_row(*label, *compare(ours, theirs, device, arguments.repeats))
        for types in TYPES:
            for name, ours, theirs in by_number_of_labels(types, device):
                label = [device, f"(32, 40, {2 * types + 1})", "20-40", name]
                table.add_row(*label, *compare(ours, theirs, device, max(3, arguments.repeats // 4)))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
