"""Cross-view alignment: the text-only view of a post learns from the view with its contexts and image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import kl_div

from mner.decoders import Decoder
from mner.errors import ConfigurationError


@dataclass(frozen=True)
class ViewAlignment:
    r"""Wang et al. 2022, "ITA: Image-text alignments for multi-modal named entity recognition", for any fusion.

    A model reads each post twice: with its contexts and its image (TI), and without them (T). With the decoder's label
    marginals :math:`p` of view TI and :math:`q` of view T,

    .. math::
        \mathcal L &= \lambda\, (\mathcal L_{TI} + \mathcal L_T) + (1 - \lambda)\, \mathcal L_{KL} \\
        \mathcal L_{KL} &= \frac{\tau^2}{B} \sum_{b, t, y} p^\tau_{bty} \log \frac{p^\tau_{bty}}{q^\tau_{bty}},
            \quad p^\tau \propto p^{1 / \tau}

    :math:`p` is constant: the divergence trains view T only. A post without contexts and image has no divergence, but
    counts in :math:`B`, so that the weight of a post does not depend on its batch. The divergence is reduced as the
    decoder's own loss; the formula has the CRF's default, the mean over posts.

    Args:
        nll_weight: :math:`\lambda`, the weight of the decoder's losses; 0.5 in the paper and in its reimplementation
            AdaSeq.
        temperature: :math:`\tau`; in the paper 2 on Twitter-2017 and 4 on Twitter-2015 and SNAP, 1 in AdaSeq.

    Raises:
        ConfigurationError: If a number is out of range.
    """

    nll_weight: float = 0.5
    temperature: float = 2.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (0 <= self.nll_weight <= 1 and 0 < self.temperature < math.inf):
            raise ConfigurationError(
                "expected align_views.nll_weight in [0, 1] and align_views.temperature finite and > 0, got "
                f"{self.nll_weight} and {self.temperature}"
            )

    def mix(self, nll: Tensor | float, divergence: Tensor) -> Tensor:
        r"""Compute :math:`\mathcal L` from :math:`\mathcal L_{TI} + \mathcal L_T` and :math:`\mathcal L_{KL}`."""
        return self.nll_weight * nll + (1 - self.nll_weight) * divergence

    def divergence(self, decoder: Decoder, teacher: Tensor, student: Tensor, mask: Tensor, differs: Tensor) -> Tensor:
        r"""Compute :math:`\mathcal L_{KL}`; its gradient reaches ``student`` only.

        Args:
            decoder: Turns emissions into marginals.
            teacher: Emissions of view TI, shape ``(B, W, L)``.
            student: Emissions of view T, shape ``(B, W, L)``.
            mask: True where a word is real, shape ``(B, W)``.
            differs: True for each post that has a context or an image, shape ``(B,)``.

        Returns:
            A scalar.
        """
        with torch.no_grad():
            target = self._softened(decoder, teacher, mask)
        divergences = kl_div(self._softened(decoder, student, mask), target, reduction="none", log_target=True)
        per_post = divergences.sum(dim=(1, 2)) * differs.to(mask.device, non_blocking=True)
        return self.temperature**2 * decoder.reduce(per_post, mask)

    def _softened(self, decoder: Decoder, emissions: Tensor, mask: Tensor) -> Tensor:
        """Log marginals at the temperature, uniform on padding."""
        return (decoder.log_marginals(emissions, mask) / self.temperature).log_softmax(dim=-1)
