"""Grid features: the last feature map of any timm network, each cell a region."""

from __future__ import annotations

import copy
from itertools import chain
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from mner.argument_types import check_range
from mner.batch import ImageFeatures
from mner.errors import ConfigurationError
from mner.vision.backbones import HUB, create_backbone
from mner.vision.encoder import ImageEncoder
from mner.vision.grid_transform import GridTransform, check_preprocessing


class Grid(ImageEncoder):
    """The paper's global image features (section 3.1): the last feature map of an image classifier.

    ResNet-152 at 224x224 gives 49 regions of 2048; a vision transformer gives its patch tokens. Images are scaled,
    cropped and normalised as the network was trained. The pooled vector is what the network's classifier would see,
    or the mean of the regions where that has another width. Cells serve as boxes where the transform keeps the whole
    image: with the preprocessing ``{"crop_mode": "squash", "crop_pct": 1.0}``.

    Args:
        name: A timm name, such as ``resnet152`` or ``vit_base_patch16_224``.
        weights: ``hub``, a weights file, ``pkg://package/file`` in an installed package, or ``None`` for random ones.
        stage: Take the map after this stage, ``-1`` for the last, instead of the network's final one; they differ
            where a convolution follows the stages: EfficientNet-Lite0 has 1280 channels after it and 320 before.
        trainable_stages: Number of the last stages (of a transformer, blocks) to train, or ``all``.
        learning_rate: Learning rate of the trained stages; ``None`` for that of the text encoder.
        image_size: Side of the square image, in pixels; ``None`` for what the network was trained with.
        preprocessing: Parts of timm's data configuration to replace, for example ``{"crop_mode": "squash"}``.

    Raises:
        RegistryError: If timm knows no such name.
        WeightsNotFoundError: If the weights are not there or cannot be reached.
        ConfigurationError: If the weights do not fit, the network has no such stage or image size, or timm no such
            preprocessing.
    """

    backbone: Any

    def __init__(
        self,
        name: str,
        weights: str | None = HUB,
        stage: int | None = None,
        trainable_stages: int | Literal["all"] = 0,
        learning_rate: float | None = None,
        image_size: int | None = None,
        preprocessing: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        check_range("learning_rate", learning_rate, "[0, inf)")
        check_preprocessing(preprocessing or {})
        replaced = {k: tuple(v) if isinstance(v, list) else v for k, v in (preprocessing or {}).items()}
        if image_size is not None:
            replaced["input_size"] = (3, image_size, image_size)
        self.backbone = create_backbone(name, weights, image_size=replaced.get("input_size", (None,))[1:])
        self.preprocessing = {**_trained_preprocessing(self.backbone), **replaced}
        self.image_transform = GridTransform(self.preprocessing)
        self.stage = stage
        self.frozen = trainable_stages == 0
        self.learning_rate = learning_rate
        self.gives_boxes = (self.preprocessing["crop_mode"], self.preprocessing["crop_pct"]) == ("squash", 1.0)
        self._trained: list[nn.Module] = []
        self.hidden_size, self._pools = self._measure()
        self._trained = self._unfreeze(trainable_stages)
        self.eval()

    def checkpoint_arguments(self) -> dict[str, Any]:
        """What builds the same network without fetching weights that a checkpoint is about to replace."""
        published = self.backbone.pretrained_cfg
        return {
            **super().checkpoint_arguments(),
            "name": f"{published['architecture']}.{published['tag']}" if published.get("tag") else self.name,
            "weights": None,
            "image_size": None,
            "preprocessing": {k: list(v) if isinstance(v, tuple) else v for k, v in self.preprocessing.items()},
        }

    def encode(self, pixels: Tensor) -> ImageFeatures:
        """Encode pixels of shape ``(B, 3, H, W)`` as regions of shape ``(B, R, V)``, row by row of the map."""
        regions, final = self._map(pixels)
        if final is not None and self._pools:
            pooled = self.backbone.forward_head(final, pre_logits=True)
        else:
            pooled = regions.mean(dim=1)
        return ImageFeatures(regions, torch.ones_like(regions[..., 0], dtype=torch.bool), pooled)

    def region_boxes(self, image: ImageFeatures) -> Tensor | None:
        """Return the cells as boxes if the regions cover the whole image, shape ``(B, R, 4)``, else ``None``."""
        if not self.gives_boxes or image.boxes is not None:
            return image.boxes
        count = image.mask.shape[1]
        height, width = self.preprocessing["input_size"][1:]
        rows = max(1, round((count * height / width) ** 0.5))
        columns = count // rows
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        corners = torch.stack([x / columns, y / rows, (x + 1) / columns, (y + 1) / rows], dim=-1)
        return corners.flatten(0, 1).to(image.mask.device, non_blocking=True).expand(len(image.mask), -1, -1)

    def train(self, mode: bool = True) -> Grid:
        """Set the trained stages to training mode; all others stay in evaluation mode."""
        super().train(False)
        for module in self._trained:
            module.train(mode)
        self.training = mode and not self.frozen
        return self

    def _map(self, pixels: Tensor) -> tuple[Tensor, Any]:
        """Regions, shape ``(B, R, V)``, and the final map as the network's own head takes it, if it was computed."""
        network = self.backbone
        if self.stage is not None:
            (last,) = network.forward_intermediates(pixels, indices=[self.stage], norm=True, intermediates_only=True)
            return last.flatten(2).transpose(1, 2), None
        final = network.forward_features(pixels)
        prefix = getattr(network, "num_prefix_tokens", None)
        if isinstance(final, Tensor) and final.ndim == 4:
            grid = final.flatten(1, 2) if getattr(network, "output_fmt", "") == "NHWC" else final.flatten(2).mT
            return grid, final
        if isinstance(final, Tensor) and prefix is not None:
            return final[:, prefix:], final
        # A network that does not say which of its tokens are patches, or returns several maps, says it here.
        (last,) = network.forward_intermediates(pixels, indices=1, norm=True, intermediates_only=True)
        return last.flatten(2).mT, final

    def _measure(self) -> tuple[int, bool]:
        """The width of a region, and whether the network's own pooling has the same, from a forward pass on shapes."""
        shape = _without_weights(self)
        pixels = torch.empty(2, *self.preprocessing["input_size"], device="meta")
        try:
            with torch.no_grad():
                regions, final = shape._map(pixels)
                region = regions[:, 0]
                pools = final is not None and shape.backbone.forward_head(final, pre_logits=True).shape == region.shape
        except Exception as error:
            raise ConfigurationError(
                f"timm's {self.name!r} gives no feature map for stage {self.stage} and an image of "
                f"{self.preprocessing['input_size']}: {error}"
            ) from error
        return region.shape[-1], pools

    def _unfreeze(self, stages: int | Literal["all"]) -> list[nn.Module]:
        """Let the last stages be trained and return the modules that are trained whole."""
        if stages == "all":
            return [self.backbone]
        names = set(self._last_stages(stages)) if stages else set()
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_(name in names)
        trained = []
        for module in self.backbone.modules():
            parameters = list(module.parameters())
            if parameters and all(parameter.requires_grad for parameter in parameters):
                trained.append(module)
        return trained

    def _last_stages(self, stages: int) -> list[str]:
        from timm.models import group_parameters

        try:
            groups = group_parameters(self.backbone, self.backbone.group_matcher(coarse=True))
        except (AttributeError, AssertionError) as error:
            raise ConfigurationError(
                f"timm does not say which stages {self.name!r} has; give trainable_stages 0 or 'all'"
            ) from error
        if not 0 < stages <= len(groups):
            raise ConfigurationError(
                f"expected trainable_stages between 0 and {len(groups)}, or 'all', for {self.name!r}, got {stages!r}"
            )
        return [name for group in sorted(groups)[-stages:] for name in cast("list[str]", groups[group])]


def _trained_preprocessing(network: nn.Module) -> dict[str, Any]:
    """The preprocessing that a timm network was trained with."""
    from timm import data

    resolve: Any = data.resolve_model_data_config  # type: ignore[attr-defined]
    preprocessing: dict[str, Any] = resolve(network)
    return preprocessing


def _without_weights(encoder: Grid) -> Grid:
    """A copy with all tensors on the meta device, to infer shapes without computing."""
    memo: dict[int, Any] = {}
    for tensor in chain(encoder.parameters(), encoder.buffers()):
        empty = tensor.detach().to("meta")
        memo[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty
    return copy.deepcopy(encoder, memo).eval()
