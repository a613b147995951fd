"""The base of joint encoders with a pretrained projection of regions, which may be replaced by a new one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, cast

from torch import nn

from mner.errors import ConfigurationError
from mner.text.joint_encoder import JointEncoder
from mner.text.lora import is_adapter
from mner.vision.encoder import ImageEncoder


class RegionEncoder(JointEncoder, ABC):
    """Reads regions of the width that it was pretrained on, or of any width through a new projection.

    Args:
        name: A name on a model hub, a folder, or ``pkg://package/folder`` inside an installed package.
        new_projection: Learn a new projection of the regions where their width is not that of the pretrained model;
            otherwise such regions are rejected. It is trained with the learning rate of new layers.
        kwargs: Arguments of :class:`~mner.text.JointEncoder`.
    """

    width_setting: ClassVar[str]
    """Name of the width of the regions in the config of the ``transformers`` model."""
    projection_name: ClassVar[str]
    """Name of the layer in ``model`` that projects regions."""
    from_text: bool = False
    """Whether the weights are those of a text encoder, which has no such layer."""

    def __init__(self, name: str, new_projection: bool = False, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        in_checkpoint = self.source is None
        self._new_projection = new_projection
        self._projection_may_change = new_projection or self.from_text
        self._projection_is_new = self.from_text or (new_projection and in_checkpoint)
        self.train_visual_layers(False)

    @abstractmethod
    def visual_layers(self) -> Iterator[nn.Module]:
        """Iterate over the layers that only regions use, and whose output is used."""

    @property
    def projection(self) -> nn.Linear:
        """The layer that projects regions of width V."""
        return cast("nn.Linear", self.model.get_submodule(self.projection_name))

    @property
    def own_layers(self) -> tuple[str, ...]:
        """Name of the projection."""
        return (self.projection_name,)

    def prepare(self, tokenizer: Any, architecture: dict[str, Any] | None) -> None:
        """Replace the projection in the base model of a checkpoint's adapter."""
        if architecture is not None and self.lora is not None:
            self._replace_projection(architecture["config"][self.width_setting])

    @property
    def region_size(self) -> int:
        """Width of the regions that the encoder accepts, V."""
        size: int = getattr(self.model.config, self.width_setting)
        return size

    def accept_images(self, image_encoder: ImageEncoder) -> None:
        """Prepare for regions of the image encoder's width, and make the layers that they use trainable.

        Raises:
            ConfigurationError: If the pretrained projection has another width and may not be replaced.
        """
        size = image_encoder.hidden_size
        if size != self.region_size:
            if not self._projection_may_change:
                raise ConfigurationError(
                    f"expected regions {self.region_size} wide, which this {type(self.model).__name__} was pretrained "
                    f"on, got an image encoder whose regions are {size} wide; change one of the two, or set "
                    "new_projection: true to learn a new projection"
                )
            self._replace_projection(size)
            self.architecture["config"][self.width_setting] = size
            self._projection_is_new = True
        self._new_projection = self._projection_is_new
        self.train_visual_layers(True)

    def train_visual_layers(self, train: bool) -> None:
        """Make the layers that only regions use, or their adapters, trainable or not."""
        for module in self.visual_layers():
            for name, weight in module.named_parameters():
                weight.requires_grad_(train and (self.lora is None or is_adapter(name)))
        self.projection.requires_grad_(train)

    def _replace_projection(self, size: int) -> None:
        projection = nn.Linear(size, self.model.config.hidden_size)
        for parameter in projection.parameters():  # with a bias of zeros, the norm of a region of zeros explodes
            nn.init.normal_(parameter, std=self.model.config.initializer_range)
        parent, _, name = self.projection_name.rpartition(".")
        setattr(self.model.get_submodule(parent), name, projection)
        setattr(self.model.config, self.width_setting, size)

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Add to those of every subword encoder whether the projection of regions is new."""
        return {**super().checkpoint_arguments(), "new_projection": self._new_projection}

    @property
    def new_layers(self) -> list[nn.Module]:
        """Return the projection of regions, unless it is a pretrained one."""
        return [self.projection] if self._projection_is_new else []
