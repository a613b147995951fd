"""Multimodal graph fusion (UMGF): words and objects exchange gated messages over several layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from mner.argument_types import check_range
from mner.batch import ImageFeatures, TextFeatures
from mner.errors import ConfigurationError
from mner.fusion.base import FusionModule
from mner.fusion.gated_sum import gated_sum


class GraphFusion(FusionModule):
    r"""Zhang et al. 2021, "Multi-modal graph fusion for named entity recognition with targeted visual guidance" (UMGF).

    Words and regions are the nodes of one graph, in which all nodes of a modality, and every word and every region,
    are connected. With :math:`x_i = W h_i`, :math:`o_j = \mathrm{MLP}(V_j)` and
    :math:`S(a, b) = \mathrm{LayerNorm}(a + b)`, a layer is

    .. math::
        x' &= S(x, \mathrm{Attention}(x)), \qquad o' = S(o, \mathrm{Attention}(o)) \\
        x'' &= S(x', m), \quad m_i = \textstyle\sum_j \sigma(U [x'_i ; o'_j]) \odot o'_j \\
        o'' &= S(o', n), \quad n_j = \textstyle\sum_i \sigma(U' [x'_i ; o'_j]) \odot x'_i \\
        x &\leftarrow S(x'', \mathrm{FFN}(x'')), \qquad o \leftarrow S(o'', \mathrm{FFN}'(o''))

    and the emissions are scored from :math:`[h_i ; x_i]`. The paper's regions are four crops of the image, which a
    visual grounding model finds for four entity types. Since messages are sums, 49 regions of a grid weigh as much as
    49 crops.

    Choices:

    * As in the authors' code, attention among regions has no value and output projection, and the MLP has two layers.
    * Padding and missing regions neither send nor attend; the authors' code has four regions in every post. In a post
      without an image, m is zero: what is left is a transformer over the words.
    * The last layer does not update the regions, which nothing would read; the authors' code computes them.
    * The layers are initialised independently; the authors' code copies one, so that all start equal.

    The pairs of words and regions are never stored: see :mod:`mner.fusion.gated_sum`.
    Six layers with a dropout of 0.4 are for thousands of posts: with a few hundred, use two layers and 0.1.

    Args:
        size: Width of the nodes.
        num_layers: Number of layers.
        heads: Number of attention heads; must divide ``size``.
        feedforward_size: Inner width of the feed-forward networks.
        layer_dropout: Dropout in the layers, on attention weights and in the MLP.
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If a number is out of range, or ``heads`` does not divide ``size``.
    """

    def __init__(
        self,
        size: int = 512,
        num_layers: int = 6,
        heads: int = 8,
        feedforward_size: int = 256,
        layer_dropout: float = 0.4,
        **kwargs: Any,
    ) -> None:
        check_range("size", size, "[1, inf)")
        check_range("num_layers", num_layers, "[1, inf)")
        check_range("heads", heads, "[1, inf)")
        check_range("feedforward_size", feedforward_size, "[1, inf)")
        check_range("layer_dropout", layer_dropout, "[0, 1)")
        if size % heads:
            raise ConfigurationError(f"expected heads to divide the size {size}, got {heads}")
        self.size = size
        super().__init__(**kwargs)
        self.project_words = _linear(self.text_encoder.hidden_size, size)
        self.project_image = nn.Sequential(
            *(_linear(self.image_width, size), nn.ReLU(), nn.Dropout(layer_dropout)),
            *(_linear(size, size), nn.ReLU(), nn.Dropout(layer_dropout)),
        )
        self.layers = nn.ModuleList(
            _GraphLayer(size, heads, feedforward_size, layer_dropout, updates_regions=depth < num_layers - 1)
            for depth in range(num_layers)
        )

    @property
    def fused_size(self) -> int:
        """Width of the word state and its node, concatenated."""
        return self.text_encoder.hidden_size + self.size

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Let words and regions exchange messages.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``, padding in ``text.mask``.
            image: Region states ``(B, R, V)``; ``image.mask`` is false everywhere where a post has no image.

        Returns:
            Word states and nodes, shape ``(B, W, D + size)``.
        """
        words, regions = self.project_words(text.words), self.project_image(image.regions)
        for layer in self.layers:
            words, regions = layer(words, regions, text.mask, image.mask)
        return torch.cat([text.words, words], dim=-1)


class _GraphLayer(nn.Module):
    """One layer; the last one of a stack leaves the regions as they are after their attention.

    Args:
        size: Width of the nodes.
        heads: Number of attention heads.
        inner: Inner width of the feed-forward networks.
        dropout: Dropout on attention weights and on what is added.
        updates_regions: Whether regions receive messages.
    """

    def __init__(self, size: int, heads: int, inner: int, dropout: float, updates_regions: bool) -> None:
        super().__init__()
        self.word_attention = _SelfAttention(size, heads, dropout, projects_values=True)
        self.region_attention = _SelfAttention(size, heads, dropout, projects_values=False)
        self.word_gate = _linear(2 * size, size)
        self.word_feedforward = _feedforward(size, inner)
        self.word_norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(3))
        self.region_norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(3 if updates_regions else 1))
        self.region_gate = _linear(2 * size, size) if updates_regions else None
        self.region_feedforward = _feedforward(size, inner) if updates_regions else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, words: Tensor, regions: Tensor, word_mask: Tensor, region_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Update the nodes.

        Args:
            words: Shape ``(B, W, size)``.
            regions: Shape ``(B, R, size)``.
            word_mask: True where a word is real, shape ``(B, W)``.
            region_mask: True where a region is real, shape ``(B, R)``.

        Returns:
            Words and regions, of the same shapes.
        """
        words = self.word_norms[0](words + self.dropout(self.word_attention(words, word_mask)))
        regions = self.region_norms[0](regions + self.dropout(self.region_attention(regions, region_mask)))
        seen = gated_sum(*_gate_parts(self.word_gate, words, regions), regions, region_mask)
        updated = self.word_norms[1](words + self.dropout(seen))
        updated = self.word_norms[2](updated + self.dropout(self.word_feedforward(updated)))
        if self.region_gate is not None and self.region_feedforward is not None:
            of_words, of_regions = _gate_parts(self.region_gate, words, regions)
            read = gated_sum(of_regions, of_words, words, word_mask)
            regions = self.region_norms[1](regions + self.dropout(read))
            regions = self.region_norms[2](regions + self.dropout(self.region_feedforward(regions)))
        return updated, regions


class _SelfAttention(nn.Module):
    """Multi-head self-attention; without values and output of its own, it averages the states themselves.

    Args:
        size: Width of the states.
        heads: Number of heads.
        dropout: Dropout on the attention weights.
        projects_values: Whether there are projections of the values and of the output.
    """

    def __init__(self, size: int, heads: int, dropout: float, projects_values: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query = _linear(size, size)
        self.key = _linear(size, size)
        self.value = _linear(size, size) if projects_values else nn.Identity()
        self.output = _linear(size, size) if projects_values else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Attend to the unmasked states; zeros where there is none.

        Args:
            states: Shape ``(B, N, size)``.
            mask: True where a state is real, shape ``(B, N)``.

        Returns:
            Shape ``(B, N, size)``.
        """
        projected = (layer(states) for layer in (self.query, self.key, self.value))
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in projected)
        has_states = mask.any(dim=1)[:, None, None]
        allowed = (mask[:, None] | ~has_states)[:, None]  # a softmax over no key would be NaN
        dropout = self.dropout.p if self.training else 0.0
        heads = scaled_dot_product_attention(query, key, value.to(query.dtype), allowed, dropout_p=dropout)
        attended: Tensor = self.output(heads.transpose(1, 2).flatten(2)) * has_states
        return attended


def _gate_parts(gate: nn.Linear, words: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Split ``gate([x ; o])`` into what depends on the word and what depends on the region."""
    of_words, of_regions = gate.weight.chunk(2, dim=1)
    return linear(words, of_words, gate.bias), linear(regions, of_regions)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer, initialised as in the authors' code."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _feedforward(size: int, inner: int) -> nn.Sequential:
    return nn.Sequential(_linear(size, inner), nn.ReLU(), _linear(inner, size))
