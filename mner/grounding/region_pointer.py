"""The region pointer: which region of the image shows an entity, if any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div

from mner.argument_types import check_range
from mner.batch import GoldBoxes, ImageFeatures, TextFeatures
from mner.components import Component
from mner.decoders.entities import EntityLists
from mner.errors import ConfigurationError
from mner.grounding.overlap import pairwise_overlap
from mner.labels import check_choice
from mner.posts import Box, Entities, Entity
from mner.vision.encoder import ImageEncoder

Uncovered = Literal["ignore", "not_shown"]


class RegionPointer(Component, nn.Module):
    r"""Chooses a region for each entity, or "not shown" (H-Index, Yu et al. 2023, "Grounded multimodal NER").

    With the entity vector :math:`e`, the mean of the fused vectors of its words, regions :math:`r_j` and their scores
    :math:`s_j` (1 where the image encoder gives none), the logits of the regions and of "not shown" are

    .. math::
        z_j = e^\top U r_j / \sqrt V + a\, s_j, \qquad z_\varnothing = w^\top e + b

    The target of an entity with gold boxes is its IoU with each region, the maximum over its boxes, where that is at
    least ``min_iou``, normalised to a sum of one; that of an entity that the image does not show is "not shown". The
    loss is the mean Kullback-Leibler divergence over the gold entities of posts with an image and annotated boxes.
    In prediction, the pointer grounds the predicted entities; a post without an image shows none of them. Of a post
    with several images, only the regions of the first are candidates, since gold boxes are of that one.

    A config builds the pointer before the widths are known; the fusion module then calls :meth:`bind`, once.

    Args:
        loss_weight: Weight of the loss, added to those of the fusion module.
        min_iou: Minimum IoU with a gold box at which a region shows the entity.
        uncovered: What to train where no region covers the gold boxes of an entity: ``ignore`` it, or ``not_shown``, as
            the authors do.

    Raises:
        ConfigurationError: If an argument is out of range.
    """

    def __init__(self, loss_weight: float = 1.0, min_iou: float = 0.5, uncovered: Uncovered = "ignore") -> None:
        super().__init__()
        check_choice("uncovered", uncovered, get_args(Uncovered))
        check_range("loss_weight", loss_weight, "[0, inf)")
        check_range("min_iou", min_iou, "(0, 1]")
        self.loss_weight = loss_weight
        self.min_iou = min_iou
        self.uncovered = uncovered
        self.query: nn.Linear | None = None

    def bind(self, fused_size: int, image_encoder: ImageEncoder | None) -> None:
        """Create the parameters.

        Args:
            fused_size: Width of the fused vectors, F.
            image_encoder: The model's image encoder.

        Raises:
            ConfigurationError: If the pointer is already bound, or the image encoder gives no boxes.
        """
        if self.query is not None:
            raise ConfigurationError("expected a new RegionPointer, got one of a model already; build one for each")
        if image_encoder is None or not image_encoder.gives_boxes:
            given = "no image encoder" if image_encoder is None else f"a {type(image_encoder).__name__} without boxes"
            raise ConfigurationError(
                f"grounding chooses among regions with boxes, got {given}; use FasterRCNN, DetectedCrops, "
                "PrecomputedRegions with boxes, or a grid of the whole image: "
                "preprocessing: {crop_mode: squash, crop_pct: 1.0}"
            )
        # Applied to the entities, of which there are fewer than regions.
        self.query = nn.Linear(fused_size, image_encoder.hidden_size, bias=False)
        self.score = nn.Parameter(torch.zeros(()))
        self.not_shown = nn.Linear(fused_size, 1)

    def forward(self, text: TextFeatures, image: ImageFeatures, spans: Tensor) -> Tensor:
        """Score the regions, and "not shown", for spans of words.

        Args:
            text: Fused vectors, ``text.fused`` of shape ``(B, W, F)``.
            image: Region states ``(B, R, V)``.
            spans: First word of each of E entities per post and the one past its last, shape ``(B, E, 2)``.

        Returns:
            Logits in single precision or higher, shape ``(B, E, R + 1)``; the last are those of "not shown", and those
            of regions that are not candidates are the lowest number.

        Raises:
            ConfigurationError: If the pointer does not belong to a model, or there are no fused vectors.
        """
        words = text.fused
        if self.query is None or words is None:
            raise ConfigurationError(
                "expected the RegionPointer of a model, and text from which its emissions were computed"
            )
        place = torch.arange(words.shape[1], device=words.device)
        inside = (spans[..., :1] <= place) & (place < spans[..., 1:])
        length = (spans[..., 1] - spans[..., 0]).clamp(min=1)
        entities = inside.to(words.dtype) @ words / length[..., None].to(words.dtype)
        products = self.query(entities) / image.regions.shape[-1] ** 0.5 @ image.regions.mT
        scores = image.mask if image.scores is None else image.scores
        regions = products + self.score * scores.to(products.dtype)[:, None]
        dtype = torch.promote_types(products.dtype, torch.float32)
        regions = regions.to(dtype).masked_fill(~_candidates(image)[:, None], torch.finfo(dtype).min)
        return torch.cat([regions, self.not_shown(entities).to(dtype)], dim=-1)

    def target(self, image: ImageFeatures, gold: GoldBoxes) -> tuple[Tensor, Tensor]:
        """Compute the distribution over the regions and "not shown" that each gold entity is trained on.

        Args:
            image: The regions, with boxes unless no post has an image.
            gold: E gold entities of B posts.

        Returns:
            Probabilities, shape ``(B, E, R + 1)``, and true where an entity is trained on, shape ``(B, E)``.
        """
        candidates = _candidates(image)
        overlap = pairwise_overlap(gold.boxes.flatten(1, 2), _boxes(image).to(gold.boxes.dtype))
        overlap = overlap.unflatten(1, gold.boxes.shape[1:3]).masked_fill(~gold.shown[..., None], 0.0).amax(dim=2)
        overlap = overlap.masked_fill((overlap < self.min_iou) | ~candidates[:, None], 0.0)
        total = overlap.sum(dim=-1, keepdim=True)
        covered, shown = total.squeeze(-1) > 0, gold.shown.any(dim=-1)
        absent = ~covered if self.uncovered == "not_shown" else ~shown
        regions = overlap / total.clamp(min=torch.finfo(total.dtype).tiny)
        target = torch.cat([regions, absent[..., None].to(regions.dtype)], dim=-1)
        return target, gold.known & candidates.any(dim=1)[:, None] & (covered | absent)

    def loss(self, text: TextFeatures, image: ImageFeatures, gold: GoldBoxes | None) -> Tensor:
        """Compute the weighted loss of the gold entities.

        Args:
            text: Fused vectors, ``text.fused`` of shape ``(B, W, F)``.
            image: The regions, with boxes unless no post has an image.
            gold: The gold entities and their boxes.

        Returns:
            A scalar; zero where no entity has annotated boxes and an image.

        Raises:
            ConfigurationError: If the batch was made without gold boxes.
        """
        if gold is None:
            raise ConfigurationError(
                "expected a batch with gold boxes, got one without; make batches of tagged posts with the preprocessor "
                "of the model: DataLoader(posts, collate_fn=model.preprocessor)"
            )
        logits = self(text, image, gold.spans)
        target, counted = self.target(image, gold)
        divergence = kl_div(logits.log_softmax(dim=-1), target.to(logits.dtype), reduction="none").sum(dim=-1)
        return self.loss_weight * (divergence * counted).sum() / counted.sum().clamp(min=1)

    def candidates(self, image: ImageFeatures) -> list[list[Box]]:
        """List the boxes of the candidate regions of B posts, with one transfer from the device."""
        boxes = _boxes(image)
        table = torch.cat([boxes, _candidates(image)[..., None].to(boxes.dtype)], dim=-1).cpu().double().clamp(0, 1)
        return [[(x1, y1, x2, y2) for x1, y1, x2, y2, real in of if real] for of in table.tolist()]

    def ground(self, found: EntityLists, text: TextFeatures, image: ImageFeatures) -> EntityLists:
        """Give each predicted entity its box, with one transfer from the device.

        Args:
            found: The predicted entities of B posts.
            text: Fused vectors, ``text.fused`` of shape ``(B, W, F)``.
            image: The regions, with boxes unless no post has an image.

        Returns:
            The same entities with ``boxes``: one box, or none for "not shown".
        """
        return place(found, self.entity_logits(found, text, image), image)

    def entity_logits(self, found: EntityLists, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Score the regions, and "not shown", for predicted entities; arguments are those of :meth:`ground`.

        Returns:
            Logits as of :meth:`forward`, shape ``(B, E, R + 1)`` for at most E entities per post.
        """
        most = max(map(len, found), default=0)
        spans = [[(entity.start, entity.end) for entity in of] + [(0, 0)] * (most - len(of)) for of in found]
        given = torch.tensor(spans, dtype=torch.long, device=image.mask.device).view(len(found), most, 2)
        return self(text, image, given)  # type: ignore[no-any-return]


def place(found: EntityLists, scores: Tensor, image: ImageFeatures) -> EntityLists:
    """Give each predicted entity the box of its best region, with one transfer from the device.

    Args:
        found: The predicted entities of B posts.
        scores: Of the regions and "not shown" for each entity, shape ``(B, E, R + 1)``.
        image: The regions, with boxes unless no post has an image.

    Returns:
        The same entities with ``boxes``: one box, or none for "not shown".
    """
    if not scores.shape[1]:
        return found
    choice = scores.argmax(dim=-1)
    candidates = nn.functional.pad(_boxes(image), (0, 0, 0, 1))  # "not shown" has a box without area
    chosen = torch.take_along_dim(candidates, choice[..., None], dim=1).cpu().double().clamp(0, 1)
    return EntityLists(
        Entities([_boxed(entity, box) for entity, box in zip(of, rows, strict=False)], of.scores)
        for of, rows in zip(found, chosen.tolist(), strict=True)
    )


def _candidates(image: ImageFeatures) -> Tensor:
    """True for each region among which the pointer chooses, shape ``(B, R)``: those of the first image of a post."""
    return image.mask if image.image_index is None else image.mask & (image.image_index == 0)


def _boxes(image: ImageFeatures) -> Tensor:
    """The box of each region, shape ``(B, R, 4)``; zeros in a batch without images, whose regions are all masked."""
    if image.boxes is not None:
        return image.boxes
    if image.mask.shape[1] > 1:
        raise ConfigurationError("expected regions with boxes, got some without; the image encoder says it gives_boxes")
    return torch.zeros(*image.mask.shape, 4, device=image.mask.device)


def _boxed(entity: Entity, box: Sequence[float]) -> Entity:
    """Zeros, which have no area, stand for "not shown"."""
    x1, y1, x2, y2 = box
    return replace(entity, boxes=((x1, y1, x2, y2),) if x1 < x2 and y1 < y2 else ())
