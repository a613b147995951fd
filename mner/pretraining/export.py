"""Exporting an encoder as a folder in Hugging Face's format."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

from mner.errors import DataError
from mner.paths import is_there
from mner.pretraining.language_head import LanguageModelHead, head_names, language_model_class
from mner.pretraining.sentence_image_head import SentenceImageHead
from mner.text.pretrained import build_tokenizer, quiet_loading
from mner.text.subword_encoder import SubwordEncoder


def export_encoder(
    text_encoder: SubwordEncoder,
    head: LanguageModelHead | None,
    folder: str | Path,
    match: SentenceImageHead | None = None,
) -> Path:
    """Write configuration, tokenizer and weights, and the heads where the architecture has them.

    The folder appears complete or not at all.

    Args:
        text_encoder: The encoder.
        head: Its language-model head, or ``None`` to write only the encoder.
        folder: The folder to create, the ``name`` for a ``HuggingFaceText`` or ``VisualBertText``.
        match: A VisualBERT's sentence-image head, if it has one.

    Returns:
        The folder.

    Raises:
        DataError: If the folder exists.
    """
    folder = Path(folder)
    if is_there(folder):
        raise DataError(f"{folder} already exists; give another folder, or delete it")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    model = _whole(text_encoder, head, match)
    untrained = (
        *(() if head else ("cls.predictions.",)),
        *(() if match else ("cls.seq_relationship.", "visual_bert.pooler.")),
    )
    weights = {name: value for name, value in model.state_dict().items() if not name.startswith(untrained)}
    with quiet_loading():
        model.save_pretrained(unfinished, state_dict=weights)
        build_tokenizer(text_encoder.architecture).save_pretrained(unfinished)
    return unfinished.rename(folder)


def _whole(text_encoder: SubwordEncoder, head: LanguageModelHead | None, match: SentenceImageHead | None) -> Any:
    """Assemble encoder and heads; return only the encoder where the architecture has no such heads."""
    encoder = text_encoder.merged_model()
    cls = language_model_class(encoder.config)
    if cls is None or (head is None and match is None):
        return encoder
    config = copy.deepcopy(encoder.config)
    config.tie_word_embeddings = True
    model = getattr(cls, "from_config", cls)(config)
    names = head_names(model)
    weights = {} if head is None else head.state_dict()
    if head is not None and set(names.values()) != weights.keys():
        return encoder
    model.base_model.load_state_dict(encoder.state_dict(), strict=False)  # it may have a pooler, ours has none
    model.load_state_dict({name: weights[own] for name, own in names.items() if own in weights}, strict=False)
    if match is not None:
        match.write(model)
    model.tie_weights()
    return model
