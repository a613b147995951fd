"""Dynamic and deterministic masking of subwords, vectorised over a batch."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor, nn

from mner.argument_types import check_range
from mner.batch import Batch
from mner.errors import ConfigurationError
from mner.text.pretrained import build_tokenizer
from mner.text.subword_encoder import SubwordEncoder

MASKED, REPLACED = 0.8, 0.1
"""Fractions of the chosen subwords that are masked, or replaced at random; the rest is unchanged."""
IGNORE_INDEX = -100
"""The target of all other subwords, which ``cross_entropy`` ignores."""


class SubwordMasking(nn.Module):
    """Masks a fraction of the subwords, of posts and contexts alike (Devlin et al. 2019, section 3.1).

    The masks are a function of uniform noise: in training it is drawn again in each step (dynamic masking), in
    validation it depends on the ids of the posts, so that epochs are comparable, whatever the batches and processes.

    Args:
        text_encoder: Its tokenizer defines the mask token and the special tokens, which are never masked.
        rate: Fraction of the other subwords to predict.
        whole_words: Choose whole words of the post or of its contexts.
        validation_seed: Seed of the validation masks.

    Raises:
        ConfigurationError: If the rate is not between 0 and 1, or the tokenizer has no mask.
    """

    ordinary_ids: Tensor
    is_ordinary: Tensor

    def __init__(
        self, text_encoder: SubwordEncoder, rate: float = 0.15, whole_words: bool = False, validation_seed: int = 0
    ) -> None:
        super().__init__()
        check_range("mask_rate", rate, "(0, 1)")
        tokenizer = build_tokenizer(text_encoder.architecture)
        if tokenizer.mask_token_id is None:
            raise ConfigurationError(
                "the text encoder's tokenizer has no mask token, so it was never pretrained by masked language "
                "modelling; choose an encoder that has one, such as BERT"
            )
        self.mask_id: int = tokenizer.mask_token_id
        self.rate = rate
        self.whole_words = whole_words
        self.validation_seed = validation_seed
        is_ordinary = torch.ones(text_encoder.model.config.vocab_size, dtype=torch.bool)
        is_ordinary[len(tokenizer) :] = False  # rows that pad the embedding table
        is_ordinary[tokenizer.all_special_ids] = False
        self.register_buffer("is_ordinary", is_ordinary, persistent=False)
        self.register_buffer("ordinary_ids", is_ordinary.nonzero()[:, 0], persistent=False)

    def forward(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Mask a batch.

        Args:
            batch: Posts as subwords.
            noise: Uniform in [0, 1), shape ``(N, P, 3)``: for the choice of subwords, for masking or replacement, and
                for the replacing subword.

        Returns:
            The masked subwords, and the targets, :data:`IGNORE_INDEX` elsewhere: both ``(N, P)``.
        """
        ids = batch.input_ids
        allowed = self.is_ordinary[ids] & batch.attention_mask.bool()
        choice = noise[..., 0]
        if self.whole_words:
            place = torch.arange(ids.shape[1], device=ids.device)
            choice = choice.gather(1, torch.where(batch.word_starts, place, 0).cummax(dim=1).values)
        chosen = allowed & (choice < self.rate)
        fate = noise[..., 1]
        other = (noise[..., 2] * len(self.ordinary_ids)).long().clamp(max=len(self.ordinary_ids) - 1)
        masked = ids.masked_fill(chosen & (fate < MASKED), self.mask_id)
        replaced = chosen & (fate >= MASKED) & (fate < MASKED + REPLACED)
        return torch.where(replaced, self.ordinary_ids[other], masked), ids.masked_fill(~chosen, IGNORE_INDEX)

    def training_noise(self, batch: Batch) -> Tensor:
        """Draw new noise in each call, shape ``(N, P, 3)``."""
        return torch.rand(*batch.input_ids.shape, 3, device=batch.input_ids.device)

    def validation_noise(self, batch: Batch) -> Tensor:
        """Draw noise that depends on a row's post, its window and the seed only, shape ``(N, P, 3)``."""
        length = batch.input_ids.shape[1]
        first = batch.first_row[batch.post_of_row]
        windows = (torch.arange(len(first), device=first.device) - first).tolist()
        names = (batch.posts[post].id for post in batch.post_of_row.tolist())
        rows = [
            torch.rand(length, 3, generator=torch.Generator().manual_seed(self._seed(name, window)))
            for name, window in zip(names, windows, strict=True)
        ]
        return torch.stack(rows).to(batch.input_ids.device)

    def _seed(self, name: str, window: int) -> int:
        return zlib.crc32(f"{self.validation_seed} {window} {name}".encode("utf-8", "replace"))
