"""The vision part of ModernVBERT as an image encoder: SigLIP's patches, merged by pixel shuffle."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mner.argument_types import check_range
from mner.batch import ImageFeatures
from mner.text.architecture import model_settings
from mner.text.pretrained import build_model, image_preprocessing, load_model
from mner.vision.encoder import ImageEncoder
from mner.vision.grid_transform import GridTransform

NO_TEXT = {
    **{"model_type": "modernbert", "num_hidden_layers": 2, "num_attention_heads": 1, "intermediate_size": 1},
    **{"vocab_size": 1, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0, "cls_token_id": 0, "sep_token_id": 0},
}
"""The smallest text part that a ModernVBERT can be built with; it is discarded. One layer of each kind of attention, as
transformers 5.9 expects."""


class ModernVBertPatches(ImageEncoder):
    """Regions that :class:`~mner.text.ModernVBertText` was pretrained on (Teiletche et al. 2025).

    An image is scaled to a square of the size that the vision transformer was trained with, 512 for the public model,
    and its patches of 16 pixels are merged by 4 x 4: ``(size / patch)² / 16`` regions, 64 for the public model, each as
    wide as a word. Large images are not split into tiles, as is done for documents. The pooled vector is the mean.

    Args:
        name: The ModernVBERT: a name on a model hub, a folder, or ``pkg://package/folder``.
        trainable: Train it; otherwise it is frozen, and its features may be stored.
        learning_rate: Learning rate if it is trained; ``None`` for that of the text encoder.
        architecture: Filled in when a checkpoint is saved, so that it can be loaded without the source of the weights;
            leave it out.

    Raises:
        WeightsNotFoundError: If the weights are neither on disk nor reachable.
        ConfigurationError: If the model is not a ModernVBERT, or the learning rate is negative.
    """

    def __init__(
        self,
        name: str,
        trainable: bool = False,
        learning_rate: float | None = None,
        architecture: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_range("learning_rate", learning_rate, "[0, inf)")
        if architecture is None:
            model = load_model(name, joint="modernvbert")
            config = model_settings(model.config.to_dict())
            side = config["vision_config"]["image_size"]
            config["text_config"] = {**NO_TEXT, "hidden_size": config["text_config"]["hidden_size"]}
            config["vision_config"]["vision_use_head"] = False
            architecture = {"config": config, "preprocessing": image_preprocessing(name, side)}
        else:
            model = build_model(architecture["config"])
        self.architecture = architecture
        self.vision, self.connector = model.vision_model, model.connector
        self.vision.head = nn.Identity()  # its pooled vector is unused
        self.hidden_size = int(model.config.text_config.hidden_size)
        self.image_transform = GridTransform(architecture["preprocessing"])
        self.frozen = not trainable
        self.learning_rate = learning_rate
        self.requires_grad_(trainable)
        self.train()

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Add the architecture to the arguments, so that a checkpoint loads without the source of the weights."""
        return {**super().checkpoint_arguments(), "architecture": self.architecture}

    def encode(self, pixels: Tensor) -> ImageFeatures:
        """Encode pixels of shape ``(B, 3, H, W)`` as regions of shape ``(B, R, D)``, row by row of the image."""
        regions: Tensor = self.connector(self.vision(pixels).last_hidden_state)
        return ImageFeatures(regions, torch.ones_like(regions[..., 0], dtype=torch.bool), regions.mean(dim=1))
