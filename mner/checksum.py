"""A checksum over what is loaded from a checkpoint: the arguments of the model and its weights."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch

from mner.errors import CheckpointError

KEY = "mner_checksum"


def seal(checkpoint: dict[str, Any]) -> None:
    """Write the checksum into a checkpoint, after everything else; also for a checkpoint that was edited on purpose."""
    checkpoint[KEY] = checksum(checkpoint)


def verify(checkpoint: Mapping[str, Any]) -> None:
    """Compare the checksum of a checkpoint with its content.

    Raises:
        CheckpointError: If they differ.

    Warns:
        UserWarning: If it has none, because another program changed it.
    """
    if KEY not in checkpoint:
        warnings.warn(
            "the checkpoint has no checksum, so damage cannot be detected: it was not written by mner. If "
            "you trust it, seal it: load it with torch.load, call mner.checksum.seal, and save it with torch.save",
            stacklevel=2,
        )
    elif checkpoint[KEY] != checksum(checkpoint):
        raise CheckpointError(
            "the content of the checkpoint is not what was saved: its checksum differs; "
            "copy it again, or use another checkpoint of the run"
        )


def checksum(checkpoint: Mapping[str, Any]) -> str:
    """Compute 32 hexadecimal digits over the hyper-parameters and over name, type, shape and bytes of every weight."""
    arguments = json.dumps(checkpoint["hyper_parameters"], sort_keys=True)
    digest = blake2b(arguments.encode(), digest_size=16)
    for name, weight in sorted(checkpoint["state_dict"].items()):
        digest.update(f"\n{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
        digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def file_checksum(path: Path) -> str:
    """Compute 32 hexadecimal digits over the bytes of a file."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
