"""How a model tags: precision, compilation, confidences, image features and loading; no influence on what it is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch

from mner.errors import ConfigurationError
from mner.fusion.base import FusionModule
from mner.labels import check_choice
from mner.text.int8_linear import Int8Linear
from mner.text.token_scaled_linear import scale_tokens

Precision = Literal["32", "bf16", "int8"]


@dataclass(frozen=True)
class TaggingOptions:
    """Options of a tagger; plain data, which travel to other processes.

    Args:
        precision: ``32`` computes as in training; ``bf16`` in mixed bfloat16 precision, fast on GPUs since Ampere and
            CPUs with AMX or AVX512-BF16; ``int8`` computes the linear layers of the text encoder with 8-bit numbers,
            on the CPU.
        compile: Compile the text encoder with ``torch.compile``, which takes a minute and needs a C++ compiler.
        confidences: Compute the confidence of each entity.
        feature_store: File of a feature store: the features of an image are computed once, also over several runs.
        draft_images: Decode large JPEG files at a fraction of their size, see :func:`mner.images.load_image`.
        num_workers: Number of threads that decode images, while the model computes; one more prepares the batches. 0
            does everything in turn.

    Raises:
        ConfigurationError: If a value is unknown, or two exclude each other.
    """

    precision: Precision = "32"
    compile: bool = False
    confidences: bool = True
    feature_store: Path | None = None
    draft_images: bool = False
    num_workers: int = 2

    def __post_init__(self) -> None:
        """Check the values."""
        check_choice("precision", self.precision, get_args(Precision))
        if self.num_workers < 0:
            raise ConfigurationError(f"expected num_workers of at least 0, got {self.num_workers}")
        if self.feature_store is not None and self.draft_images:
            raise ConfigurationError("a feature store has the features of complete images; leave draft_images out")
        if self.precision == "int8" and self.compile:
            raise ConfigurationError("a quantised encoder cannot be compiled; choose precision int8 or compile")

    def prepare(self, model: FusionModule) -> None:
        """Change a model as the options say, in place.

        Raises:
            ConfigurationError: If the model's device cannot compute in the precision, or there are no image features
                to store.
        """
        if self.feature_store is not None and model.image_encoder is None:
            raise ConfigurationError(
                f"{type(model).__name__} sees no images, so there is nothing to store; leave feature_store out"
            )
        if self.draft_images and model.image_encoder is None:
            raise ConfigurationError(f"{type(model).__name__} sees no images to decode; leave draft_images out")
        model.decoder.with_confidence = self.confidences
        if model.runtime == "onnx" and (self.precision != "32" or self.compile):
            raise ConfigurationError(
                "a model in ONNX computes as it was exported; leave precision and compile out, or export it with --int8"
            )
        if self.precision == "int8":
            if model.device.type != "cpu":
                raise ConfigurationError(f"int8 needs the CPU, got {model.device}; give --accelerator cpu, or use bf16")
            scale_tokens(model.text_encoder, Int8Linear)
        if self.compile:
            model.text_encoder.compile(dynamic=True)

    def context(self, device: torch.device) -> AbstractContextManager[object]:
        """Return the context of the model's forward pass on a device."""
        return torch.autocast(device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext()

    @property
    def lightning_precision(self) -> str:
        """The precision of image features, as Lightning names it; int8 does not concern the image encoder."""
        return "bf16-mixed" if self.precision == "bf16" else "32-true"
