"""The base of encoders that start from a pretrained ``transformers`` model and its tokenizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

from mner.text.base_model import BaseLoader, adapt, restore
from mner.text.lora import LoRA
from mner.text.pretrained import describe, load_tokenizer
from mner.text.probe import check_encoder, check_vocabulary
from mner.text.subword_encoder import SubwordEncoder
from mner.text.subword_factory import subword_tokenizer


class PretrainedEncoder(SubwordEncoder, ABC):
    """A pretrained transformer over subwords; a subclass defines how its model is loaded.

    Args:
        name: A name on a model hub, a folder, or ``pkg://package/folder`` inside an installed package.
        pooling: The vector of a word is the ``mean`` of its subwords, or its ``first`` subword, as in the
            code of paper 3.2.
        max_length: Maximum number of subwords per row; by default what the model allows, 512 if it has no limit.
        on_long_post: ``window`` reads a post that does not fit in overlapping windows, ``error`` refuses it.
        freeze_embeddings: Do not train the subword embeddings. They are half of the parameters of a small encoder, and
            a few thousand posts update few of them.
        lora: Train a small adapter in the encoder, whose own weights stay as they are and out of checkpoints.
        architecture: Filled in when a checkpoint is saved, so that it can be loaded without the source of the weights;
            leave it out.

    Raises:
        WeightsNotFoundError: If the weights or the tokenizer are neither on disk nor reachable.
        ConfigurationError: If the model is of another kind, or the tokenizer does not fit it.
    """

    def __init__(
        self,
        name: str,
        pooling: Literal["mean", "first"] = "mean",
        max_length: int | None = None,
        on_long_post: Literal["window", "error"] = "window",
        freeze_embeddings: bool = False,
        lora: LoRA | None = None,
        architecture: dict[str, Any] | None = None,
    ) -> None:
        loader, known = self.base_loader(name), None
        super().__init__(name if architecture is None else None, loader.revision, lora)
        if architecture is None:
            self.model = loader()
            tokenizer = load_tokenizer(self.tokenizer_name(name), loader.revision)
        else:
            self.model, tokenizer, known = restore(architecture, loader, lora is not None)
        self.prepare(tokenizer, architecture)
        self.model.train()  # loading leaves it in evaluation mode, without dropout
        self.architecture = describe(self.model, tokenizer)
        self.hidden_size: int = self.model.config.hidden_size
        if architecture is None:
            check_vocabulary(tokenizer, self.model, name)
        self.subword_tokenizer = subword_tokenizer(
            tokenizer, self.model, pooling, max_length, on_long_post, **self.tokenizer_options()
        )
        if architecture is None:
            self.check(name)
        if self.lora is not None:
            adapt(self, self.lora, known)
        if freeze_embeddings:
            self.model.get_input_embeddings().weight.requires_grad_(False)

    @abstractmethod
    def base_loader(self, name: str) -> BaseLoader:
        """Return how the ``transformers`` model of this name is loaded; called before the module is initialised."""

    def tokenizer_name(self, name: str) -> str:
        """Return the name of the tokenizer; called after the model of this name was loaded."""
        return name

    def prepare(self, tokenizer: Any, architecture: dict[str, Any] | None) -> None:
        """Change the model, or look up tokens, before the model is described and tested; by default do nothing.

        Args:
            tokenizer: The tokenizer of ``transformers``.
            architecture: The architecture in the checkpoint, if the encoder is that of a checkpoint.
        """

    def tokenizer_options(self) -> dict[str, bool]:
        """Return further options of :func:`~mner.text.subword_factory.subword_tokenizer`; by default none."""
        return {}

    def check(self, name: str) -> None:
        """Test the encoder of this name, which is not that of a checkpoint, on a few words.

        Raises:
            ConfigurationError: If it is unsuitable; see :mod:`mner.text.probe`.
        """
        check_encoder(self, name)
