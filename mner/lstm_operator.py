"""An LSTM as one operator of a traced graph, which has it for sequences of any length.

PyTorch traces a recurrent layer as the steps of the sequence at hand, so that a graph would be for this length only.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call


@torch.library.custom_op("mner::lstm", mutates_args=())
def lstm(inputs: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    """Run an LSTM of one layer and one direction from a state of zeros.

    Args:
        inputs: Shape ``(B, T, D)``.
        weight_ih: As in ``torch.nn.LSTM``, shape ``(4 H, D)``.
        weight_hh: Shape ``(4 H, H)``.
        bias_ih: Shape ``(4 H,)``.
        bias_hh: Shape ``(4 H,)``.

    Returns:
        The states, shape ``(B, T, H)``.
    """
    layer = torch.nn.LSTM(inputs.shape[2], weight_hh.shape[1], batch_first=True, device="meta")
    given = {"weight_ih_l0": weight_ih, "weight_hh_l0": weight_hh, "bias_ih_l0": bias_ih, "bias_hh_l0": bias_hh}
    states: Tensor = functional_call(layer, given, inputs)[0]
    return states.contiguous()


@lstm.register_fake
def _(inputs: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    return inputs.new_empty(inputs.shape[0], inputs.shape[1], weight_hh.shape[1])
