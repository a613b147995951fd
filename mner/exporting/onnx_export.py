"""Exporting a model to a folder with its networks as ONNX graphs."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np

from mner.batch import ImageFeatures
from mner.checksum import file_checksum
from mner.components import Component, from_config, to_config
from mner.decoders.chain_decoder import ChainDecoder
from mner.errors import ConfigurationError
from mner.exporting import numpy_decoder
from mner.exporting.image_graph import ImageGraph, constant_boxes, export_image_program
from mner.exporting.onnx_graph import quantise, require_onnx, write_graph
from mner.exporting.onnx_images import OnnxImages
from mner.exporting.onnx_model import FILES, GRAPH, IMAGE_GRAPH, OnnxModel
from mner.exporting.scorer import Scorer, export_program, sample_inputs
from mner.exporting.subwords_only import SubwordsOnly
from mner.exporting.target import is_new_folder
from mner.fusion.base import FusionModule
from mner.model_names import CONFIG
from mner.output_paths import make_folder_of, output_errors
from mner.sharing.folder import write_folder
from mner.text.token_scaled_linear import scale_tokens
from mner.vision.encoder import ImageEncoder
from mner.vision.fingerprint import encoder_fingerprint

Part = TypeVar("Part", bound="Component | None")

CHAIN = "decoder.npz"
"""File of the scores that :mod:`mner.exporting.numpy_decoder` reads."""
RUNTIME = "numpy_decoder.py"
"""That module, copied into the folder for programs without mner."""


def export_onnx(model: FusionModule, folder: str | Path, int8: bool = False) -> None:
    """Write a model as ONNX graphs with everything that tagging needs; ``mner.load(folder)`` loads it.

    The folder contains ``model.onnx``, from subwords and image features to emissions; ``image_encoder.onnx``, from
    pixels to image features, if the model sees images; ``config.json``, ``tokenizer.json`` and ``model.safetensors``
    with labels, preprocessing and decoder; and, for programs without PyTorch, ``decoder.npz`` and ``numpy_decoder.py``.
    Each graph is compared with PyTorch on a sample.

    Args:
        model: The model.
        folder: A folder that does not exist, and appears when it is complete, or is empty; the config comes last.
        int8: Quantise the weights of matrix products in ``model.onnx`` to 8 bits, per channel, and their inputs as they
            come, in the text encoder per token: smaller, on most CPUs faster, and less accurate.

    Raises:
        ConfigurationError: If the extra ``onnx`` is not installed, or the model cannot be exported; explains why.
        OutputError: If the folder has content, or cannot be written.
    """
    require_onnx()
    for part in (model.text_encoder, model.image_encoder):
        if part is not None and part.not_exported_because is not None:
            raise ConfigurationError(
                f"{type(part).__name__} cannot be exported: {part.not_exported_because}; tag with PyTorch"
            )
    folder = Path(folder)
    is_new = is_new_folder(folder)
    with output_errors(folder, always=True):
        make_folder_of(folder)
        temporary = TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent if is_new else folder)
    with temporary, output_errors(folder):
        partial = Path(temporary.name) / "model"
        partial.mkdir()
        _write(model, partial, int8)
        if is_new:
            partial.replace(folder)
        else:  # it may be a mount point or the working directory, which cannot be replaced
            for file in sorted(partial.iterdir(), key=lambda file: file.name == CONFIG):
                file.replace(folder / file.name)


def _write(model: FusionModule, folder: Path, int8: bool) -> None:
    text_encoder = SubwordsOnly.of(model.text_encoder)
    inputs = sample_inputs(model)
    scored = model
    if int8:  # whose products have one scale for all inputs
        scored = copy.deepcopy(model)
        scale_tokens(scored.text_encoder)
    write_graph(export_program(scored), inputs, Scorer(model)(inputs), folder / GRAPH)
    if int8:
        quantise(folder / GRAPH)
    image_encoder = None if model.image_encoder is None else _write_image_graph(model.image_encoder, folder)
    exported = OnnxModel(
        labels=model.labels,
        text_encoder=text_encoder,
        files={name: file_checksum(folder / name) for name in FILES if (folder / name).exists()},
        fused_width=model.fused_size,
        image_encoder=image_encoder,
        characters=_copied(model.characters),
        decoder=_copied(model.decoder),
        contexts=model.contexts,
        word_tokenizer=model.word_tokenizer,
        on_bad_image=model.image_loader.on_bad_image,
        max_images=model.max_images,
        grounding=_copied(model.grounding),
    )
    kept = exported.state_dict().keys()
    exported.load_state_dict({name: weight for name, weight in model.state_dict().items() if name in kept})
    write_folder(exported, folder)
    if isinstance(model.decoder, ChainDecoder):
        np.savez(folder / CHAIN, **decoder_tables(model.decoder))
        shutil.copyfile(numpy_decoder.__file__, folder / RUNTIME)


def _write_image_graph(encoder: ImageEncoder, folder: Path) -> ImageEncoder:
    """Write the graph of an image encoder, and return what runs it; one without weights needs no graph."""
    if not [*encoder.parameters(), *encoder.buffers()]:
        return _copied(encoder)
    program, inputs = export_image_program(encoder)
    outputs = ImageGraph(encoder)(inputs)
    write_graph(program, inputs, outputs, folder / IMAGE_GRAPH)
    return OnnxImages(
        image_transform=_copied(encoder.image_transform),
        hidden_size=encoder.hidden_size,
        frozen=encoder.frozen,
        fingerprint=encoder_fingerprint(encoder) if encoder.frozen else None,
        gives_boxes=encoder.gives_boxes,
        boxes=constant_boxes(encoder, ImageFeatures(**outputs)),
    )


def decoder_tables(decoder: ChainDecoder) -> dict[str, Any]:
    """Return what :class:`~mner.exporting.numpy_decoder.NumpyDecoder` reads, as arrays by name."""
    scores = {name: part.detach().cpu().numpy() for name, part in decoder.decoding_chain()._asdict().items()}
    return {**scores, "labels": np.array(decoder.labels), "temperature": np.array(decoder.temperature)}


def _copied(part: Part) -> Part:
    """Build a part again from its description, as loading will."""
    copied: Part = part if part is None else from_config(to_config(part))
    return copied
