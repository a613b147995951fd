"""The gold boxes of a batch as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mner.batch import GoldBoxes
from mner.boxes import gold_entities
from mner.posts import Post


def collate_boxes(posts: Sequence[Post]) -> GoldBoxes:
    """Pad the gold entities of B posts, and their boxes.

    Args:
        posts: B posts with tags.

    Raises:
        DataError: If a post has boxes of words that are not an entity.
    """
    entities = [gold_entities(post) for post in posts]
    flat = [entity for of_post in entities for entity in of_post]
    boxes = [box for entity in flat for box in entity.boxes or ()]
    width = max(map(len, entities), default=0) or 1
    depth = max((len(entity.boxes or ()) for entity in flat), default=0) or 1
    gold = GoldBoxes(
        spans=torch.zeros(len(posts), width, 2, dtype=torch.long),
        known=torch.zeros(len(posts), width, dtype=torch.bool),
        boxes=torch.zeros(len(posts), width, depth, 4),
        shown=torch.zeros(len(posts), width, depth, dtype=torch.bool),
    )
    if flat:
        real = torch.arange(width) < torch.tensor([len(of_post) for of_post in entities])[:, None]
        gold.spans[real] = torch.tensor([(entity.start, entity.end) for entity in flat])
        gold.known[real] = torch.tensor([entity.boxes is not None for entity in flat])
        gold.shown[real] = torch.arange(depth) < torch.tensor([len(entity.boxes or ()) for entity in flat])[:, None]
    if boxes:
        gold.boxes[gold.shown] = torch.tensor(boxes)
    return gold
