"""Products of 8-bit numbers: every token has its own scale, whatever the other tokens of the batch are."""

import os
import platform
import subprocess
import sys

import pytest
import torch
from torch import nn

from mner.text.int8_linear import Int8Linear
from mner.text.token_scaled_linear import TokenScaledLinear


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return nn.Linear(64, 5).requires_grad_(False)


@pytest.fixture
def inputs():
    """Tokens of very different size, one of them zero."""
    torch.manual_seed(1)
    return torch.randn(3, 4, 64) * torch.logspace(-3, 3, 12).reshape(3, 4, 1) * (torch.arange(4) > 0)[:, None]


@pytest.mark.parametrize("has_bias", [True, False])
def test_dividing_each_token_changes_nothing(layer, inputs, has_bias):
    if not has_bias:
        layer.bias = None
    torch.testing.assert_close(TokenScaledLinear(layer)(inputs), layer(inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("has_7_bits", "levels"), [(False, 255), (True, 127)])
def test_the_error_of_a_token_is_that_of_its_own_scale(layer, inputs, monkeypatch, has_7_bits, levels):
    """At most half a step for each input, and half a step for each weight."""
    quantised = Int8Linear(layer)
    quantised._reduce_range |= has_7_bits
    weight, size = layer.weight.abs(), inputs.abs().amax(-1, keepdim=True)
    step = 2 * size / levels
    bound = step / 2 * weight.sum(1) + (inputs.abs() + step / 2).sum(-1, keepdim=True) * weight.amax(1) / 127 / 2
    error = (quantised(inputs) - layer(inputs)).abs()
    assert (error <= 1.02 * bound + 1e-6).all()
    assert error.max() > 0
    torch.testing.assert_close(quantised(inputs)[:, 0], layer.bias.expand(3, 5))


def test_numbers_of_other_precisions_stay_what_they_are(layer, inputs):
    found = Int8Linear(layer.bfloat16())(inputs.bfloat16())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), layer.float()(inputs), rtol=0.05, atol=0.05 * float(inputs.abs().max()))


_ON_AVX2 = """
import sys, torch
from mner.text.int8_linear import Int8Linear
torch.manual_seed(0)
quantised = Int8Linear(torch.nn.Linear(64, 32))
inputs = torch.randn(16, 64)
torch.save((quantised._reduce_range, inputs, quantised(inputs), quantised.weight()), sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="FBGEMM's kernels for AVX2")
def test_processors_without_vnni_compute_with_7_bits(tmp_path):
    limits = {"FBGEMM_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    command = [sys.executable, "-c", _ON_AVX2, str(tmp_path / "result")]
    subprocess.run(command, env={**os.environ, **limits}, check=True)
    has_7_bits, inputs, result, weight = torch.load(tmp_path / "result")
    assert has_7_bits  # since sums of two products of 8 bits overflow
    torch.manual_seed(0)
    here = Int8Linear(nn.Linear(64, 32))
    here._reduce_range = True
    assert torch.equal(weight, here.weight())
    assert torch.equal(result, here(inputs))
