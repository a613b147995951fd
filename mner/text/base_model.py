"""The base model of an adapter: left out of checkpoints, found when one is loaded, shared between adapters."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mner.allocation import unlimited
from mner.errors import CheckpointError, ConfigurationError
from mner.text.lora import base_name, is_adapter
from mner.text.pretrained import check_kernel, load_model, model_class
from mner.text.subword_encoder import SubwordEncoder
from mner.weights import PACKAGE_SCHEME, open_sources

FINGERPRINT = "base_fingerprint"
"""Name of the buffer with which a checkpoint identifies its base model."""

_given: ContextVar[str | Path | nn.Module | None] = ContextVar("given_base", default=None)


@contextmanager
def given_base(base: str | Path | nn.Module | None) -> Iterator[None]:
    """Let checkpoints that are loaded in the block take their base model from what the user gives.

    Args:
        base: A name or folder as for :class:`~mner.text.HuggingFaceText`; or a model with the same base, whose tensors
            are then shared. ``None`` changes nothing.
    """
    token = _given.set(_given.get() if base is None else base)
    try:
        yield
    finally:
        _given.reset(token)


def find_base(name: Any, revision: str | None, attn_implementation: str | None) -> tuple[Any, Tensor]:
    """Return the base model of a checkpoint's adapter, and its fingerprint.

    A checkpoint itself can only name files of an installed package; any other base is named by the user.

    Args:
        name: The base that the checkpoint names.
        revision: Its revision on the model hub.
        attn_implementation: The attention kernel.

    Raises:
        CheckpointError: If the user has to name the base.
        WeightsNotFoundError: If it is not there.
    """
    base = _given.get()
    check_kernel(attn_implementation)
    if base is None and not (isinstance(name, str) and name.startswith(PACKAGE_SCHEME)):
        raise CheckpointError(
            f"the checkpoint contains an adapter without its base model, {str(name)[:80]!r}, and opens no file or "
            "network connection that only it names; if you trust that source, name it: --base on the command line, "
            "mner.load(path, base=...) in Python"
        )
    with open_sources(), unlimited():
        if isinstance(base, nn.Module):
            return _sharing(base, attn_implementation)
        name, revision = (name, revision) if base is None else (str(base), None)
        model = without_pooler(load_model(name, revision, attn_implementation))
        return model, fingerprint(model)


def without_pooler(model: Any) -> Any:
    """Remove the pooler of a model: its output is unused, and unused parameters break distributed training."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = nn.Identity()  # some models call it
    return model


def fingerprint(model: nn.Module) -> Tensor:
    """Identify the weights of a model by 16 bytes."""
    digest = blake2b(digest_size=16)
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
        digest.update(weight.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def leave_out_base(encoder: SubwordEncoder, identity: Tensor) -> None:
    """Keep the base model out of state dicts, and accept state dicts without it if they have the same fingerprint.

    Args:
        encoder: An encoder whose ``model`` has an adapter.
        identity: The fingerprint of its base.
    """
    encoder.register_buffer(FINGERPRINT, identity)
    encoder.register_state_dict_post_hook(_leave_out)  # type: ignore[no-untyped-call]
    encoder.register_load_state_dict_pre_hook(_bring_in)  # type: ignore[no-untyped-call]


def _leave_out(encoder: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    for name in [name for name in state_dict if name.startswith(f"{prefix}model.") and not is_adapter(name)]:
        del state_dict[name]


def _bring_in(encoder: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    own, found = encoder.get_buffer(FINGERPRINT), state_dict.get(f"{prefix}{FINGERPRINT}")
    if found is not None and not torch.equal(own.cpu(), found.cpu()):
        raise CheckpointError(
            "the adapter was trained on a base model with other weights than this one; give the base model of its "
            "training"
        )
    for name, weight in encoder.get_submodule("model").state_dict().items():
        if not is_adapter(name):
            state_dict[f"{prefix}model.{name}"] = weight


def _sharing(module: nn.Module, attn_implementation: str | None) -> tuple[Any, Tensor]:
    """Build a model that shares its weight tensors with the base of another one."""
    encoder = next((part for part in module.modules() if isinstance(part, SubwordEncoder)), None)
    if encoder is None:
        raise ConfigurationError(f"a {type(module).__name__} has no text encoder to take a base model from")
    config = copy.deepcopy(encoder.model.config)
    model = model_class(config).from_config(
        config, attn_implementation=attn_implementation, dtype=torch.float32, trust_remote_code=False
    )
    model = without_pooler(model)
    weights = encoder.model.state_dict().items()
    model.load_state_dict({base_name(name): weight for name, weight in weights if not is_adapter(name)}, assign=True)
    # Weights that were converted to another type no longer have it.
    known = dict(encoder.named_buffers()).get(FINGERPRINT)
    return model, fingerprint(model) if known is None else known.clone()
