"""What identifies stored features: the encoder, the image's content, and a file that has not changed."""

from __future__ import annotations

import json
import os
import struct
from hashlib import blake2b

import torch

from mner.components import describe
from mner.vision.encoder import ImageEncoder

LAYOUT = 2
"""Counted up when features of the same encoder are stored in another way."""
NOT_IN_FEATURES = ("weights", "learning_rate")
"""Arguments that do not change features: the weights themselves are hashed."""


def encoder_fingerprint(encoder: ImageEncoder, precision: str = "32-true") -> str:
    """Identify the features of an encoder by its class, arguments, weights, further sources and precision.

    Args:
        encoder: The encoder, its weights loaded.
        precision: The precision in which it computes, as Lightning names it.

    Returns:
        16 hexadecimal digits.
    """
    if encoder.known_fingerprint is not None:
        return encoder.known_fingerprint
    config = describe(encoder)
    arguments = {name: value for name, value in config["init_args"].items() if name not in NOT_IN_FEATURES}
    described = json.dumps([LAYOUT, config["class_path"], arguments, precision], sort_keys=True)
    digest = blake2b((described + encoder.feature_source).encode(), digest_size=8)
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def content_hash(content: bytes) -> bytes:
    """Hash the bytes of an image file to 16 bytes."""
    return blake2b(content, digest_size=16).digest()


def file_identity(status: os.stat_result) -> bytes:
    """Identify a file that has not changed, in 16 bytes.

    The time of the inode's change cannot be set back, so a file that is rewritten under its old date is noticed.
    """
    parts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return blake2b(struct.pack("<QQQqq", *parts), digest_size=16, person=b"file").digest()
