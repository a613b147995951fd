"""The base model of an adapter: left out of checkpoints, found when one is loaded, shared between adapters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mner.allocation import unlimited
from mner.errors import CheckpointError, ConfigurationError, MNERError
from mner.paths import is_file
from mner.text.architecture import model_settings
from mner.text.lora import LoRA, add_adapter, base_name, is_adapter
from mner.text.pretrained import build_tokenizer, build_untrained, check_kernel, model_class
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


def refuse_base(encoder: object, source: str | Path, is_given: bool = False) -> None:
    """Reject a base that the user gives for a model without an adapter, where it would be ignored.

    Args:
        encoder: The text encoder that was loaded.
        source: Where it is from, for the message.
        is_given: Whether a base was given for this model; otherwise, one that is named for all counts (``--base``).

    Raises:
        ConfigurationError: If there is one.
    """
    is_named = isinstance(_given.get(), (str, Path))
    if (is_given or is_named) and getattr(encoder, "lora", None) is None:
        raise ConfigurationError(f"{source} contains a whole model, which has no base; leave base (--base) out")


def refuse_rounded(model: nn.Module, base: nn.Module) -> None:
    """Reject the weights of a base in memory that are less precise than those that an adapter was trained on.

    Args:
        model: The model that shares them.
        base: The model that they are from.

    Raises:
        ConfigurationError: If they are.
    """
    given, needed = (_encoder_of(each).model.get_input_embeddings().weight.dtype for each in (base, model))
    if given in (torch.bfloat16, torch.float16) and given != needed:
        raise ConfigurationError(
            f"the base model in memory has weights in {str(given).removeprefix('torch.')}, but the adapter was trained "
            f"on them in {str(needed).removeprefix('torch.')}; load this one first and share its base, or name the base"
        )


@dataclass(frozen=True)
class BaseLoader:
    """How an encoder loads its base model.

    Args:
        name: The base that the encoder, or its checkpoint, names.
        load: A function from a name and a revision to the ``transformers`` model.
        revision: Its revision on the model hub.
        attn_implementation: The attention kernel.
        convert: Turns a model that was loaded or shared into the one that the encoder uses.
    """

    name: str
    load: Callable[[str, str | None], Any]
    revision: str | None = None
    attn_implementation: str | None = None
    convert: Callable[[Any], Any] = lambda model: model

    def __call__(self) -> Any:
        """Load the base that the encoder names, without its pooler."""
        return without_pooler(self.convert(self.load(self.name, self.revision)))


def restore(architecture: dict[str, Any], loader: BaseLoader, has_adapter: bool) -> tuple[Any, Any, Tensor | None]:
    """Build the model and tokenizer of a checkpoint: untrained, or the base model of its adapter.

    A checkpoint itself can only name files of an installed package; any other base is named by the user.

    Args:
        architecture: What :func:`~mner.text.pretrained.describe` returned.
        loader: How the base is loaded.
        has_adapter: Whether the checkpoint contains an adapter.

    Returns:
        Model, tokenizer, and the fingerprint of the base if it cannot be computed from this model.

    Raises:
        CheckpointError: If the user has to name the base, or it is of another architecture.
        WeightsNotFoundError: If it is not there.
    """
    if not has_adapter:
        model, tokenizer = build_untrained(architecture, loader.attn_implementation)
        return without_pooler(loader.convert(model)), tokenizer, None
    model, known = _find_base(loader)
    expected = model_settings(architecture["config"])["model_type"]
    if model.config.model_type != expected:
        raise CheckpointError(
            f"the adapter was trained on a base model of the type {expected}, got one of the type "
            f"{model.config.model_type}; give the base model of its training"
        )
    return model, build_tokenizer(architecture, len(model.get_input_embeddings().weight)), known


def _find_base(loader: BaseLoader) -> tuple[Any, Tensor | None]:
    base = _given.get()
    check_kernel(loader.attn_implementation)
    if base is None and not (isinstance(loader.name, str) and loader.name.startswith(PACKAGE_SCHEME)):
        raise CheckpointError(
            f"the checkpoint contains an adapter without its base model, {str(loader.name)[:80]!r}, and opens no file "
            "or network connection that only it names; if you trust that source, name it: --base on the command line, "
            "mner.load(path, base=...) in Python"
        )
    try:
        with open_sources(), unlimited():
            if isinstance(base, nn.Module):
                return _sharing(base, loader)
            return (loader if base is None else replace(loader, name=_name_of(base), revision=None))(), None
    except MNERError as error:
        raise CheckpointError(f"the base model of the adapter cannot be used: {error}") from error


def _name_of(base: object) -> str:
    """Return the name or folder of a base, which may be neither, such as another checkpoint."""
    if not isinstance(base, (str, Path)) or is_file(base):
        raise ConfigurationError(
            f"expected the name or folder of a pretrained encoder, got {str(base)!r:.80}; give that, or in Python a "
            "model or tagger that is loaded: base=mner.load(...)"
        )
    return str(base)


def without_pooler(model: Any) -> Any:
    """Remove the pooler of a model: its output is unused, and unused parameters break distributed training."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = nn.Identity()  # some models call it
    return model


def fingerprint(model: nn.Module, exclude: Sequence[str] = ()) -> Tensor:
    """Identify the weights of a model, except those of excluded layers, by 16 bytes."""
    digest = blake2b(digest_size=16)
    for name, weight in sorted(model.state_dict().items()):
        if not _is_in(name, exclude):
            digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
            digest.update(weight.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def adapt(encoder: SubwordEncoder, lora: LoRA, known: Tensor | None = None) -> None:
    """Give an encoder its adapter, and keep the base model out of its checkpoints.

    State dicts without the base are accepted if they have the same fingerprint.

    Args:
        encoder: An encoder whose ``model`` has no adapter yet.
        lora: The adapter.
        known: The fingerprint of its base, if it cannot be computed from the model.
    """
    identity = fingerprint(encoder.model, encoder.own_layers) if known is None else known
    add_adapter(encoder.model, lora, encoder.own_layers)
    encoder.register_buffer(FINGERPRINT, identity)
    encoder.register_state_dict_post_hook(_leave_out)  # type: ignore[no-untyped-call]
    encoder.register_load_state_dict_pre_hook(_bring_in)  # type: ignore[no-untyped-call]


def _leave_out(encoder: SubwordEncoder, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    inside = f"{prefix}model."
    for name in [name for name in state_dict if name.startswith(inside)]:
        if _is_of_base(encoder, name.removeprefix(inside)):
            del state_dict[name]


def _bring_in(encoder: SubwordEncoder, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    own, found = encoder.get_buffer(FINGERPRINT), state_dict.get(f"{prefix}{FINGERPRINT}")
    if found is not None and not torch.equal(own.cpu(), found.cpu()):
        raise CheckpointError(
            "the adapter was trained on a base model with other weights than this one; give the base model of its "
            "training"
        )
    for name, weight in encoder.get_submodule("model").state_dict().items():
        if _is_of_base(encoder, name):
            state_dict[f"{prefix}model.{name}"] = weight


def _is_of_base(encoder: SubwordEncoder, name: str) -> bool:
    return not is_adapter(name) and not _is_in(name, encoder.own_layers)


def _is_in(name: str, layers: Sequence[str]) -> bool:
    return any(name.startswith(f"{layer}.") for layer in layers)


def _sharing(module: nn.Module, loader: BaseLoader) -> tuple[Any, Tensor | None]:
    """Build a model that shares its weight tensors with the base of another one."""
    encoder = _encoder_of(module)
    config = copy.deepcopy(encoder.model.config)
    model = model_class(config).from_config(
        config, attn_implementation=loader.attn_implementation, dtype=torch.float32, trust_remote_code=False
    )
    model = without_pooler(model)
    weights = encoder.model.state_dict().items()
    found = {base_name(name): weight for name, weight in weights if not is_adapter(name)}
    if model.state_dict().keys() - found.keys():
        raise ConfigurationError("the layers of this one are quantised; load the one of precision int8 last")
    model.load_state_dict(found, assign=True)
    converted = loader.convert(model)
    # Weights that were converted to another type no longer have the fingerprint of their source.
    known = dict(encoder.named_buffers()).get(FINGERPRINT) if converted is model else None
    return without_pooler(converted), None if known is None else known.clone()


def _encoder_of(module: nn.Module) -> SubwordEncoder:
    encoder = next((part for part in module.modules() if isinstance(part, SubwordEncoder)), None)
    if encoder is None:
        raise ConfigurationError(f"a {type(module).__name__} has no text encoder to take a base model from")
    return encoder
