"""Any Hugging Face encoder with a fast tokenizer as a text encoder."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.errors import ConfigurationError
from mner.text.architecture import BUILT_IN_ATTENTION
from mner.text.base_model import BaseLoader
from mner.text.lora import LoRA
from mner.text.prefix import Prefix
from mner.text.pretrained import load_model
from mner.text.pretrained_encoder import PretrainedEncoder
from mner.text.probe import check_causal
from mner.text.tweet_words import check_emoji_names
from mner.text.unused_weights import freeze_unused


class HuggingFaceText(PretrainedEncoder):
    """A pretrained transformer over subwords, one vector per word (paper 3.2: BERT).

    Contexts enter as the second segment, ``[CLS] words [SEP] caption [SEP]``: the encoder attends to them, the CRF
    never sees them. The pooled vector is that of the first subword, ``[CLS]``.

    When it is first loaded, the encoder is tested on a few words (see :mod:`mner.text.probe`): one that is causal,
    whose output depends on padding, or that does not fit its tokenizer is rejected. Weights on which the words'
    vectors do not depend are frozen.

    Args:
        name: A name on a model hub, a folder, or ``pkg://package/folder`` inside an installed package.
        pooling: The vector of a word is the ``mean`` of its subwords, or its ``first`` subword as in the paper's code.
        max_length: Maximum number of subwords per row; by default what the model allows, 512 if it has no limit.
        on_long_post: ``window`` reads a post that does not fit in overlapping windows, ``error`` refuses it.
        freeze_embeddings: Do not train the subword embeddings. They are half of the parameters of a small encoder, and
            a few thousand posts update few of them.
        attn_implementation: The attention kernel by its name in ``transformers`` (``eager``, ``sdpa``,
            ``flash_attention_2``, ...); by default the one that ``transformers`` chooses.
        dtype: Data type of the encoder's weights; its output is in that of the rest of the model. A trainer's
            ``precision`` of ``bf16-true``, ``16-true`` or ``64-true`` overrides it.
        revision: Branch, tag or commit of a repository of the model hub.
        gradient_checkpointing: Recompute the activations of each layer in the backward pass: slower, with less memory.
        bidirectional: Let a decoder-only model (GPT-2, Llama, Qwen, Gemma, ...) read in both directions, with its
            contexts before the post; otherwise a causal model is rejected.
        normalize_tweets: Read mentions as ``@USER``, links as ``HTTPURL`` and emoji by name, as BERTweet was
            pretrained; words and entities stay as they are.
        lora: Train a small adapter in the encoder, whose own weights stay as they are and out of checkpoints.
        architecture: Filled in when a checkpoint is saved, so that it can be loaded without the source of the weights;
            leave it out.

    Raises:
        WeightsNotFoundError: If the weights are neither on disk nor reachable.
        ConfigurationError: If the model is not a text encoder, its tokenizer is not a fast one, ``max_length`` is too
            small or too large, or the model does not support an option.
    """

    def __init__(
        self,
        name: str,
        pooling: Literal["mean", "first"] = "mean",
        max_length: int | None = None,
        on_long_post: Literal["window", "error"] = "window",
        freeze_embeddings: bool = False,
        attn_implementation: str | None = None,
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
        revision: str | None = None,
        gradient_checkpointing: bool = False,
        bidirectional: bool = False,
        normalize_tweets: bool = False,
        lora: LoRA | None = None,
        architecture: dict[str, Any] | None = None,
    ) -> None:
        if normalize_tweets:
            check_emoji_names()
        self._attn_implementation, self._revision = attn_implementation, revision
        self._bidirectional, self._normalize_tweets = bidirectional, normalize_tweets
        super().__init__(name, pooling, max_length, on_long_post, freeze_embeddings, lora, architecture)
        if bidirectional:  # that of a checkpoint too
            self.model.config.is_causal = False
        freeze_unused(self)
        if gradient_checkpointing:
            self._checkpoint_gradients()
        self.model.to(getattr(torch, dtype))

    def base_loader(self, name: str) -> BaseLoader:
        """Return how the model is loaded, with the attention kernel and the revision."""
        load = partial(load_model, attn_implementation=self._attn_implementation)
        return BaseLoader(name, load, self._revision, self._attn_implementation)

    def prepare(self, tokenizer: Any, architecture: dict[str, Any] | None) -> None:
        """Find out whether the model distinguishes segments, and what it calls a cache."""
        parameters = inspect.signature(self.model.forward).parameters
        self._has_segments = getattr(self.model.config, "type_vocab_size", 0) > 1 and "token_type_ids" in parameters
        # The argument is being renamed: transformers 5.40 takes only the new name.
        self._cache_name = "cache" if "cache" in parameters else "past_key_values"

    def tokenizer_options(self) -> dict[str, bool]:
        """Put contexts before the post that a bidirectional decoder-only model reads, and rewrite tweets."""
        return {"contexts_first": self._bidirectional, "normalize_tweets": self._normalize_tweets}

    def check(self, name: str) -> None:
        """Test whether a model that shall be bidirectional is causal, and then whether it reads in both directions."""
        if self._bidirectional:
            check_causal(self, name)
            self.model.config.is_causal = False  # what transformers builds the attention mask by
        super().check(name)

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Those of every subword encoder, without an attention kernel that is not part of torch."""
        arguments = super().checkpoint_arguments()
        if arguments["attn_implementation"] not in BUILT_IN_ATTENTION:
            arguments["attn_implementation"] = None
        return arguments

    @property
    def prefix_shape(self) -> tuple[int, int, int]:
        """Number of layers, number of heads and width of a head: the shape of a prefix."""
        config = self.model.config
        heads: int = config.num_attention_heads
        return config.num_hidden_layers, heads, config.hidden_size // heads

    def encode_with_prefix(self, batch: Batch, prefix: Prefix) -> TextFeatures:
        """Encode a batch with a prefix per post in every layer; see :func:`mner.text.prefix_probe.check_prefix`."""
        return self.pool(self.encode_subwords(batch, prefix=prefix), batch)

    def encode_subwords(self, batch: Batch, image: ImageFeatures | None = None, prefix: Prefix | None = None) -> Tensor:
        """Return the states of all subwords, shape ``(N, P, D)``; ``image`` is ignored."""
        segments = {"token_type_ids": batch.token_type_ids} if self._has_segments else {}
        mask, cache = batch.attention_mask, {}
        if prefix is not None:
            rows = prefix.of_rows(batch.post_of_row)
            mask = torch.cat([rows.mask.to(mask.dtype), mask], dim=1)
            cache = {self._cache_name: rows}
        output = self.model(input_ids=batch.input_ids, attention_mask=mask, **segments, **cache)
        pieces: Tensor = output.last_hidden_state
        return pieces.to(self.output_dtype)

    def _checkpoint_gradients(self) -> None:
        # Renamed in transformers 5; the old name warns.
        enable = getattr(self.model, "activation_checkpointing_enable", self.model.gradient_checkpointing_enable)
        try:
            enable({"use_reentrant": False})
        except ValueError as error:
            raise ConfigurationError(
                f"{type(self.model).__name__} does not support gradient checkpointing; set it to false"
            ) from error
