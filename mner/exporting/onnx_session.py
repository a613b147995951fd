"""Running an ONNX file, after checking that it refers to nothing outside its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mner.checkpoint_file import reason
from mner.errors import CheckpointError
from mner.extras import extra

DATA_SUFFIX = ".data"
"""What the name of the file ends with that has the weights of a graph larger than 2 GB."""


class OnnxSession:
    """An ONNX graph on the CPU, with as many threads as PyTorch uses.

    No library of custom operators is loaded, and weights are read from the file or from ``NAME.data`` next to it.

    Args:
        path: The file.

    Raises:
        ConfigurationError: If ONNX Runtime is not installed.
        CheckpointError: If the file is not a graph, is damaged, or names files elsewhere.
    """

    def __init__(self, path: Path) -> None:
        with extra("onnx", "a model in ONNX"):
            import onnxruntime
        _check_references(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        try:
            self._session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of its own classes, without a common base
            raise CheckpointError(f"{path} cannot be run ({reason(error)}); export the model again") from error
        self.inputs: dict[str, list[Any]] = {each.name: each.shape for each in self._session.get_inputs()}
        self._outputs = [each.name for each in self._session.get_outputs()]

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run the graph.

        Args:
            inputs: Tensors on the CPU by name; those that the graph does not read are left out.

        Returns:
            The outputs by name.

        Raises:
            CheckpointError: If an input is missing, or the graph fails on these.
        """
        try:
            found = self._session.run(None, {name: inputs[name].numpy() for name in self.inputs})
        except Exception as error:
            raise CheckpointError(
                f"the graph does not compute this batch ({reason(error)}); export the model again"
            ) from error
        return {
            name: torch.from_numpy(np.ascontiguousarray(array))
            for name, array in zip(self._outputs, found, strict=True)
        }


def _check_references(path: Path) -> None:
    with extra("onnx", "a model in ONNX"):
        import onnx
    try:
        graph = onnx.load(path, load_external_data=False)
    except Exception as error:  # of protobuf
        raise CheckpointError(f"{path} is not an ONNX graph ({reason(error)}); export the model again") from error
    for tensor in _tensors(graph, onnx.TensorProto):
        places = [entry.value for entry in tensor.external_data if entry.key == "location"]
        if any(place != f"{path.name}{DATA_SUFFIX}" for place in places):
            raise CheckpointError(
                f"{path} reads weights from {places[0]!r:.80}, expected {path.name}{DATA_SUFFIX} in its folder; do not "
                "use this file"
            )


def _tensors(message: Any, kind: type) -> Iterator[Any]:
    """List the tensors anywhere in a message, in subgraphs and functions too."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                if isinstance(part, kind):
                    yield part
                else:
                    yield from _tensors(part, kind)
