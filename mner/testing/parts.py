"""Tiny parts with random weights, built without any file, which run any fusion in milliseconds."""

from __future__ import annotations

import string
import zlib
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from mner.batch import ImageFeatures
from mner.paths import is_there
from mner.posts import Post
from mner.text.huggingface import HuggingFaceText
from mner.text.pretrained import describe
from mner.vision.encoder import ImageEncoder
from mner.vision.transform import ImageTransform

SPECIALS = {name: f"[{name[:-6].upper()}]" for name in ("pad_token", "unk_token", "cls_token", "sep_token")}


def tiny_text_encoder(hidden_size: int = 16) -> HuggingFaceText:
    """Build a one-layer BERT whose subwords are the letters.

    Args:
        hidden_size: Width of a word, even.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = string.ascii_lowercase
    pieces = [*SPECIALS.values(), *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(
        models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token=SPECIALS["unk_token"])
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing((SPECIALS["sep_token"], 3), (SPECIALS["cls_token"], 2))
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=hidden_size,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=2 * hidden_size,
        max_position_embeddings=64,
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **SPECIALS)
    return HuggingFaceText("tiny", architecture=describe(BertModel(config), fast))


class _NoiseTransform(ImageTransform):
    """Four cells of an image, or noise seeded by the image's name if there is no such file.

    A relative name is that of no file, whatever is in the working directory.
    """

    reads_files = False

    def __call__(self, image: Image.Image) -> Tensor:
        """Return the colours of four cells, shape ``(4, 3)``."""
        cells = image.convert("RGB").resize((2, 2))
        return torch.tensor([cells.getpixel((x, y)) for y in (0, 1) for x in (0, 1)]) / 128 - 1

    def load(self, post: Post, read: Callable[[Path], Image.Image]) -> Tensor | None:
        """Read the image, or draw noise seeded by its name if there is no such file."""
        if post.image is None or (post.image.is_absolute() and is_there(post.image)):
            loaded: Tensor | None = super().load(post, read)
            return loaded
        draw = torch.Generator().manual_seed(zlib.crc32(post.image.name.encode()))
        return torch.randn(4, 3, generator=draw)


class _Noise(ImageEncoder):
    """Projects the four cells of each image.

    Args:
        hidden_size: Width of a region, V.
        frozen: Whether the projection keeps its random weights.
    """

    def __init__(self, hidden_size: int = 6, frozen: bool = False) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.frozen = frozen
        self.image_transform = _NoiseTransform()
        self.projection = nn.Linear(3, hidden_size).requires_grad_(not frozen)


class TinyGrid(_Noise):
    """Four cells per image, like a grid encoder: none of them masked, the pooled vector their mean."""

    def encode(self, pixels: Tensor) -> ImageFeatures:
        """Project: ``(B, 4, 3)`` to regions ``(B, 4, V)``."""
        regions = self.projection(pixels)
        return ImageFeatures(regions, torch.ones_like(pixels[..., 0], dtype=torch.bool), regions.mean(dim=1))


class TinyRegions(_Noise):
    """Two to four regions per image with boxes, classes and scores, like a detector; the rest is padding."""

    gives_boxes = True

    def encode(self, pixels: Tensor) -> ImageFeatures:
        """Project: ``(B, 4, 3)`` to regions ``(B, 4, V)``, two to four of them real."""
        count = 2 + (pixels.abs().sum(dim=(1, 2)) * 1000).long() % 3
        mask = torch.arange(4, device=pixels.device) < count[:, None]
        regions = self.projection(pixels).masked_fill(~mask[..., None], 0.0)
        return ImageFeatures(
            regions=regions,
            mask=mask,
            pooled=regions.sum(dim=1) / count[:, None],
            boxes=torch.tensor([0.0, 0.0, 1.0, 1.0], device=pixels.device).expand(*mask.shape, 4),
            classes=torch.zeros_like(mask, dtype=torch.long),
            scores=mask.float(),
        )
