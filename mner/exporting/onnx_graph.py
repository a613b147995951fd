"""Writing an exported program as an ONNX file, checking it against PyTorch, and quantising it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

import mner.lstm_operator  # noqa: F401  registers the operator
from mner.errors import ConfigurationError
from mner.exporting.onnx_session import OnnxSession
from mner.exporting.scorer import first_cause
from mner.extras import extra

TOLERANCE = 1e-4
"""Maximum difference between an output of a graph and of PyTorch on the sample, relative to values above 1."""


def require_onnx() -> None:
    """Check that what exporting needs is installed.

    Raises:
        ConfigurationError: If not.
    """
    with extra("onnx", "exporting to ONNX"):
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401


def write_graph(
    program: ExportedProgram, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor], path: Path
) -> None:
    """Write a program as an ONNX file, and compare what both compute on a sample.

    Args:
        program: A program from one dictionary of tensors to another.
        inputs: The sample.
        outputs: What PyTorch computes for it.
        path: The file; weights of more than 2 GB go into a second one, ``NAME.data``.

    Raises:
        ConfigurationError: If ONNX lacks an operation of the program, or the results differ.
    """
    with _quiet():
        try:
            graph = torch.onnx.export(
                program,
                input_names=list(inputs),
                output_names=list(outputs),
                custom_translation_table={torch.ops.mner.lstm.default: _lstm},
                verbose=False,
            )
        except Exception as error:  # of any operation
            raise ConfigurationError(
                f"an operation of the model cannot be exported to ONNX ({first_cause(error)}); tag with PyTorch"
            ) from error
    assert graph is not None
    for value in [value for value in graph.model.graph.inputs if not value.uses()]:
        graph.model.graph.inputs.remove(value)  # or programs would have to give what the model does not read
    graph.save(path)
    found = OnnxSession(path)(inputs)
    differing = [name for name, part in outputs.items() if not _is_close(found[name].to(part), part)]
    if differing:
        raise ConfigurationError(
            f"the exported graph computes other {', '.join(differing)} than PyTorch (by more than {TOLERANCE:g} on a "
            "sample); tag with PyTorch, and report this"
        )


def _is_close(found: Tensor, expected: Tensor) -> bool:
    found, expected = found.double(), expected.double()  # masks, too
    return bool((found - expected).abs().amax() <= TOLERANCE * expected.abs().amax().clamp(min=1))


def quantise(path: Path) -> None:
    """Replace the weights of matrix products in a file by ones of 8 bits, scaled per channel.

    Their inputs are quantised when they are computed.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with TemporaryDirectory(dir=path.parent) as temporary, _quiet():
        whole = Path(temporary) / path.name
        for part in path.parent.glob(f"{path.name}*"):
            part.replace(Path(temporary) / part.name)
        large = any(part.name != path.name for part in Path(temporary).iterdir())
        quantize_dynamic(
            whole,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            use_external_data_format=large,
        )


def _lstm(inputs: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any) -> Any:
    """Translate :func:`mner.lstm_operator.lstm`: ONNX has the words first, and the gates in another order."""
    from onnxscript import opset18

    op: Any = opset18
    size = int(weight_hh.shape[1])

    def reordered(weight: Any) -> Any:  # input, forget, cell, output: input, output, forget, cell
        i, f, c, o = op.Split(weight, axis=0, num_outputs=4)
        return op.Concat(i, o, f, c, axis=0)

    def as_direction(weight: Any) -> Any:
        return op.Unsqueeze(weight, op.Constant(value_ints=[0]))

    bias = op.Concat(reordered(bias_ih), reordered(bias_hh), axis=0)
    states, _, _ = op.LSTM(
        op.Transpose(inputs, perm=[1, 0, 2]),
        as_direction(reordered(weight_ih)),
        as_direction(reordered(weight_hh)),
        as_direction(bias),
        hidden_size=size,
    )
    return op.Transpose(op.Squeeze(states, op.Constant(value_ints=[1])), perm=[1, 0, 2])


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the progress and the advice of the exporter and the quantiser."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        disabled = logging.root.manager.disable
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(disabled)
