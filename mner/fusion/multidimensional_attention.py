"""Multi-dimensional attention: pairs of words attend to the image, feature by feature (Arshad et al. 2019)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mner.argument_types import check_range
from mner.batch import ImageFeatures, TextFeatures
from mner.fusion.attention import masked_softmax
from mner.fusion.base import FusionModule

CHUNK = 2**22
"""Maximum number of elements of a chunk's largest tensor: 16 MiB in float32, unless a single word needs more."""


class MultidimensionalAttention(FusionModule):
    r"""Following Arshad et al. 2019, "Aiding intra-text representations with visual context for MNER".

    Words :math:`x` and regions :math:`I` are projected to one width c, and every attention has a weight for each of
    the c features. With :math:`\mathrm{stanh}(z) = 5 \tanh(z / 5)`, for words i, j and region r:

    .. math::
        f_{ij} &= \mathrm{stanh}(W_1 x_j + W_2 x_i) \\
        v_{ij} &= \textstyle\sum_r p_{ijr} \odot I_r, \quad
            p_{ij} = \mathrm{softmax}_r\; \mathrm{stanh}(W_4\, \mathrm{ReLU}(W_3 f_{ij}) + W_5 I_r) \\
        f'_{ij} &= F_{ij} \odot f_{ij} + (1 - F_{ij}) \odot v_{ij}, \quad F_{ij} = \sigma(W_6 v_{ij} + W_7 f_{ij}) \\
        r_i &= \textstyle\sum_j P_{ij} \odot x_j, \quad P_i = \mathrm{softmax}_{j}\; f'_{ij} \\
        o_i &= G_i \odot x_i + (1 - G_i) \odot r_i, \quad G_i = \sigma(W_8 x_i + W_9 r_i)

    Choices:

    * Attention among words is directional, following Shen et al. (2018, DiSAN): once over the preceding words,
      :math:`j < i`, and once over the following ones, concatenated. Both share :math:`f'`, which takes nearly all of
      the time, and have separate gates.
    * The words come from the text encoder, projected to ``size``.
    * A post without an image has :math:`v_{ij} = 0` and :math:`F_{ij} = 1`, which leaves attention among words.
    * The image only affects the attention weights among words and never enters their vectors. It is therefore learned
      late, and the layers are initialised with larger weights than torch's default (Glorot and Bengio 2010).

    Time grows with W² R c. Memory does not: words are processed in chunks, whose activations are recomputed in the
    backward pass.

    Args:
        size: The width c.
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If ``size`` is below 1.
    """

    def __init__(self, size: int = 64, **kwargs: Any) -> None:
        check_range("size", size, "[1, inf)")
        self.size = size
        super().__init__(**kwargs)
        self.project_words = nn.Linear(self.text_encoder.hidden_size, size)
        self.project_image = nn.Linear(self.image_width, size)
        self.pair_first = nn.Linear(size, size)
        self.pair_second = nn.Linear(size, size, bias=False)
        self.score_hidden = nn.Linear(size, size)
        self.score_pair = nn.Linear(size, size)
        self.score_region = nn.Linear(size, size, bias=False)
        self.filter_visual = nn.Linear(size, size)
        self.filter_pair = nn.Linear(size, size, bias=False)
        self.gate_before = nn.Linear(2 * size, size)
        self.gate_after = nn.Linear(2 * size, size)
        for layer in self.children():
            if isinstance(layer, nn.Linear) and layer is not self.emission_layer:
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    @property
    def fused_size(self) -> int:
        """Width of the attention over preceding and over following words, concatenated."""
        return 2 * self.size

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Let pairs of words attend to the image, and words to each other.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``, padding in ``text.mask``.
            image: Region states ``(B, R, V)``; ``image.mask`` is false everywhere where a post has no image.

        Returns:
            Fused word states, shape ``(B, W, 2 * size)``.
        """
        words, regions = self.project_words(text.words), self.project_image(image.regions)
        posts, count, size = words.shape
        post = torch.arange(posts, device=words.device)[:, None].expand(posts, count).flatten()
        place = torch.arange(count, device=words.device).expand(posts, count).flatten()
        given = (words, regions, text.mask, image.mask)
        if torch.compiler.is_compiling():  # a traced graph reads any number of words in one step
            found = [self._read(*given, post, place)]
        else:
            step = max(1, CHUNK // max(1, count * regions.shape[1] * size))
            found = [
                checkpoint(self._read, *given, i, p, use_reentrant=False, preserve_rng_state=False)
                for i, p in zip(post.split(step), place.split(step), strict=True)
            ]
        parts, region_weights = zip(*found, strict=True)
        before, after = torch.cat(parts).view(posts, count, 2 * size).chunk(2, dim=-1)
        gate_before = self.gate_before(torch.cat([words, before], dim=-1)).sigmoid()
        gate_after = self.gate_after(torch.cat([words, after], dim=-1)).sigmoid()
        if self.records_attention:
            weights = torch.cat([part for part in region_weights if part is not None])
            self.record_attention(weights.view(posts, count, -1), before=gate_before, after=gate_after)
        joined = [gate_before * words + (1 - gate_before) * before, gate_after * words + (1 - gate_after) * after]
        return torch.cat(joined, dim=-1)

    def _read(
        self, words: Tensor, regions: Tensor, word_mask: Tensor, mask: Tensor, post: Tensor, place: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Let some of the words attend to the words before and after them.

        Args:
            words: Shape ``(B, W, c)``.
            regions: Shape ``(B, R, c)``.
            word_mask: Shape ``(B, W)``.
            mask: Shape ``(B, R)``.
            post: The post of each of N words.
            place: Its position in the post.

        Returns:
            Shape ``(N, 2 * c)``; and the weight of each region averaged over features and other words, ``(N, R)``, if
            attention is recorded.
        """
        partners, regions, mask = words[post], regions[post], mask[post]
        pairs = _stanh(self.pair_first(partners) + self.pair_second(words[post, place]).unsqueeze(1))
        of_pair = self.score_pair(self.score_hidden(pairs).relu()).unsqueeze(2)
        scores = _stanh(of_pair + self.score_region(regions).unsqueeze(1))
        over_regions = masked_softmax(scores, mask[:, None, :, None], dim=2)
        visual = torch.einsum("njrc,nrc->njc", over_regions.to(regions.dtype), regions)
        filtering = (self.filter_visual(visual) + self.filter_pair(pairs)).sigmoid()
        filtering = filtering.masked_fill(~mask.any(dim=1)[:, None, None], 1.0)
        scores = filtering * pairs + (1 - filtering) * visual
        order, real = torch.arange(words.shape[1], device=words.device), word_mask[post]
        contexts = []
        for direction in (order < place[:, None], order > place[:, None]):
            over_words = masked_softmax(scores, (direction & real).unsqueeze(-1), dim=1)
            contexts.append((over_words * partners).sum(dim=1))
        mean = None
        if self.records_attention:
            mean = (over_regions.mean(dim=-1) * real[..., None]).sum(dim=1) / real.sum(dim=1, keepdim=True).clamp_min(1)
        return torch.cat(contexts, dim=-1), mean


def _stanh(values: Tensor) -> Tensor:
    return 5 * (values / 5).tanh()
