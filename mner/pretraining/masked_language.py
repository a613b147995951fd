"""Masked language modelling on the task's own posts (paper 3.2, footnote 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from mner.batch import Batch
from mner.pretraining.base import OPTIMIZATION, Objective, PretrainingModule
from mner.text.subword_encoder import SubwordEncoder
from mner.training import Optimization


class MaskedLanguageModel(PretrainingModule):
    r"""Predicts hidden subwords from those around them, as BERT was pretrained (Devlin et al. 2019).

    .. math::
        \mathcal{L} = -\frac{1}{|M|} \sum_{i \in M} \log p(x_i \mid \tilde x), \qquad
        \mathrm{perplexity} = e^{\mathcal{L}}

    with :math:`M` the hidden pieces of the text :math:`x`, of posts and of the contexts that the data module puts
    behind them, and :math:`\tilde x` what is left to see.

    Args:
        text_encoder: The encoder to adapt. If its weights hold a language-model head, that is trained on, otherwise a
            new one; either is tied to the encoder's embeddings.
        mask_rate: Share of the subwords that are to be predicted; of these 80 % are masked, 10 % replaced.
        whole_words: Hide all pieces of a word or none.
        extra_posts: Files of further posts to train on, tagged or not: any format that mner reads, or one raw text a
            line.
        validation_seed: Of the validation's masks.
        optimization: Learning rates (``new_layer_lr`` is that of the heads), schedule, clipping, EMA.

    Raises:
        ConfigurationError: If the text encoder has no mask token, or a number is out of range.
    """

    monitor = ("val/perplexity", "min")

    def __init__(
        self,
        text_encoder: SubwordEncoder,
        mask_rate: float = 0.15,
        whole_words: bool = False,
        extra_posts: Sequence[str] | str = (),
        validation_seed: int = 0,
        optimization: Optimization = OPTIMIZATION,
    ) -> None:
        training = {
            "optimization": optimization,
        }
        super().__init__(
            ["masked_language"],
            text_encoder,
            None,
            mask_rate,
            whole_words,
            extra_posts,
            None,
            validation_seed,
            training,
        )

    def objectives(self, batch: Batch, noise: Tensor) -> dict[str, Objective]:
        """The hidden subwords, under the name ``masked_language``."""
        ids, targets = self.masking(batch, noise)
        states = self.text_encoder.encode_subwords(replace(batch, input_ids=ids))
        return {"masked_language": self.masked_language(states, targets)}
