"""The paper's captioner, BUTD: bottom-up regions, top-down attention, captions word by word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from pytorch_lightning import Callback
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LinearLR

from mner.argument_types import check_range
from mner.batch import ImageFeatures, moved
from mner.callbacks.divergence_stop import DivergenceStop
from mner.checkpoints import SelfContained
from mner.contexts.captioner import Captioner
from mner.contexts.updown.beam_search import State, beam_search
from mner.contexts.updown.top_down_decoder import TopDownDecoder
from mner.contexts.updown.vocabulary import END, START, UNKNOWN, Vocabulary
from mner.errors import ConfigurationError
from mner.vision.encoder import ImageEncoder
from mner.vision.registry import as_image_encoder

MAX_BEAMS = 1000
MAX_LENGTH = 1000


class UpDown(Captioner, SelfContained):
    """Bottom-up and top-down attention (Anderson et al. 2018; the captions of section 3.1 of the paper).

    Trained by cross-entropy with :class:`~mner.contexts.updown.training_data.CaptionData`. Its checkpoints contain the
    image encoder too: ``mner caption --captioner updown.ckpt`` needs nothing else.

    Args:
        words: The words that it can generate, from :func:`~mner.contexts.common_words`.
        image_encoder: A frozen detector (bottom-up) or grid encoder, or its name in the registry.
        embedding_size: Width of a word vector.
        hidden_size: Width of both LSTMs.
        attention_size: Width of the attention.
        dropout: Dropout rate of word vectors and outputs.
        lr: Learning rate of AdamW, falling linearly to zero.
        num_beams: Number of beams in the search for a caption.
        max_length: Maximum number of words per caption.

    Raises:
        ConfigurationError: If the image encoder is trained, the words are not distinct, or a number is out of range.
    """

    def __init__(
        self,
        words: list[str],
        image_encoder: ImageEncoder | str = "faster_rcnn",
        embedding_size: int = 1000,
        hidden_size: int = 1000,
        attention_size: int = 512,
        dropout: float = 0.5,
        lr: float = 5e-4,
        num_beams: int = 5,
        max_length: int = 20,
    ) -> None:
        super().__init__()
        encoder = as_image_encoder(image_encoder)
        if not encoder.frozen:
            raise ConfigurationError(
                f"{type(encoder).__name__} is trained, but a captioner learns from fixed features; "
                "freeze it (trainable_stages: 0)"
            )
        if not (1 <= num_beams <= MAX_BEAMS and 1 <= max_length <= MAX_LENGTH):
            raise ConfigurationError(
                f"expected 1 to {MAX_BEAMS} beams and a max_length of 1 to {MAX_LENGTH}, "
                f"got {num_beams} and {max_length}"
            )
        check_range("embedding_size", embedding_size, "[1, inf)")
        check_range("hidden_size", hidden_size, "[1, inf)")
        check_range("attention_size", attention_size, "[1, inf)")
        check_range("dropout", dropout, "[0, 1)")
        check_range("lr", lr, "[0, inf)")
        self.vocabulary = Vocabulary(words)
        self.image_encoder = encoder
        self.decoder = TopDownDecoder(
            len(self.vocabulary), encoder.hidden_size, embedding_size, hidden_size, attention_size, dropout
        )
        self.lr = lr
        self.num_beams = num_beams
        self.max_length = max_length

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Add the image encoder as it was built to the arguments."""
        return {**super().checkpoint_arguments(), "image_encoder": self.image_encoder}

    def try_out(self) -> Tensor:
        """Caption a blank image, and return its features."""
        pixels = self.image_encoder.image_transform.collate([self.transform(Image.new("RGB", (64, 64)))])
        image: ImageFeatures = self.image_encoder(pixels, torch.ones(1, dtype=torch.bool))
        self.captions(image)
        return image.regions

    def transform(self, image: Image.Image) -> Tensor:
        """Transform an image for the image encoder."""
        return self.image_encoder.image_transform(image)

    @torch.no_grad()
    def describe(self, images: Sequence[Tensor]) -> list[dict[str, Any]]:
        """Encode and caption B transformed images."""
        pixels = moved(self.image_encoder.image_transform.collate(images), self.device)
        features = self.image_encoder(pixels, torch.ones(len(images), dtype=torch.bool))
        return [{self.kind: caption} for caption in self.captions(features)]

    @torch.no_grad()
    def captions(self, image: ImageFeatures) -> list[str]:
        """Caption B images from their features by beam search.

        As in the paper, no word is repeated directly. The unknown word is never generated.
        """
        regions = self.decoder.look(image)

        def step(words: Tensor, state: State) -> tuple[Tensor, State]:
            scores, lstms = self.decoder.step(words, state[:4], state[4:])  # type: ignore[arg-type]
            never = torch.zeros_like(scores, dtype=torch.bool).scatter(1, words[:, None], True)
            never[:, END] = False
            never[:, [START, UNKNOWN]] = True
            return scores.log_softmax(dim=-1).masked_fill(never, -torch.inf), (*lstms, *state[4:])

        state = (*self.decoder.initial_states(regions), *regions)
        best, _ = beam_search(step, state, START, END, self.num_beams, self.max_length)
        return [self.vocabulary.decode(row) for row in best.tolist()]

    def loss(self, image: ImageFeatures, words: Tensor) -> Tensor:
        """Compute the mean cross-entropy of the words and the end of B captions.

        Args:
            image: Features of the images.
            words: From :meth:`Vocabulary.encode`, shape ``(B, T)``.
        """
        before = nn.functional.pad(words[:, :-1], (1, 0), value=START)
        scores = self.decoder(image, before)
        targets = words.masked_fill((before == END).cumsum(dim=1) > 0, -100)
        return nn.functional.cross_entropy(scores.flatten(0, 1), targets.flatten())

    def training_step(self, batch: tuple[ImageFeatures, Tensor], batch_idx: int) -> Tensor:
        """One step of teacher forcing."""
        loss = self.loss(*batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch[1]))
        return loss

    def validation_step(self, batch: tuple[ImageFeatures, Tensor], batch_idx: int) -> None:
        """Log ``val/loss``."""
        self.log("val/loss", self.loss(*batch), prog_bar=True, batch_size=len(batch[1]), sync_dist=True)

    def configure_callbacks(self) -> list[Callback]:
        """Return a stop at divergence."""
        return [DivergenceStop()]

    def configure_optimizers(self) -> Any:
        """AdamW on the decoder, its learning rate falling linearly to zero."""
        optimizer = AdamW(self.decoder.parameters(), lr=self.lr)
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        schedule = LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
