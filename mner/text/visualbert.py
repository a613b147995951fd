"""VisualBERT as a text encoder: words and the regions of the image in one stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mner.batch import Batch, ImageFeatures
from mner.errors import ConfigurationError
from mner.text.encoder import pool_words
from mner.text.pretrained import build_untrained, describe, load_model, load_tokenizer
from mner.text.probe import check_encoder, check_vocabulary
from mner.text.subword_encoder import SubwordEncoder
from mner.text.subword_factory import subword_tokenizer
from mner.weights import resolve_weights

BERT_TOKENIZER = "bert-base-uncased"
"""The tokenizer of the public VisualBERTs, which bring none."""
SHARED_SETTINGS = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"),
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "max_position_embeddings", "type_vocab_size"),
    *("initializer_range", "layer_norm_eps", "pad_token_id"),
)
"""What a VisualBERT's configuration has in common with a BERT's."""


class VisualBertText(SubwordEncoder):
    """VisualBERT (Li et al. 2019; paper 3.2): one transformer over ``[subwords ; regions]``, one vector a word.

    A region enters as ``W r + visual position + visual type``, the position that of index 0 for every region and the
    type that of index 1 (the paper's code). Words and regions attend to each other; a region that is masked is
    attended to by nothing. Words alone are pooled. Without an image this is a BERT with VisualBERT's weights.

    A fusion that hands regions over calls :meth:`accept_regions` in its constructor; until then the layers that only
    regions use are not trained.

    Args:
        name: A VisualBERT (a model hub's name, a folder, or ``pkg://package/folder``), such as
            ``uclanlp/visualbert-nlvr2-coco-pre`` for regions of 1024 or ``uclanlp/visualbert-vqa-coco-pre`` for regions
            of 2048. Or a BERT, whose weights are taken over, the layers for regions being new.
        tokenizer: Where its tokenizer is; by default ``name`` itself, or BERT's uncased one for a VisualBERT that
            brings none.
        new_projection: Learn the projection of regions anew where theirs is not the width that a pretrained VisualBERT
            takes; otherwise such regions are refused. A BERT has none to lose. A new projection is trained at the rate
            of new layers.
        pooling: A word's vector is the ``mean`` of its pieces, or its ``first`` piece as in the paper's code.
        max_length: Most subwords a row, regions not counted; by default what the model allows.
        on_long_post: ``window`` reads a post that does not fit in overlapping windows, each with all regions;
            ``error`` refuses it.
        freeze_embeddings: Keep the subword embeddings as they were pretrained.
        architecture: Filled in when a checkpoint is saved, so that it can be loaded without the weights' source;
            leave it out.

    Raises:
        WeightsNotFoundError: If the weights or the tokenizer are neither on disk nor reachable.
        ConfigurationError: If the model is neither a VisualBERT nor a BERT, or the tokenizer does not fit it.
    """

    def __init__(
        self,
        name: str,
        tokenizer: str | None = None,
        new_projection: bool = False,
        pooling: Literal["mean", "first"] = "mean",
        max_length: int | None = None,
        on_long_post: Literal["window", "error"] = "window",
        freeze_embeddings: bool = False,
        architecture: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name if architecture is None else None)
        if architecture is None:
            model = load_model(name)
            pieces = load_tokenizer(tokenizer or _tokenizer_of(name, model))
        else:
            model, pieces = build_untrained(architecture)
        from_bert = model.config.model_type == "bert"
        self._new_projection = new_projection
        self._projection_may_change = new_projection or from_bert
        self._projection_is_new = from_bert or (new_projection and architecture is not None)
        self.model = _as_visualbert(model)
        self.model.train()
        self.architecture = describe(self.model, pieces)
        self.model.pooler = None  # its output is not used, and unused parameters stop distributed training
        if architecture is None:
            check_vocabulary(pieces, self.model, name)
        self.hidden_size: int = self.model.config.hidden_size
        self.subword_tokenizer = subword_tokenizer(pieces, self.model, pooling, max_length, on_long_post)
        if architecture is None:
            check_encoder(self, name)
        if freeze_embeddings:
            self.model.get_input_embeddings().weight.requires_grad_(False)
        self._train_visual_layers(False)

    @property
    def region_size(self) -> int:
        """The width of a region that it takes (V)."""
        size: int = self.model.config.visual_embedding_dim
        return size

    def accept_regions(self, size: int) -> None:
        """Prepare for regions, and let the layers that they use be trained; for a fusion's constructor.

        Args:
            size: Width of a region (V): the image encoder's ``hidden_size``.

        Raises:
            ConfigurationError: If the pretrained projection takes another width and may not be replaced.
        """
        if size != self.region_size:
            if not self._projection_may_change:
                raise ConfigurationError(
                    f"expected regions {self.region_size} wide, which this VisualBERT was pretrained on, got an image "
                    f"encoder whose regions are {size} wide; choose another of the two, or set new_projection: true "
                    "to learn their projection anew"
                )
            projection = nn.Linear(size, self.hidden_size)
            nn.init.normal_(projection.weight, std=self.model.config.initializer_range)
            nn.init.zeros_(projection.bias)
            self.model.embeddings.visual_projection = projection
            self.model.config.visual_embedding_dim = size
            self.architecture["config"]["visual_embedding_dim"] = size
            self._projection_is_new = True
        self._new_projection = self._projection_is_new
        self._train_visual_layers(True)

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Those of every subword encoder, and whether the projection of regions is a new one."""
        return {**super().checkpoint_arguments(), "new_projection": self._new_projection}

    @property
    def new_layers(self) -> list[nn.Module]:
        """The projection of regions, where no pretrained VisualBERT has brought one."""
        return [self.model.embeddings.visual_projection] if self._projection_is_new else []

    def encode_subwords(self, batch: Batch, image: ImageFeatures | None = None) -> Tensor:
        """The states of all subwords, the regions being in the same stream.

        Args:
            batch: B posts.
            image: Regions ``(B, R, V)``, or ``None`` to read the text alone.

        Returns:
            Shape ``(N, P, D)``.
        """
        pieces: Tensor = self.model(**_inputs(batch, image)).last_hidden_state[:, : batch.input_ids.shape[1]]
        return pieces.to(self.output_dtype)

    def attention(self, batch: Batch, image: ImageFeatures) -> Tensor:
        """How much each word attends to each region, the mean over its pieces, all heads and all layers.

        Returns:
            Shape ``(B, W, R)``; a word's weights and what it gives to other words sum to one. Zero where a region is
            masked or a word is padding.
        """
        layers = self.model(**_inputs(batch, image), output_attentions=True).attentions
        mean = torch.stack([layer.mean(dim=1) for layer in layers]).mean(dim=0)
        length = batch.input_ids.shape[1]
        return pool_words(mean[:, :length, length:], batch)

    def _train_visual_layers(self, train: bool) -> None:
        for name, module in self.model.embeddings.named_children():
            if name.startswith("visual_"):
                module.requires_grad_(train)


def _inputs(batch: Batch, image: ImageFeatures | None) -> dict[str, Tensor]:
    """The inputs of ``transformers``' VisualBertModel, one row an encoder row.

    The mask of regions follows the padded text, so it is right for rows of every length. Visual types (ones) and
    positions (zeros) are the model's own defaults.
    """
    inputs = {
        "input_ids": batch.input_ids,
        "attention_mask": batch.attention_mask,
        "token_type_ids": batch.token_type_ids,
    }
    if image is not None:
        mask = image.mask[batch.post_of_row]
        # A weight of zero on a region does not silence one that holds nan.
        regions = image.regions[batch.post_of_row].masked_fill(~mask[..., None], 0.0)
        inputs |= {"visual_embeds": regions, "visual_attention_mask": mask.to(batch.attention_mask.dtype)}
    return inputs


def _tokenizer_of(name: str, model: Any) -> str:
    source = resolve_weights(name)
    brings_none = not (isinstance(source, Path) and (source / "tokenizer.json").is_file())
    return BERT_TOKENIZER if model.config.model_type == "visual_bert" and brings_none else name


def _as_visualbert(model: Any) -> Any:
    """A VisualBERT as it is; of a BERT, a VisualBERT with its weights.

    New visual types and positions start as those of the text (Li et al. 2019).
    """
    if model.config.model_type == "visual_bert":
        return model
    if model.config.model_type != "bert":
        raise ConfigurationError(
            f"expected a VisualBERT, or a BERT whose weights it can start from, got a {type(model).__name__}; "
            "for other encoders use HuggingFaceText"
        )
    from transformers import VisualBertConfig, VisualBertModel

    visual = VisualBertModel(VisualBertConfig(**{name: getattr(model.config, name) for name in SHARED_SETTINGS}))
    visual.load_state_dict({**visual.state_dict(), **model.state_dict()})
    embeddings = visual.embeddings
    with torch.no_grad():
        embeddings.visual_token_type_embeddings.weight.copy_(embeddings.token_type_embeddings.weight)
        embeddings.visual_position_embeddings.weight.copy_(embeddings.position_embeddings.weight)
    return visual
