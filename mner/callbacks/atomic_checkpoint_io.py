"""Checkpoints that are written complete or not at all, and are read undamaged or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from mner.checkpoint_file import check_archive
from mner.files import atomic_write


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes through a partial file in the checkpoint's folder; use ``Trainer(plugins=[AtomicCheckpointIO()])``.

    Lightning's default writes to ``TMPDIR`` first and copies the file from there, so that a killed process can leave an
    empty checkpoint, and it reads a damaged state of the optimizer without noticing. URLs such as ``s3://...`` are left
    to it.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: Tensors and plain data.
            path: The file.
            storage_options: As in ``TorchCheckpointIO``.

        Raises:
            OutputError: If the file cannot be written; names it, and leaves an existing file unchanged.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        with atomic_write(path, "wb") as file:
            torch.save(checkpoint, file)

    def load_checkpoint(self, path: str | Path, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Read a checkpoint.

        Args:
            path: The file.
            arguments: As in ``TorchCheckpointIO``.
            options: As in ``TorchCheckpointIO``.

        Raises:
            CheckpointError: If a part of the file is not what was written.
        """
        if "://" not in str(path):
            check_archive(path)
        checkpoint: dict[str, Any] = super().load_checkpoint(path, *arguments, **options)
        return checkpoint
