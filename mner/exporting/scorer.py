"""A model as a function of tensors: subwords and image features in, emissions out."""

from __future__ import annotations

import copy
from contextlib import redirect_stderr
from io import StringIO
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from mner.batch import Batch, ImageFeatures
from mner.checkpoint_file import reason
from mner.errors import ConfigurationError
from mner.exporting.graph_inputs import EMISSIONS, FUSED, IMAGE, SCORE, TEXT, scorer_inputs
from mner.fusion.base import FusionModule
from mner.posts import Post
from mner.vision.encoder import ImageEncoder
from mner.vision.transform import ImageTransform

VARIABLE_DIMENSIONS = {"first_row": 1, "post_of_row": 1, "characters": 3, f"{IMAGE}pooled": 1}
"""Number of leading dimensions of an input that vary; of the others two."""
REPLACED = ("predict_step", "entities")
"""Methods that an exported model has its own of."""


class Scorer(nn.Module):
    """Computes the emissions of a model from a dictionary of tensors, as ``torch.export`` needs it.

    The inputs are those of :func:`~mner.exporting.graph_inputs.scorer_inputs`. The outputs are ``emissions``
    ``(B, W, L)``, ``fused`` ``(B, W, F)`` for a model that grounds entities, and one ``score_NAME`` ``(B,)`` for each
    score of a post.

    Args:
        model: The model, of which it keeps a copy in single precision on the CPU, without the image encoder.

    Raises:
        ConfigurationError: If the model predicts in Python code of its own.
    """

    def __init__(self, model: FusionModule) -> None:
        super().__init__()
        own = [name for name in REPLACED if getattr(type(model), name) is not getattr(FusionModule, name)]
        if own:
            raise ConfigurationError(
                f"{type(model).__name__} cannot be exported: its own {', '.join(own)} is Python code, which a graph "
                "does not contain; compute emissions in fuse() and tags in a decoder, or tag with PyTorch"
            )
        given = None if model.image_encoder is None else _GivenFeatures(model.image_encoder)
        copied = copy.deepcopy(model, {id(model.image_encoder): given})
        self.model = copied.cpu().float().eval().requires_grad_(False)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute emissions, shape ``(B, W, L)``, zero where padded, and what else a tagger reads."""
        parts = {name.removeprefix(IMAGE): part for name, part in inputs.items() if name.startswith(IMAGE)}
        texts: dict[str, Any] = {name: inputs[name] for name in TEXT}
        batch = Batch(
            posts=(),
            **texts,
            characters=inputs.get("characters"),
            image=ImageFeatures(**parts) if parts else None,
        )
        text, image = self.model.encode(batch)
        padding = ~batch.word_mask[..., None]  # where a model may compute anything
        outputs = {EMISSIONS: self.model.emissions(text, image).masked_fill(padding, 0.0)}
        if self.model.grounding is not None:
            outputs[FUSED] = cast("Tensor", text.fused).masked_fill(padding, 0.0)
        scores = self.model.post_scores(text, image)
        return outputs | {f"{SCORE}{name}": score for name, score in scores.items()}


def export_program(model: FusionModule) -> ExportedProgram:
    """Export a model by ``torch.export``, with any number of posts, encoder rows, subwords, words and regions.

    Args:
        model: The model. Its image encoder is not part of the program, whose inputs are image features.

    Returns:
        The program; ``program.module()(inputs)`` computes what :class:`Scorer` does.

    Raises:
        ConfigurationError: If its operations cannot be exported, or it predicts in Python code of its own.
    """
    inputs = sample_inputs(model)
    shapes = {name: dict.fromkeys(range(VARIABLE_DIMENSIONS.get(name, 2)), Dim.DYNAMIC) for name in inputs}
    return exported(Scorer(model), inputs, shapes, type(model).__name__)


def exported(module: nn.Module, inputs: Any, shapes: Any, name: str) -> ExportedProgram:
    """Export a module of one argument.

    Args:
        module: The module, in evaluation mode.
        inputs: A sample of its argument.
        shapes: Its variable dimensions.
        name: What to call it in a message.

    Raises:
        ConfigurationError: If it cannot be exported.
    """
    try:
        with torch.no_grad(), redirect_stderr(StringIO()):  # on which it prints the whole graph before it fails
            return torch.export.export(module, (inputs,), dynamic_shapes=(shapes,), strict=False)
    except Exception as error:  # of any operation
        raise ConfigurationError(
            f"{name} cannot be exported ({first_cause(error)}); tag with PyTorch, or choose a part without such "
            "operations"
        ) from error


def first_cause(error: BaseException) -> str:
    """Describe what an error of the exporter, which wraps others, began with."""
    while error.__cause__ is not None:
        error = error.__cause__
    return reason(error)


def sample_inputs(model: FusionModule) -> dict[str, Tensor]:
    """Make inputs for tracing: three posts in four encoder rows, with random regions where the model sees images."""
    texts = ("Kevin Durant enters the Oracle Arena", "a b c d", "x y")
    posts = [Post(f"{number}", tuple(text.split())) for number, text in enumerate(texts)]
    batch = model.preprocessor.using(quiet=True)(posts)
    # An additional row: the number of rows differs from that of posts where a long post is read in windows.
    for name in ("input_ids", "attention_mask", "token_type_ids", "word_slots", "word_starts", "post_of_row"):
        part = getattr(batch, name)
        setattr(batch, name, torch.cat([part, part[-1:]]))
    batch.word_slots[-1] = batch.word_mask.numel()
    encoder = model.image_encoder
    return scorer_inputs(batch, None if encoder is None else _random_features(encoder, len(posts)))


def _random_features(encoder: ImageEncoder, posts: int) -> ImageFeatures:
    regions = 7
    draw = torch.Generator().manual_seed(0)
    vectors = torch.randn(posts, regions, encoder.hidden_size, generator=draw)
    mask = torch.ones(posts, regions, dtype=torch.bool)
    mask[-1, 2:] = False
    boxes = torch.tensor([0.1, 0.2, 0.6, 0.9]).expand(posts, regions, 4).contiguous() if encoder.gives_boxes else None
    return ImageFeatures(
        vectors.masked_fill(~mask[..., None], 0.0),
        mask,
        vectors[:, 0],
        boxes=boxes,
        scores=None if boxes is None else mask.float(),
    )


class _GivenFeatures(ImageEncoder):
    """Stands for an image encoder whose features, boxes included, are given in the batch."""

    def __init__(self, encoder: ImageEncoder) -> None:
        super().__init__()
        self.hidden_size = encoder.hidden_size
        self.frozen = True
        self.gives_boxes = encoder.gives_boxes
        self.image_transform: ImageTransform = encoder.image_transform

    def encode(self, pixels: Any) -> ImageFeatures:
        """Not called: a batch has features."""
        raise NotImplementedError
