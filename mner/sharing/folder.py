"""A model as a folder: ``config.json``, ``model.safetensors`` and the files of its preprocessor.

The folder contains what a checkpoint does, in files that other programs read: the arguments that rebuild the model as
JSON, its weights in the format safetensors, its tokenizer as ``tokenizer.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from mner import __version__
from mner.checkpoint_file import MAX_CHARACTERS, check_parameters, check_tensors, reason
from mner.checkpoints import INSTANTIATOR, SelfContained, hyper_parameters, model_config
from mner.checksum import KEY, checksum
from mner.errors import CheckpointError, DataError
from mner.files import atomic_write
from mner.git_lfs import REASON, is_pointer
from mner.model_names import CONFIG
from mner.paths import is_file
from mner.post_json import from_json, to_json

WEIGHTS = "model.safetensors"
FILE_KEY = "$file"
MIN_FILE = 1000
"""Characters of an argument from which it becomes a file: only tokenizers are so long."""
MAX_CONFIG_BYTES = 4_000_000
MAX_HEADER_BYTES = 4_000_000
"""A header has about 130 bytes per weight."""
_REMEDY = "copy the folder again, or write it again with save_pretrained"


def write_folder(model: SelfContained, folder: str | Path) -> None:
    """Write a model into a folder; the config comes last, so a folder with a config is complete.

    Raises:
        OutputError: If a file cannot be written.
        TypeError: If an argument of the model is not plain data.
    """
    folder = Path(folder)
    weights = {name: weight.detach().cpu() for name, weight in model.state_dict().items()}
    checkpoint = {"hyper_parameters": hyper_parameters(model), "state_dict": weights}
    kept, shared = _without_shared(weights)
    files: dict[str, str] = {}
    config = {
        "library_name": "mner",
        "mner_version": __version__,
        **_with_files(model_config(checkpoint), "config", files),
        "shared_weights": shared,
        "checksum": checksum(checkpoint),
    }
    with atomic_write(folder / WEIGHTS, "wb") as file:
        file.write(save(kept, metadata={"format": "pt"}))
    for name, text in {**files, CONFIG: to_json(config, indent=2) + "\n"}.items():
        with atomic_write(folder / name) as text_file:
            text_file.write(text)


def read_config(folder: str | Path) -> dict[str, Any]:
    """Read the class of a folder's model and its arguments, ``{class_path, init_args, ...}``.

    Raises:
        CheckpointError: If the config is missing, damaged or not of mner.
    """
    config = _json(Path(folder) / CONFIG)
    if not isinstance(config, dict) or not {"class_path", "init_args"} <= config.keys():
        raise CheckpointError(f"{folder} is not a model of mner: its {CONFIG} names no class_path and init_args")
    return config


def read_folder(folder: str | Path) -> dict[str, Any]:
    """Read a model as a checkpoint; nothing in the folder is executed.

    Raises:
        CheckpointError: If a file is missing or damaged, or the folder is not of mner.
    """
    folder = Path(folder)
    config = read_config(folder)
    check_parameters(folder / CONFIG, config)
    arguments = _without_files(config["init_args"], folder, {})
    if not isinstance(arguments, dict):
        raise CheckpointError(f"{folder} is not a model of mner: init_args in its {CONFIG} are not by name")
    parameters = {**arguments, "_class_path": config["class_path"], "_instantiator": INSTANTIATOR}
    path = folder / WEIGHTS
    if not is_file(path):
        raise CheckpointError(f"{folder} has no {WEIGHTS}; {_REMEDY}")
    if is_pointer(path):
        raise CheckpointError(f"{path} is {REASON}")
    try:
        with path.open("rb") as file:
            if int.from_bytes(file.read(8), "little") > MAX_HEADER_BYTES:
                raise CheckpointError(f"{path} has a header of more than {MAX_HEADER_BYTES:,} bytes; {_REMEDY}")
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be read ({reason(error)}); {_REMEDY}") from error
    shared = config.get("shared_weights", {})
    named = isinstance(shared, dict) and all(isinstance(name, str) and name in weights for name in shared.values())
    if not named:
        raise CheckpointError(f"{folder}: shared_weights in {CONFIG} do not name weights; {_REMEDY}")
    weights |= {name: weights[source] for name, source in shared.items()}
    check_parameters(folder, parameters)
    check_tensors(folder, weights, path.stat().st_size)
    sealed = {KEY: config["checksum"]} if "checksum" in config else {}
    return {"hyper_parameters": parameters, "state_dict": weights, **sealed}


def _without_shared(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Separate tied weights, which the format refuses, from those that they are the same as."""
    kept: dict[str, Tensor] = {}
    shared: dict[str, str] = {}
    first: dict[tuple[Any, ...], str] = {}
    for name, weight in weights.items():
        place = (weight.data_ptr(), weight.dtype, weight.shape, weight.stride()) if weight.numel() else (name,)
        if first.setdefault(place, name) != name:
            shared[name] = first[place]
        else:
            kept[name] = weight.clone(memory_format=torch.contiguous_format)
    return kept, shared


def _with_files(value: Any, name: str, files: dict[str, str]) -> Any:
    """Move long JSON texts of a config into files of their own."""
    if isinstance(value, dict):
        return {key: _with_files(item, key, files) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_files(item, name, files) for item in value]
    if not isinstance(value, str) or len(value) < MIN_FILE:
        return value
    stem = name if name.isidentifier() and f"{name}.json" != CONFIG else "text"
    number = sum(file.startswith(stem) for file in files)
    file = f"{stem}{f'_{number}' if number else ''}.json"
    files[file] = value
    return {FILE_KEY: file}


def _without_files(value: Any, folder: Path, files: dict[str, str]) -> Any:
    """Put the texts of the files into a config; each file is read once."""
    if isinstance(value, dict) and value.keys() == {FILE_KEY}:
        name = value[FILE_KEY]
        if not isinstance(name, str) or not name.endswith(".json") or Path(name).name != name:
            raise CheckpointError(f"{folder}: expected the name of a JSON file in the folder, got {name!r:.80}")
        if name not in files:
            files[name] = _text(folder / name, MAX_CHARACTERS)
        return files[name]
    if isinstance(value, dict):
        return {key: _without_files(item, folder, files) for key, item in value.items()}
    return [_without_files(item, folder, files) for item in value] if isinstance(value, list) else value


def _json(path: Path) -> Any:
    try:
        return from_json(_text(path, MAX_CONFIG_BYTES))
    except DataError as error:
        raise CheckpointError(f"{path}: {error}; {_REMEDY}") from error


def _text(path: Path, max_bytes: int) -> str:
    if not is_file(path):
        raise CheckpointError(f"{path.parent} is not a model of mner: it has no {path.name}; {_REMEDY}")
    if path.stat().st_size > max_bytes:
        raise CheckpointError(f"{path} has more than {max_bytes:,} bytes; {_REMEDY}")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read ({reason(error)}); {_REMEDY}") from error
