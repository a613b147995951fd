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
    most = max((len(found) for found in entities), default=0) or 1
    boxes = [box for found in entities for entity in found for box in entity.boxes or ()]
    several = max((len(entity.boxes or ()) for found in entities for entity in found), default=0) or 1
    gold = GoldBoxes(
        spans=torch.zeros(len(posts), most, 2, dtype=torch.long),
        known=torch.zeros(len(posts), most, dtype=torch.bool),
        boxes=torch.zeros(len(posts), most, several, 4),
        shown=torch.zeros(len(posts), most, several, dtype=torch.bool),
    )
    for row, found in enumerate(entities):
        for column, entity in enumerate(found):
            gold.spans[row, column, 0], gold.spans[row, column, 1] = entity.start, entity.end
            gold.known[row, column] = entity.boxes is not None
            gold.shown[row, column, : len(entity.boxes or ())] = True
    if boxes:
        gold.boxes[gold.shown] = torch.tensor(boxes)
    return gold
