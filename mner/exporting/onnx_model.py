"""A model whose networks are ONNX graphs: everything else is what every model has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.checksum import file_checksum
from mner.errors import CheckpointError, ConfigurationError
from mner.exporting.graph_inputs import EMISSIONS, FUSED, IMAGE, SCORE, scorer_inputs
from mner.exporting.onnx_images import OnnxImages
from mner.exporting.onnx_session import DATA_SUFFIX, OnnxSession
from mner.exporting.subwords_only import SubwordsOnly
from mner.fusion.base import FusionModule
from mner.paths import is_file

GRAPH, IMAGE_GRAPH = "model.onnx", "image_encoder.onnx"
FILES = (GRAPH, IMAGE_GRAPH, f"{GRAPH}{DATA_SUFFIX}", f"{IMAGE_GRAPH}{DATA_SUFFIX}")


@dataclass
class ScoredTextFeatures(TextFeatures):
    """What the graph computes of a text: emissions ``(B, W, L)`` and scores of the posts ``(B,)`` by name."""

    emissions: Tensor = field(default_factory=lambda: torch.empty(0))
    scores: Mapping[str, Tensor] = field(default_factory=dict)


class OnnxModel(FusionModule):
    """Tags as the model that ``mner export`` wrote: preprocessing, decoder and grounding are the same code.

    Args:
        labels: Tags in the order of the emissions.
        text_encoder: The subword tokenizer.
        files: Checksums of the graphs and their weights by file name.
        fused_width: Width of the fused vectors, F.
        kwargs: Further arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If a file has a name that no graph has.
    """

    needs_image = False
    runtime: ClassVar[Literal["torch", "onnx"]] = "onnx"

    def __init__(
        self, labels: list[str], text_encoder: SubwordsOnly, files: dict[str, str], fused_width: int, **kwargs: Any
    ) -> None:
        if GRAPH not in files or not set(files) <= set(FILES):
            raise ConfigurationError(f"expected the files {', '.join(FILES)}, got {', '.join(files) or 'none'}")
        self.fused_width = fused_width
        super().__init__(labels=labels, text_encoder=text_encoder, **kwargs)
        self.files = files
        self.emission_layer = nn.Identity()  # type: ignore[assignment]
        self.characters = None  # their encoder is in the graph
        self._session: OnnxSession | None = None

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Keep the encoder of characters, of which only the preprocessor has a part; see the base class."""
        return {**super().checkpoint_arguments(), "characters": self._arguments.get("characters")}

    @property
    def fused_size(self) -> int:
        """Width of the fused vectors."""
        return self.fused_width

    def open_files(self, source: str | Path) -> None:
        """Open the graphs of a folder.

        Raises:
            CheckpointError: If one is missing, damaged, or names files elsewhere.
            ConfigurationError: If ONNX Runtime is not installed.
        """
        folder = Path(source)
        for name, expected in self.files.items():
            if not is_file(folder / name):
                raise CheckpointError(f"{folder} has no {name}; copy the folder again, or export the model again")
            if file_checksum(folder / name) != expected:
                raise CheckpointError(
                    f"the content of {folder / name} is not what was exported: its checksum differs; copy the folder "
                    "again, or export the model again"
                )
        self._session = OnnxSession(folder / GRAPH)
        if isinstance(self.image_encoder, OnnxImages):
            self.image_encoder.session = OnnxSession(folder / IMAGE_GRAPH)

    def encode(self, batch: Batch) -> tuple[TextFeatures, ImageFeatures]:
        """Encode the images, then run the graph.

        Raises:
            ConfigurationError: If the model was not loaded from a folder.
        """
        if self._session is None:
            raise ConfigurationError("an exported model has its graph in a folder; load that with mner.load")
        image = self.encode_image(batch)
        inputs = scorer_inputs(batch, None if self.image_encoder is None else self._complete(image))
        outputs = self._session({name: part.cpu() for name, part in inputs.items()})
        emissions = outputs[EMISSIONS]
        words = outputs.get(FUSED, emissions)
        scores = {name.removeprefix(SCORE): part for name, part in outputs.items() if name.startswith(SCORE)}
        text = ScoredTextFeatures(words, batch.word_mask, words[:, 0], fused=words, emissions=emissions, scores=scores)
        return text, image

    def emissions(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Return what the graph computed, shape ``(B, W, L)``."""
        return cast("ScoredTextFeatures", text).emissions

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Return the fused words, shape ``(B, W, F)``, of a model that grounds entities."""
        return text.words

    def post_scores(self, text: TextFeatures, image: ImageFeatures) -> dict[str, Tensor]:
        """Return the scores of the posts, shape ``(B,)``, which the graph computed."""
        return dict(cast("ScoredTextFeatures", text).scores)

    def save_pretrained(self, folder: str | Path, **_: Any) -> None:
        """Refuse: the folder of an exported model is copied.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError("an exported model is a folder already; copy that, or upload it with hf upload")

    def _complete(self, image: ImageFeatures) -> ImageFeatures:
        """Fill in what a batch without images, or stored features, lack and the graph reads."""
        boxes = image.boxes
        if boxes is None and self._session is not None and f"{IMAGE}boxes" in self._session.inputs:
            boxes = torch.zeros(*image.mask.shape, 4)
        scores = image.mask.to(image.regions.dtype) if image.scores is None else image.scores
        return replace(image, boxes=boxes, scores=scores)
