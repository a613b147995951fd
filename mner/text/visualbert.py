"""VisualBERT as a text encoder: words and the regions of the image in one stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mner.batch import Batch, ImageFeatures
from mner.errors import ConfigurationError
from mner.text.base_model import BaseLoader
from mner.text.encoder import pool_words
from mner.text.joint_encoder import mean_attention, regions_of_rows
from mner.text.pretrained import load_model
from mner.text.region_encoder import RegionEncoder
from mner.weights import resolve_weights

BERT_TOKENIZER = "bert-base-uncased"
"""The tokenizer of the public VisualBERT models, which come without one."""
SHARED_SETTINGS = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"),
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "max_position_embeddings", "type_vocab_size"),
    *("initializer_range", "layer_norm_eps", "pad_token_id"),
)
"""Options that the configurations of VisualBERT and BERT have in common."""


class VisualBertText(RegionEncoder):
    """VisualBERT (Li et al. 2019; paper 3.2): one transformer over ``[subwords ; regions]``, a vector per word.

    A region is embedded as ``W r + visual position + visual type``, with position 0 and type 1 for every region (as in
    the paper's code). Words and regions attend to each other; nothing attends to a masked region. Only words are
    pooled. Without an image this is a BERT with VisualBERT's weights.

    Args:
        name: A VisualBERT (a name on a model hub, a folder, or ``pkg://package/folder``), such as
            ``uclanlp/visualbert-nlvr2-coco-pre`` for regions of 1024 or ``uclanlp/visualbert-vqa-coco-pre`` for regions
            of 2048. Or a BERT, whose weights are used, with new layers for the regions.
        tokenizer: Source of its tokenizer; by default ``name`` itself, or BERT's uncased one for a VisualBERT that
            comes without one.
        kwargs: Arguments of :class:`~mner.text.RegionEncoder`; the paper's code has ``pooling: first``.

    Raises:
        WeightsNotFoundError: If the weights or the tokenizer are neither on disk nor reachable.
        ConfigurationError: If the model is neither a VisualBERT nor a BERT, or the tokenizer does not fit it.
    """

    width_setting = "visual_embedding_dim"
    projection_name = "embeddings.visual_projection"

    def __init__(self, name: str, tokenizer: str | None = None, **kwargs: Any) -> None:
        self._tokenizer = tokenizer
        super().__init__(name, **kwargs)

    def base_loader(self, name: str) -> BaseLoader:
        """Return how a VisualBERT, or a BERT that becomes one, is loaded."""
        return BaseLoader(name, load_model, convert=self._as_visualbert)

    def tokenizer_name(self, name: str) -> str:
        """Return the name of the tokenizer: the one given, that of the model, or BERT's."""
        if self._tokenizer or self.from_text:
            return self._tokenizer or name
        source = resolve_weights(name)
        return name if isinstance(source, Path) and (source / "tokenizer.json").is_file() else BERT_TOKENIZER

    def encode_subwords(self, batch: Batch, image: ImageFeatures | None = None) -> Tensor:
        """Return the states of all subwords, with the regions in the same stream.

        Args:
            batch: B posts.
            image: Regions ``(B, R, V)``, or ``None`` to read only the text.

        Returns:
            Shape ``(N, P, D)``.
        """
        pieces: Tensor = self.model(**_inputs(batch, image)).last_hidden_state[:, : batch.input_ids.shape[1]]
        return pieces.to(self.output_dtype)

    def attention(self, batch: Batch, image: ImageFeatures) -> Tensor:
        """Compute the attention of each word to each region, averaged over its subwords, all heads and all layers.

        Returns:
            Shape ``(B, W, R)``; a word's weights on regions and on other words sum to one. Zero where a region is
            masked or a word is padding.
        """
        weights = mean_attention(self.model(**_inputs(batch, image), output_attentions=True).attentions)
        length = batch.input_ids.shape[1]
        return pool_words(weights[:, :length, length:], batch)

    def visual_layers(self) -> Iterator[nn.Module]:
        """Iterate over the embeddings of regions."""
        for name, module in self.model.embeddings.named_children():
            if name.startswith("visual_"):
                yield module

    def _as_visualbert(self, model: Any) -> Any:
        """Return a VisualBERT unchanged, and a BERT as a VisualBERT with its weights."""
        self.from_text = model.config.model_type != "visual_bert"
        return _from_bert(model) if self.from_text else model


def _inputs(batch: Batch, image: ImageFeatures | None) -> dict[str, Tensor]:
    """Build the inputs of ``transformers``' VisualBertModel, one row per encoder row.

    The mask of regions follows the padded text, so it is correct for rows of every length. Visual types (ones) and
    positions (zeros) are the model's own defaults.
    """
    inputs = {
        "input_ids": batch.input_ids,
        "attention_mask": batch.attention_mask,
        "token_type_ids": batch.token_type_ids,
    }
    if image is not None:
        regions, mask = regions_of_rows(batch, image)
        inputs |= {"visual_embeds": regions, "visual_attention_mask": mask.to(batch.attention_mask.dtype)}
    return inputs


def _from_bert(model: Any) -> Any:
    """Build a VisualBERT with the weights of a BERT.

    New visual type and position embeddings are initialised from those of the text (Li et al. 2019).
    """
    if model.config.model_type != "bert":
        raise ConfigurationError(
            f"expected a VisualBERT, or a BERT whose weights it can start from, got a {type(model).__name__}; "
            "for other encoders use HuggingFaceText"
        )
    from transformers import VisualBertConfig, VisualBertModel

    visual = VisualBertModel(VisualBertConfig(**{name: getattr(model.config, name) for name in SHARED_SETTINGS}))
    visual.load_state_dict({**visual.state_dict(), **model.state_dict()}, assign=True)  # shares the tensors
    embeddings = visual.embeddings
    with torch.no_grad():
        embeddings.visual_token_type_embeddings.weight.copy_(embeddings.token_type_embeddings.weight)
        embeddings.visual_position_embeddings.weight.copy_(embeddings.position_embeddings.weight)
    return visual
