"""``mner export``: a model as graphs that run without PyTorch's, for deployment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from mner.cli.parsing import OptionParser
from mner.cli.post_options import MODEL_HELP
from mner.errors import ConfigurationError
from mner.exporting.target import is_new_folder
from mner.terminal import printable


def parser() -> OptionParser:
    """The options of ``mner export``."""
    options = OptionParser(
        prog="mner export",
        description="Export a model to a folder with its networks as ONNX graphs, which mner tag, serve and mner.load "
        "run with ONNX Runtime, and so can programs in other languages.",
    )
    options.add_argument("--ckpt_path", type=Path, required=True, help=MODEL_HELP)
    options.add_argument("--output", type=Path, required=True, help="The folder; it must not exist or be empty.")
    options.add_argument("--format", type=Literal["onnx"], default="onnx", help="The format.")
    options.add_argument(
        "--int8",
        type=bool,
        default=False,
        help="Quantise the matrix products of the text encoder and the fusion to 8 bits: smaller, on most CPUs faster, "
        "and less accurate.",
    )
    return options


def run(arguments: Sequence[str]) -> None:
    """Export.

    Raises:
        MNERError: If the checkpoint cannot be used, the model cannot be exported, or the folder cannot be written.
    """
    options = parser().parse_args(list(arguments[1:]))
    is_new_folder(options.output)  # before anything heavy is imported
    from mner.exporting.onnx_export import export_onnx
    from mner.exporting.onnx_graph import require_onnx
    from mner.inference.load import load_model

    require_onnx()
    model = load_model(options.ckpt_path)
    if model.runtime == "onnx":
        raise ConfigurationError(f"{options.ckpt_path} is an exported model already; give the checkpoint")
    export_onnx(model, options.output, options.int8)
    print(printable(f"model: {options.output}"))
    print(printable(f"tag posts with it: mner tag FILE --ckpt_path {options.output}"))
