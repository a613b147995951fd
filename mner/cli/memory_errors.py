"""What to do when memory runs out: one line with the remedy, instead of the allocator's advice."""

from __future__ import annotations

import re

COMPLAINTS = ("out of memory", "can't allocate memory", "cannot allocate memory")
TRAINING = frozenset({"fit", "experiment"})
IN_TRAINING = (
    "a smaller batch_size with trainer.accumulate_grad_batches, trainer.precision bf16-mixed, gradient_checkpointing, "
    'freeze_embeddings and LoRA need less (the how-to "Train large encoders"), and fewer --jobs share the device'
)
ELSEWHERE = "a smaller batch size needs less"


def out_of_memory(command: str, error: Exception) -> str | None:
    """Return what to tell a user whose device or machine has run out of memory, ``None`` after any other error.

    Args:
        command: The command of ``mner`` that ended.
        error: PyTorch's error of a device or of the processor's allocator, or Python's ``MemoryError``.
    """
    said = " ".join(str(error).split())
    if not isinstance(error, MemoryError) and not (isinstance(error, RuntimeError) and _complains(said)):
        return None
    amounts = re.findall(r"tried to allocate [\d.]+ \w+|[\d.]+ \w+ is free", said, flags=re.IGNORECASE)
    details = f" ({', '.join(amount[0].lower() + amount[1:] for amount in amounts)})" if amounts else ""
    return f"out of memory{details}; {IN_TRAINING if command in TRAINING else ELSEWHERE}"


def _complains(said: str) -> bool:
    return any(complaint in said.lower() for complaint in COMPLAINTS)
