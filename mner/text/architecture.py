"""The settings of an encoder that a checkpoint may contain: those of its layers, nothing fetched or executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mner.errors import CheckpointError

SPECIAL_TOKENS = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token", "bos_token", "eos_token")
NUM_SUBWORDS = "num_subwords"
"""Option of a tokenizer: its number of subwords, after which its vocabulary contains steps of merges (BERTweet)."""
BUILT_IN_ATTENTION = ("eager", "sdpa", "flex_attention")
"""The attention kernels of torch; all others are from a library or the hub."""
LEFT_OUT = {
    *("dtype", "torch_dtype"),  # of the published weights
    *("auto_map", "custom_pipelines", "_name_or_path", "name_or_path", "_commit_hash"),  # where code and files are
    *("attn_implementation", "_attn_implementation", "_attn_implementation_internal"),  # may name a kernel of the hub
    *("experts_implementation", "_experts_implementation", "_experts_implementation_internal"),
    *("backbone", "backbone_kwargs", "use_timm_backbone", "use_pretrained_backbone"),  # another model, fetched
    *("quantization_config", "compression_config"),  # another library, which reads its own files
    *("num_labels", "id2label", "label2id"),  # of a classifier that is not built: a table with an entry per label
    *("output_hidden_states", "output_attentions", "return_dict"),  # additional outputs, and their format
    "chunk_size_feed_forward",  # saves memory, and fails on rows that are not a multiple of it
}
FETCHES_CODE = ("mra", "yoso", "rwkv")
"""Architectures whose constructor or layers fetch a compiled kernel from the hub, where its package is installed."""
MAX_LAYERS = 10_000
"""Maximum number of layers: configs make a list with an entry per layer before any is built."""


def model_settings(config: Any) -> dict[str, Any]:
    """Copy the config of an encoder, at every depth, without what may be fetched or executed.

    Raises:
        CheckpointError: If it is not a mapping with a ``model_type``, is of an architecture that fetches code, or
            describes more layers than any model has.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("model_type"), str):
        raise CheckpointError("expected the config of a text encoder with its model_type")
    if config["model_type"] in FETCHES_CODE:
        raise CheckpointError(f"a text encoder of the type {config['model_type']} fetches compiled code from the hub")
    settings: dict[str, Any] = _kept(config)
    return settings


def _kept(value: Any) -> Any:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if isinstance(each, int) and "layer" in str(name) and each > MAX_LAYERS:
                raise CheckpointError(
                    f"expected at most {MAX_LAYERS} layers in the config of a text encoder, got {name}={each}"
                )
        return {name: _kept(each) for name, each in value.items() if name not in LEFT_OUT}
    return [_kept(each) for each in value] if isinstance(value, list) else value


def tokenizer_settings(options: Any) -> dict[str, Any]:
    """Copy the options of a tokenizer: its special tokens and its maximum length.

    Raises:
        CheckpointError: If there is another option, such as the path of a file, or one of another type.
    """
    types: dict[str, type] = {**dict.fromkeys(SPECIAL_TOKENS, str), "model_max_length": int, NUM_SUBWORDS: int}
    if not isinstance(options, Mapping):
        raise CheckpointError(f"expected the options of a tokenizer by name, got a {type(options).__name__}")
    for name, value in options.items():
        if name not in types or type(value) is not types[name]:
            raise CheckpointError(
                f"the tokenizer option {name!r} is not in any checkpoint of mner, which may contain "
                f"{', '.join(SPECIAL_TOKENS)} (strings), model_max_length and {NUM_SUBWORDS} (whole numbers)"
            )
    return dict(options)
