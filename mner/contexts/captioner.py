"""The contract of a captioner: images in, texts about them out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from PIL import Image
from torch import nn

from mner.components import Component


class Captioner(Component, nn.Module, ABC):
    """Turns images into texts before training, with :func:`mner.contexts.describe_folder`.

    A subclass implements :meth:`describe`, and names the kind of its texts in ``kind``. Calling it describes images:
    ``captioner([image])`` returns a list of one text.
    """

    kind: ClassVar[str] = "caption"

    def transform(self, image: Image.Image) -> Any:
        """Transform one RGB image while others are described; by default it is returned unchanged.

        Called by several threads at once.
        """
        return image

    @abstractmethod
    def describe(self, images: Sequence[Any]) -> list[dict[str, Any]]:
        """Describe a batch.

        Args:
            images: B images, as :meth:`transform` returned them.

        Returns:
            B records of plain data: under :attr:`kind` a text or a list of texts, for example
            ``{"caption": "a dog"}``, and further values such as ``scores``.
        """

    def forward(self, images: Sequence[Image.Image]) -> list[str]:
        """Describe B images; a list of texts about one image is joined with commas, as in data modules."""
        texts = [record[self.kind] for record in self.describe([self.transform(image) for image in images])]
        return [text if isinstance(text, str) else ", ".join(text) for text in texts]
