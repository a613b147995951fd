"""Pre-training of VisualBERT: image-conditioned masked language modelling and sentence-image prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast

from torch import Tensor
from torch.nn import functional

from mner.batch import Batch
from mner.errors import ConfigurationError
from mner.preprocessor import MAX_IMAGES
from mner.pretraining.base import OPTIMIZATION, Objective, PretrainingModule
from mner.pretraining.captions import ANOTHERS, OWN, UNKNOWN, CaptionedBatch, CaptionPreprocessor
from mner.pretraining.export import export_encoder
from mner.pretraining.masking import IGNORE_INDEX
from mner.pretraining.sentence_image_head import SentenceImageHead
from mner.text.visualbert import VisualBertText
from mner.training import Optimization
from mner.vision.encoder import ImageEncoder
from mner.word_tokenizers import WordTokenizer


class VisualLanguageModel(PretrainingModule):
    r"""The two objectives of VisualBERT (Li et al. 2019; paper 3.2), both or only one of them.

    * ``masked_language``: masked subwords are predicted from the other subwords and the regions of the image.
    * ``sentence_image``: the encoder reads two captions with an image, the first its own, the second its own or, in
      half of the cases, another image's. Which of the two is predicted from the state of ``[CLS]``,
      :math:`p = \sigma(w^\top \tanh(W h + b) + c)`.

    A post and its image were published together, so the post's words are the first caption; the second is the caption
    among its contexts. Two captions from the same source would not work where an image has only one: a repeated caption
    can be recognised without the image. The words of a replaced caption are masked but not predicted, since they do
    not depend on this image.

    Args:
        text_encoder: The encoder to adapt. If its weights contain a language-model or sentence-image head, these are
            trained further, otherwise new ones.
        image_encoder: Images to regions: a part, or a name from ``mner.vision.registry``.
        masked_language: Use the first objective.
        sentence_image: Use the second objective; posts without an image or a caption are excluded from it.
        caption: The kind of context that is the caption.
        mask_rate: Fraction of the subwords to predict; of these 80% are masked, 10% replaced.
        whole_words: Mask all subwords of a word or none (whole-word masking).
        validation_seed: Seed of the validation masks.
        optimization: Learning rates (``new_layer_lr`` is that of the heads), schedule, clipping, EMA.
        contexts: Kinds of context that the model reads after the post; the command line takes them from the data.
        word_tokenizer: Splits raw text into words; the command line takes it from the data.
        on_bad_image: ``mask`` leaves an image out that cannot be used; ``error`` stops.
        max_images: Maximum number of images per post, the first ones; their regions are concatenated.

    Raises:
        ConfigurationError: If there is no objective, or the parts are incompatible.
    """

    monitor = ("val/loss", "min")
    text_encoder: VisualBertText

    def __init__(
        self,
        text_encoder: VisualBertText,
        image_encoder: ImageEncoder | str,
        masked_language: bool = True,
        sentence_image: bool = True,
        caption: str = "caption",
        mask_rate: float = 0.15,
        whole_words: bool = False,
        validation_seed: int = 0,
        optimization: Optimization = OPTIMIZATION,
        contexts: Sequence[str] = (),
        word_tokenizer: WordTokenizer | None = None,
        on_bad_image: Literal["mask", "error"] = "mask",
        max_images: int = MAX_IMAGES,
    ) -> None:
        names = [
            name for name, used in (("masked_language", masked_language), ("sentence_image", sentence_image)) if used
        ]
        if not names:
            raise ConfigurationError("expected masked_language or sentence_image or both, got neither; set one to true")
        training = {
            "optimization": optimization,
            "contexts": contexts,
            "word_tokenizer": word_tokenizer,
            "on_bad_image": on_bad_image,
            "max_images": max_images,
        }
        super().__init__(
            names,
            text_encoder,
            image_encoder,
            mask_rate,
            whole_words,
            validation_seed,
            training,
        )
        text_encoder.accept_images(cast("ImageEncoder", self.image_encoder))
        self.head.requires_grad_(masked_language)
        self.caption = caption
        self.match = SentenceImageHead(text_encoder.hidden_size) if sentence_image else None
        self.match_is_pretrained = self.match is not None and self.match.load(text_encoder)
        if sentence_image:
            self.preprocessor = CaptionPreprocessor(caption, **self.preprocessing())

    def export(self, folder: str | Path) -> Path:
        """Write the encoder and its trained heads, as a ``VisualBertForPreTraining``.

        Args:
            folder: The folder to create.

        Raises:
            DataError: If the folder exists.
        """
        head = self.head if "masked_language" in self.names else None
        return export_encoder(self.text_encoder, head, folder, self.match)

    def objectives(self, batch: Batch, noise: Tensor) -> dict[str, Objective]:
        """Predict the masked subwords and the captions, under the names of the objectives in use."""
        found = {}
        image = self.encode_image(batch)
        caption_of = batch.caption_of if isinstance(batch, CaptionedBatch) else None
        if "masked_language" in self.names:
            ids, targets = self.masking(batch, noise)
            if caption_of is not None:  # masked all the same, or a mask would reveal an own caption
                anothers = (caption_of == ANOTHERS)[batch.post_of_row, None] & (batch.token_type_ids == 1)
                targets = targets.masked_fill(anothers, IGNORE_INDEX)
            states = self.text_encoder.encode_subwords(batch.replace(input_ids=ids), image)
            found["masked_language"] = self.masked_language(states, targets)
        else:
            states = self.text_encoder.encode_subwords(batch, image)
        if self.match is not None and caption_of is not None:
            scores = self.match(states[batch.first_row, 0])
            takes_part = image.present & (caption_of != UNKNOWN)
            is_own = caption_of == OWN
            losses = functional.binary_cross_entropy_with_logits(scores, is_own.to(scores.dtype), reduction="none")
            found["sentence_image"] = Objective(
                losses.masked_fill(~takes_part, 0.0).sum(),
                (takes_part & ((scores > 0) == is_own)).sum(),
                takes_part.sum(),
            )
        return found
