"""ModernVBERT as a text encoder: words and the patches of the image in one sequence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mner.batch import Batch, ImageFeatures
from mner.errors import ConfigurationError
from mner.text.base_model import BaseLoader
from mner.text.encoder import pool_words
from mner.text.joint_encoder import JointEncoder, mean_attention, regions_of_rows
from mner.text.modernvbert_patches import ModernVBertPatches
from mner.text.pretrained import load_model
from mner.vision.encoder import ImageEncoder

BEFORE, AFTER = ("<fake_token_around_image>", "<global-img>"), ("<fake_token_around_image>",)
"""The tokens around an image in pretraining."""
PATCH = "<image>"
"""The token of a patch."""
KERNEL = "sdpa"
"""The attention kernel; only ``eager`` returns its weights."""


class ModernVBertText(JointEncoder):
    """ModernVBERT (Teiletche et al. 2025): a ModernBERT that was pretrained on text with images.

    The image is one sequence with the subwords, as in pretraining: ``[CLS] <image> subwords [SEP]``, where ``<image>``
    is the patches between the special tokens for images. In every row the padding comes last, so that the local layers
    see the same neighbours in every batch. A post without an image has no image tokens: it is read by ModernBERT.

    The patches are those of its own vision part, :class:`~mner.text.ModernVBertPatches`, which a fusion builds where
    no image encoder is given.

    Args:
        name: A ModernVBERT (a name on a model hub, a folder, or ``pkg://package/folder``), such as
            ``ModernVBERT/modernvbert``.
        kwargs: Other arguments of :class:`~mner.text.JointEncoder`.

    Raises:
        WeightsNotFoundError: If the weights or the tokenizer are neither on disk nor reachable.
        ConfigurationError: If the model is not a ModernVBERT, or the tokenizer does not fit it.
    """

    is_whole = False

    def base_loader(self, name: str) -> BaseLoader:
        """Return how the text part of a ModernVBERT is loaded."""
        return BaseLoader(name, _load_text_part, attn_implementation=KERNEL)

    def prepare(self, tokenizer: Any, architecture: dict[str, Any] | None) -> None:
        """Look up the tokens around an image, and its place; spelled out in a post, they are text."""
        vocabulary = tokenizer.get_vocab()
        tokenizer.add_tokens([token for token in (*BEFORE, PATCH) if token in vocabulary], special_tokens=True)
        for place, tokens in (("before", BEFORE), ("after", AFTER)):
            ids = [vocabulary[token] for token in tokens if token in vocabulary]
            self.register_buffer(f"_{place}_image", torch.tensor(ids, dtype=torch.long), persistent=False)
        self._image_place = 0 if tokenizer.cls_token is None else 1

    def own_image_encoder(self) -> ImageEncoder | None:
        """Build its vision part, frozen; ``None`` for an encoder of a checkpoint, which contains its own."""
        return None if self.source is None else ModernVBertPatches(self.source)

    def accept_images(self, image_encoder: ImageEncoder) -> None:
        """Check that the regions are those of ModernVBERT's vision part.

        Raises:
            ConfigurationError: If they are of another encoder.
        """
        if not isinstance(image_encoder, ModernVBertPatches) or image_encoder.hidden_size != self.hidden_size:
            raise ConfigurationError(
                "ModernVBERT reads the patches of its own vision part, got the image encoder "
                f"{type(image_encoder).__name__} with regions {image_encoder.hidden_size} wide; leave image_encoder "
                "out, or give a ModernVBertPatches of the same model"
            )
        self.not_exported_because = "with images, its graph would be for a fixed number of posts"

    def encode_subwords(self, batch: Batch, image: ImageFeatures | None = None) -> Tensor:
        """Return the states of all subwords, with the patches in the same sequence.

        Args:
            batch: B posts.
            image: Patches ``(B, R, D)``, or ``None`` to read only the text.

        Returns:
            Shape ``(N, P, D)``.
        """
        if image is None:
            states: Tensor = self.model(batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
            return states.to(self.output_dtype)
        inputs, order = self._sequence(batch, image)
        states = self.model(**inputs).last_hidden_state.to(self.output_dtype)
        place = order.argsort(dim=1)[:, : batch.input_ids.shape[1], None]
        return torch.take_along_dim(states, place, dim=1)

    def attention(self, batch: Batch, image: ImageFeatures) -> Tensor:
        """Compute the attention of each word to each patch, averaged over its subwords, all heads and all layers.

        Returns:
            Shape ``(B, W, R)``; a word's weights on patches and on other positions sum to one. Zero where a patch is
            masked or a word is padding.
        """
        inputs, order = self._sequence(batch, image)
        self.model.set_attn_implementation("eager")
        try:
            weights = mean_attention(self.model(**inputs, output_attentions=True).attentions)
        finally:
            self.model.set_attn_implementation(KERNEL)
        place, length = order.argsort(dim=1), batch.input_ids.shape[1]
        start = length + len(self.get_buffer("_before_image"))
        patches = place[:, start : start + image.mask.shape[1]]
        of_subwords = torch.take_along_dim(weights, place[:, :length, None], dim=1)
        on_patches = torch.take_along_dim(of_subwords, patches[:, None], dim=2)
        return pool_words(on_patches * image.mask[batch.post_of_row, None], batch)

    def _sequence(self, batch: Batch, image: ImageFeatures) -> tuple[dict[str, Tensor], Tensor]:
        """Insert the image of each row after ``[CLS]``, and move masked positions to its end.

        Returns:
            The inputs of ``transformers``' model; and for each position of its rows the index of its content among
            subwords, tokens before the image, patches and tokens after it, in this order, shape ``(N, S)``.
        """
        rows, length = batch.input_ids.shape
        regions, patches = regions_of_rows(batch, image)
        embed = self.model.get_input_embeddings()
        around = [embed(self.get_buffer(f"_{place}_image")).expand(rows, -1, -1) for place in ("before", "after")]
        embedded = embed(batch.input_ids)
        parts = [embedded, around[0], regions.to(embedded.dtype), around[1]]
        present = patches.any(dim=1, keepdim=True)
        sizes = [part.shape[1] for part in parts]
        real = torch.cat(
            [batch.attention_mask.bool(), present.expand(-1, sizes[1]), patches, present.expand(-1, sizes[3])], dim=1
        )
        # Ranks: [CLS], the image, the other subwords; a stable sort keeps the order within each.
        rank = torch.ones(sum(sizes), dtype=torch.long, device=patches.device)
        rank[: self._image_place] = 0
        rank[self._image_place : length] = 2
        order = torch.where(real, rank, 3).argsort(dim=1, stable=True)
        inputs = {
            "inputs_embeds": torch.take_along_dim(torch.cat(parts, dim=1), order[..., None], dim=1),
            "attention_mask": torch.take_along_dim(real, order, dim=1).to(batch.attention_mask.dtype),
        }
        return inputs, order


def _load_text_part(name: str, revision: str | None) -> Any:
    return load_model(name, revision, KERNEL, joint="modernvbert").text_model
