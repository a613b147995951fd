"""Masked language modelling on the task's own posts (paper 3.2, footnote 1)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mner.batch import Batch
from mner.pretraining.base import OPTIMIZATION, Objective, PretrainingModule
from mner.text.subword_encoder import SubwordEncoder
from mner.training import Optimization
from mner.word_tokenizers import WordTokenizer


class MaskedLanguageModel(PretrainingModule):
    r"""Predicts masked subwords from those around them, as BERT was pretrained (Devlin et al. 2019).

    .. math::
        \mathcal{L} = -\frac{1}{|M|} \sum_{i \in M} \log p(x_i \mid \tilde x), \qquad
        \mathrm{perplexity} = e^{\mathcal{L}}

    with :math:`M` the masked subwords of the text :math:`x`, the post followed by its contexts, and :math:`\tilde x`
    the masked text.

    Args:
        text_encoder: The encoder to adapt. If its weights contain a language-model head, that is trained further,
            otherwise a new one; either is tied to the encoder's embeddings.
        mask_rate: Fraction of the subwords to predict; of these 80% are masked, 10% replaced.
        whole_words: Mask all subwords of a word or none (whole-word masking).
        validation_seed: Seed of the validation masks.
        optimization: Learning rates (``new_layer_lr`` is that of the heads), schedule, clipping, EMA.
        contexts: Kinds of context that the model reads after the post; the command line takes them from the data.
        word_tokenizer: Splits raw text into words; the command line takes it from the data.

    Raises:
        ConfigurationError: If the text encoder has no mask token, or a number is out of range.
    """

    monitor = ("val/perplexity", "min")

    def __init__(
        self,
        text_encoder: SubwordEncoder,
        mask_rate: float = 0.15,
        whole_words: bool = False,
        validation_seed: int = 0,
        optimization: Optimization = OPTIMIZATION,
        contexts: Sequence[str] = (),
        word_tokenizer: WordTokenizer | None = None,
    ) -> None:
        training = {"optimization": optimization, "contexts": contexts, "word_tokenizer": word_tokenizer}
        super().__init__(
            ["masked_language"],
            text_encoder,
            None,
            mask_rate,
            whole_words,
            validation_seed,
            training,
        )

    def objectives(self, batch: Batch, noise: Tensor) -> dict[str, Objective]:
        """Predict the masked subwords, under the name ``masked_language``."""
        ids, targets = self.masking(batch, noise)
        states = self.text_encoder.encode_subwords(batch.replace(input_ids=ids))
        return {"masked_language": self.masked_language(states, targets)}
