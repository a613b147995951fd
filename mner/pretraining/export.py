"""Writing an encoder as a folder in Hugging Face's own format."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mner.errors import DataError
from mner.pretraining.language_head import LanguageModelHead, head_names, language_model_class
from mner.text.huggingface import build_tokenizer, quiet_loading
from mner.text.piece_encoder import PieceEncoder


def export_encoder(text_encoder: PieceEncoder, head: LanguageModelHead | None, folder: str | Path) -> Path:
    """Write configuration, tokenizer and weights; the head with them, where the architecture has a place for it.

    The folder is there as a whole or not at all.

    Args:
        text_encoder: The encoder.
        head: Its language-model head, or ``None`` to write the encoder alone.
        folder: Where to; ``name`` of a ``HuggingFaceText`` or ``VisualBertText`` afterwards.

    Returns:
        The folder.

    Raises:
        DataError: If the folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise DataError(f"{folder} exists already; give another folder, or delete it")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with quiet_loading():
        _whole(text_encoder, head).save_pretrained(unfinished)
        build_tokenizer(text_encoder.architecture).save_pretrained(unfinished)
    return unfinished.rename(folder)


def _whole(text_encoder: PieceEncoder, head: LanguageModelHead | None) -> Any:
    """The language model of encoder and head; the encoder alone where the architecture has no head of this form."""
    encoder = text_encoder.model
    cls = language_model_class(encoder.config)
    if cls is None or head is None:
        return encoder
    build = getattr(cls, "from_config", cls)
    model = build(encoder.config)
    names = head_names(model)
    weights = head.state_dict()
    if set(names.values()) != weights.keys():
        return encoder
    setattr(model, model.base_model_prefix, encoder)
    model.load_state_dict({name: weights[own] for name, own in names.items()}, strict=False)
    model.tie_weights()
    return model
