"""The contract of a captioner: pictures in, texts about them out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from PIL import Image
from torch import nn

from mner.components import Component


class Captioner(Component, nn.Module, ABC):
    """Turns images into texts, ahead of training, for :func:`mner.contexts.describe_folder` to write down.

    A subclass gives :meth:`describe`, and says in ``kind`` under which name its texts are kept. Calling it describes
    pictures: ``captioner([picture])`` returns a list of one text.
    """

    kind: ClassVar[str] = "caption"

    def transform(self, image: Image.Image) -> Any:
        """Prepare one RGB picture while others are described; by default it is taken as it is.

        Called by several threads at once.
        """
        return image

    @abstractmethod
    def describe(self, images: Sequence[Any]) -> list[dict[str, Any]]:
        """Describe a batch.

        Args:
            images: B pictures, as :meth:`transform` returned them.

        Returns:
            B records of plain data: under :attr:`kind` a text or a list of texts, for example
            ``{"caption": "a dog"}``, and whatever else is worth keeping, such as ``scores``.
        """

    def forward(self, images: Sequence[Image.Image]) -> list[str]:
        """Describe B pictures; a list of texts about one is joined with commas, as data modules do."""
        texts = [record[self.kind] for record in self.describe([self.transform(image) for image in images])]
        return [text if isinstance(text, str) else ", ".join(text) for text in texts]
