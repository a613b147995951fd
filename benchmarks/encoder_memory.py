"""Memory of a training step of a text encoder: fine-tuning, frozen embeddings, checkpointing, LoRA, precision.

python benchmarks/encoder_memory.py ENCODER --posts 8 --subwords 128   (a name or folder; a GPU is used if there is one)

Each setting trains for two steps in a process of its own. ``peak`` is that of the second step, when the optimizer has
its state: allocated memory on a GPU; on a CPU (Linux) resident memory without that of the imported libraries. Weights,
gradients and state of the optimizer are counted; the rest of the peak is that of activations and temporary tensors.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from mner.fusion import TextOnly
from mner.labels import labels_for
from mner.posts import Post
from mner.text import HuggingFaceText
from mner.text.lora import LoRA

CHECKPOINTING = {"gradient_checkpointing": True}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "fine-tuning": ("32-true", {}),
    "frozen embeddings": ("32-true", {"freeze_embeddings": True}),
    "checkpointing": ("32-true", CHECKPOINTING),
    "eager attention": ("32-true", {"attn_implementation": "eager"}),
    "bf16-mixed": ("bf16-mixed", {}),
    "bf16-true": ("bf16-true", {}),
    "bf16-true, checkpointing": ("bf16-true", CHECKPOINTING),
    "LoRA": ("32-true", {"lora": LoRA()}),
    "LoRA, checkpointing": ("32-true", {"lora": LoRA(), **CHECKPOINTING}),
    "LoRA, bf16-true": ("bf16-true", {"lora": LoRA()}),
    "LoRA, bf16-true, checkpointing": ("bf16-true", {"lora": LoRA(), **CHECKPOINTING}),
}
MEBIBYTE = 2**20
# Freed memory goes back to the system, or the peak would contain that of earlier allocations.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}


class Memory(Callback):
    """Memory of the second step.

    Args:
        before: Resident memory without a model, in bytes.
    """

    def __init__(self, before: int) -> None:
        self.before = before
        self.began = 0.0
        self.found: dict[str, float] = {}

    def on_train_batch_start(self, trainer: Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        """Begin a new peak."""
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
        self.began = time.perf_counter()

    def on_before_optimizer_step(self, trainer: Trainer, module: Any, optimizer: Any) -> None:
        """Count the gradients, before they are deleted."""
        self.found["gradients"] = size(each.grad for each in module.parameters() if each.grad is not None)

    def on_train_batch_end(self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Read the peak, and count what is always there."""
        on_gpu = torch.cuda.is_available()
        peak = torch.cuda.max_memory_allocated() if on_gpu else resident("VmHWM") - self.before
        states = trainer.optimizers[0].state.values()
        self.found |= {
            "seconds": time.perf_counter() - self.began,
            "trained": sum(each.numel() for each in module.parameters() if each.requires_grad),
            "weights": size(module.parameters()),
            "optimizer": size(each for state in states for each in state.values() if isinstance(each, Tensor)),
            "peak": peak / MEBIBYTE,
        }


def size(tensors: Iterable[Tensor]) -> float:
    """Size of tensors in MiB."""
    return sum(each.numel() * each.element_size() for each in tensors) / MEBIBYTE


def resident(entry: str) -> int:
    """Resident memory of this process in bytes: ``VmRSS`` now, ``VmHWM`` its peak."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (kibibytes,) = re.findall(rf"{entry}:\s+(\d+) kB", status)
    return int(kibibytes) * 1024


def measure(encoder: str, setting: str, posts: int, subwords: int) -> dict[str, float]:
    """Train for two steps with a setting."""
    precision, options = SETTINGS[setting]
    torch.manual_seed(0)
    torch.nn.Linear(2, 2)(torch.zeros(1, 2)).sum().backward()  # starts the threads of the backward pass
    before = resident("VmRSS")
    text_encoder = HuggingFaceText(encoder, **options)
    model = TextOnly(text_encoder=text_encoder, labels=labels_for(("PER", "LOC", "ORG", "MISC")))
    words = ("the",) * (subwords - 2)
    batch = [Post(f"{number}", words, ("O",) * len(words)) for number in range(posts)]
    assert model.preprocessor(batch).input_ids.shape == (posts, subwords)
    memory = Memory(before)
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    trainer = Trainer(max_steps=2, precision=precision, devices=1, callbacks=[memory], **quiet)
    trainer.fit(model, DataLoader(batch * 2, batch_size=posts, collate_fn=model.preprocessor))
    found = memory.found
    return found | {"rest": found["peak"] - found["weights"] - found["gradients"] - found["optimizer"]}


def main() -> None:
    """Measure each setting, or print one as JSON."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("encoder")
    options.add_argument("--posts", type=int, default=8, help="posts per batch (default: %(default)s)")
    options.add_argument("--subwords", type=int, default=128, help="subwords per post (default: %(default)s)")
    options.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    options.add_argument("--json", action="store_true", help="measure the first setting here, and print JSON")
    given = options.parse_args()
    if given.json:
        print(json.dumps(measure(given.encoder, given.settings[0], given.posts, given.subwords)))
        return
    columns = ("weights", "gradients", "optimizer", "rest", "peak")
    print(f"| setting | trained parameters | {' | '.join(f'{name}, MiB' for name in columns)} | s/step |")
    print("|---" * (len(columns) + 3) + "|")
    for setting in given.settings:
        command = [sys.executable, __file__, given.encoder, "--json", "--settings", setting]
        command += ["--posts", f"{given.posts}", "--subwords", f"{given.subwords}"]
        found = json.loads(
            subprocess.run(command, env=os.environ | MALLOC, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1]
        )
        cells = [f"{found['trained'] / 1e6:.1f} million", *(f"{found[name]:,.0f}" for name in columns)]
        print(f"| {setting} | {' | '.join(cells)} | {found['seconds']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
