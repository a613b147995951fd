"""The image regions that the words of a post attend to, ready to be drawn or written."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from mner.analysis.attention_figures import Look, draw_attention
from mner.analysis.entity_boxes import add_boxes, marked_words
from mner.batch import ImageFeatures
from mner.errors import ConfigurationError
from mner.fusion import FusionModule
from mner.fusion.attention import Attention
from mner.inference.tagger import Tagger
from mner.post_json import entity_to_dict
from mner.posts import Entity, Post
from mner.terminal import printable
from mner.vision.region_places import grid_shape, region_places

_OTHERS = "VisualAttention, CoAttention, MultidimensionalAttention, UMT, MatchingAlignment, TransformerAttention"
ATTENDING = f"{_OTHERS} and RelationGate"
DRAWN = 600
"""Longer side of a drawn image, in pixels."""


@dataclass
class PostAttention:
    """What the words of one post attend to.

    Args:
        post: The post.
        entities: The entities predicted in it.
        attention: Weights and gates, in a batch of one; the weights are those of the regions of ``image``.
        image: The image, shape ``(height, width, 3)``.
        places: Box of each region in pixels, shape ``(R, 4)``, or ``None`` if they are not known.
        grid: Rows and columns of the regions, or ``None`` if they are boxes.
        names: Name of each region, if the detector has names.
        number: Which image of the post it is, from 0.
    """

    post: Post
    entities: list[Entity]
    attention: Attention
    image: NDArray[np.uint8]
    places: NDArray[np.float64] | None
    grid: tuple[int, int] | None
    names: list[str] | None
    number: int = 0

    def looks(self, of: str) -> list[Look]:
        """Return the attention of each word, or of each predicted entity."""
        if of == "words":
            spans = [(word, index, index + 1) for index, word in enumerate(self.post.words)]
        else:
            spans = [
                (f"{self.post.surface(entity.start, entity.end)} [{entity.type}]", entity.start, entity.end)
                for entity in self.entities
            ]
        regions, gates = self._regions(), self._gates()
        return [
            Look(
                label,
                None if regions is None else regions[start:end].mean(axis=0),
                {name: float(values[start:end].mean()) for name, values in gates.items()},
                start,
                end,
            )
            for label, start, end in spans
        ]

    def draw(self, of: str, title: bool = True) -> Any:
        """Draw the figure.

        Args:
            of: ``words``, or ``entities`` for the predicted ones.
            title: Whether the post is its title.
        """
        small = Image.fromarray(self.image)
        small.thumbnail((DRAWN, DRAWN))  # a panel is a few hundred pixels wide, and there is one per word
        image = np.asarray(small, dtype=np.float64) / 255
        scale = np.tile(np.array(small.size) / self.image.shape[1::-1], 2)
        places = None if self.places is None else self.places * scale
        heading = marked_words(self.post, self.entities) if title else ""
        boxes = self._draw_boxes(*small.size)
        return draw_attention(image, self.looks(of), places, self.grid, self.names, heading, boxes)

    def to_dict(self) -> dict[str, Any]:
        """Return as plain data everything that is drawn, and gates with several numbers per word."""
        count = len(self.post.words)
        regions = self._regions()
        wide = {name: gate[0, :count].cpu().numpy() for name, gate in self.attention.gates.items()}
        return {
            "id": self.post.id,
            "words": list(self.post.words),
            "image": self.post.images[self.number].name,
            "size": [self.image.shape[1], self.image.shape[0]],
            "entities": [entity_to_dict(entity, self.post) for entity in self.entities],
            "grid": self.grid,
            "places": None if self.places is None else self.places.round(1).tolist(),
            "names": self.names,
            "regions": None if regions is None else regions.round(5).tolist(),
            "gates": {
                name: (gate[:, :count] if _over_words(gate, self.attention) else gate).round(5).tolist()
                for name, gate in wide.items()
            },
        }

    def _regions(self) -> NDArray[np.float64] | None:
        """Weights, shape ``(words, R)``."""
        regions = self.attention.regions
        return None if regions is None else regions[0, : len(self.post.words)].cpu().double().numpy()

    def _gates(self) -> dict[str, NDArray[np.float64]]:
        """Return one number per word: gates per feature are averaged, and weights over words are left out."""
        gates = {}
        for name, gate in self.attention.gates.items():
            values = gate[0, : len(self.post.words)].cpu().double().numpy()
            if values.ndim == 1:
                gates[name] = values
            elif not _over_words(values, self.attention):
                gates[name] = values.reshape(len(values), -1).mean(axis=1)
        return gates

    def _draw_boxes(self, width: int, height: int) -> Callable[[Any], None] | None:
        """Return what draws the boxes of the entities, in an image of so many pixels."""
        if not any(entity.boxes for entity in self.entities):
            return None
        return lambda axis: add_boxes(axis, self.post, self.entities, width, height)


def attend(model: FusionModule, post: Post, number: int = 0) -> PostAttention:
    """Run a model on one post whose image can be used, and return what its words attend to in one of its images.

    Args:
        model: The model.
        post: The post.
        number: Which image of the post, from 0. With several, the weights of a word sum to one over all of them.

    Raises:
        ConfigurationError: If the model sees no images, the post has none, or the method neither attends nor has gates.
    """
    (prediction,) = Tagger(model).stream([post])
    post = replace(prediction.post, tags=None, spans=None, boxes=None)  # its labels may differ from the model's
    images = model.preprocessor.images_of(post)
    encoder = model.image_encoder
    if encoder is None or not 0 <= number < len(images):
        raise ConfigurationError(
            f"expected a model that sees images and a post with at least {number + 1}, "
            f"got {type(model).__name__} and post {post.id!r}; methods that attend are {ATTENDING}"
        )
    batch, alone = (model.preprocessor([each]).to(model.device) for each in (post, post.with_images([images[number]])))
    with torch.no_grad():
        everything = model.encode_image(batch)
        # What the encoder itself returns: the boxes of a detector, but not those of the cells of a grid.
        features = encoder(alone.pixels, alone.image_mask) if alone.image is None else alone.image
    attention = model.attention(batch)
    if attention.regions is None and not attention.gates:
        raise ConfigurationError(
            f"{type(model).__name__} attends to no regions and has no gates; methods that attend are {ATTENDING}"
        )
    if attention.regions is not None:
        shown = everything.mask[0]
        if everything.image_index is not None:
            shown = shown & (everything.image_index[0] == number)
        attention.regions = attention.regions[:, :, shown]
    image = model.preprocessor.image_loader(images[number])
    places = grid = None
    try:
        places = region_places(encoder, image, features)
        grid = None if features.boxes is not None else grid_shape(encoder, image, len(places))
    except ConfigurationError as error:
        warnings.warn(printable(f"post {post.id}: {error}"), stacklevel=2)
    if places is not None:  # a detector's regions may be padded
        places = places[features.mask[0].cpu().numpy()]
    names = _names_of(encoder, features)
    return PostAttention(post, list(prediction.entities), attention, np.asarray(image), places, grid, names, number)


def _names_of(encoder: Any, features: ImageFeatures) -> list[str] | None:
    if features.classes is None:
        return None
    try:
        names = encoder.class_names
        return [names[index] for index in features.classes[0][features.mask[0]].tolist()]
    except (AttributeError, IndexError):
        return None


def _over_words(gate: Any, attention: Attention) -> bool:
    """Return whether a gate has a weight per pair of words instead of a value per feature."""
    return gate.ndim == 2 and attention.word_mask is not None and gate.shape[1] == attention.word_mask.shape[1]
