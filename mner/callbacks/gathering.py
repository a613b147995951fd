"""Items of all processes of a run, in one list."""

from __future__ import annotations

from typing import TypeVar

import torch

Item = TypeVar("Item")


def gathered(items: list[Item]) -> list[Item]:
    """Concatenate the lists of all processes, in the order of their ranks; the list itself if there is one process."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return items
    parts: list[list[Item]] = [[] for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(parts, items)
    return [item for part in parts for item in part]
