"""The language-model head of BERT: from a subword's state to a score for every subword of the vocabulary."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mner.text.pretrained import quiet_loading
from mner.text.subword_encoder import SubwordEncoder
from mner.weights import resolve_weights

NAMES = {
    r"(?:transform|(?:lm_)?head|(?:generator_)?predictions)\.dense\.(weight|bias)": "dense",
    r"vocab_transform\.(weight|bias)": "dense",
    r"(?:LayerNorm|layer_norm|vocab_layer_norm|head\.norm)\.(weight|bias)": "norm",
    r"(?:predictions|lm_head|vocab_projector|generator_lm_head|(?<!\.)decoder)\.(bias)": "",
}
"""Names of the head's weights in BERT-like language models (BERT, RoBERTa, DistilBERT, ELECTRA, ModernBERT, ...)."""


class LanguageModelHead(nn.Module):
    r"""Scores every subword (Devlin et al. 2019), :math:`E\,\mathrm{norm}(\mathrm{gelu}(W h + b)) + c`.

    :math:`E` is the embedding table of the encoder: the head uses it in place, without a copy. Where the encoder's
    config says so, as ModernBERT's does, biases are left out or another activation is used.

    Args:
        text_encoder: The encoder whose states it reads.
    """

    def __init__(self, text_encoder: SubwordEncoder) -> None:
        super().__init__()
        from transformers.activations import ACT2FN

        config = text_encoder.model.config
        vocabulary, width = text_encoder.model.get_input_embeddings().weight.shape
        self.dense = nn.Linear(text_encoder.hidden_size, width, bias=getattr(config, "classifier_bias", True))
        nn.init.normal_(self.dense.weight, std=getattr(config, "initializer_range", 0.02))
        if self.dense.bias is not None:
            nn.init.zeros_(self.dense.bias)
        self.activation = ACT2FN[getattr(config, "classifier_activation", getattr(config, "hidden_act", "gelu"))]
        eps = getattr(config, "layer_norm_eps", getattr(config, "norm_eps", 1e-12))
        self.norm = nn.LayerNorm(width, eps=eps, bias=getattr(config, "norm_bias", True))
        self.bias = nn.Parameter(torch.zeros(vocabulary)) if getattr(config, "decoder_bias", True) else None

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Score the subwords.

        Args:
            states: Encoder states of M subwords, shape ``(M, D)``.
            embeddings: The encoder's embedding table, one row per subword of the vocabulary.

        Returns:
            Scores, one column per subword of the vocabulary.
        """
        return functional.linear(self.norm(self.activation(self.dense(states))), embeddings, self.bias)

    def load(self, source: str, revision: str | None = None) -> bool:
        """Load the head of a pretrained language model.

        Args:
            source: The ``name`` of the text encoder.
            revision: The ``revision`` of the text encoder.

        Returns:
            Whether the weights contain such a head, tied to the embeddings; if not, it keeps its random weights.
        """
        with quiet_loading():
            cls = language_model_class(resolve_weights(source), revision)
            if cls is None:
                return False
            model, report = cls.from_pretrained(
                resolve_weights(source), revision=revision, trust_remote_code=False, output_loading_info=True
            )
        found = {own: model.state_dict()[name] for name, own in head_names(model).items()}
        complete = found.keys() == self.state_dict().keys()
        if not complete or report["missing_keys"] & head_names(model).keys() or not _is_tied(model):
            return False
        self.load_state_dict(found)
        return True


def _is_tied(model: Any) -> bool:
    """Whether a language model scores subwords by its embedding table (tied weights)."""
    output = model.get_output_embeddings()
    return output is not None and torch.equal(output.weight, model.get_input_embeddings().weight)


def language_model_class(source: Any, revision: str | None = None) -> Any:
    """Return the ``transformers`` class of an encoder with its language-model head, or ``None`` if there is none.

    Args:
        source: A folder, a name on a model hub, or a configuration.
        revision: Revision of a repository on the hub.
    """
    from transformers import AutoConfig, AutoModelForMaskedLM, PretrainedConfig, VisualBertForPreTraining
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

    config = source
    if not isinstance(source, PretrainedConfig):
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
    if config.model_type == "visual_bert":
        return VisualBertForPreTraining
    return AutoModelForMaskedLM if type(config) in MODEL_FOR_MASKED_LM_MAPPING else None


def head_names(model: Any) -> dict[str, str]:
    """Map the names of the head's weights in a ``transformers`` language model to their names here."""
    found = {}
    for name in model.state_dict():
        if name.startswith(f"{model.base_model_prefix}."):
            continue
        for pattern, own in NAMES.items():
            match = re.search(rf"(?:^|\.)(?:{pattern})$", name)
            if match:
                found[name] = ".".join(filter(None, (own, next(filter(None, match.groups())))))
    return found
