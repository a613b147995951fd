"""Weights of an encoder on which its states do not depend: frozen, since ``ddp`` waits for the gradient of each."""

from __future__ import annotations

import re

import torch
from torch.autograd.graph import Node, get_gradient_edge

from mner.batch import Batch
from mner.text.probe import POST
from mner.text.subword_encoder import SubwordEncoder

_INNERMOST = re.compile(r"\d+(?!.*\d)")


def freeze_unused(encoder: SubwordEncoder) -> None:
    """Freeze the weights that no gradient reaches, such as Longformer's for global attention or LUKE's for entities.

    A layer that is unused where another one of its list within the same layer is used is one of several experts, which
    other words may choose; it stays trainable.

    Args:
        encoder: A complete encoder without gradient checkpointing, which would hide its layers.
    """
    weights = {name: weight for name, weight in encoder.model.named_parameters() if weight.requires_grad}
    if not weights:
        return
    leaves = {name: get_gradient_edge(weight).node for name, weight in weights.items()}
    reached = _ancestors(encoder)
    used = {_alternatives(name) for name, leaf in leaves.items() if leaf in reached}
    for name, weight in weights.items():
        if _alternatives(name) not in used:
            weight.requires_grad_(False)


def _ancestors(encoder: SubwordEncoder) -> set[Node]:
    """Return the nodes of the autograd graph of the states of a short post."""
    batch = Batch(posts=[POST], **encoder.subword_tokenizer([POST]))  # type: ignore[arg-type]
    training = encoder.training
    encoder.eval()
    try:
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            todo = [encoder.encode_subwords(batch).grad_fn]
    finally:
        encoder.train(training)
    found: set[Node] = set()
    while todo:
        node = todo.pop()
        if node is not None and node not in found:
            found.add(node)
            todo.extend(before for before, _ in node.next_functions)
    return found


def _alternatives(name: str) -> str:
    """Make one name of those of the experts of a layer.

    Example:
        >>> _alternatives("layer.3.experts.5.out"), _alternatives("layer.3.out")
        ('layer.3.experts.#.out', 'layer.3.out')
    """
    return _INNERMOST.sub("#", name) if len(re.findall(r"\d+", name)) > 1 else name
