"""Reading checkpoint files: tensors and plain data, complete and intact, with nothing in them executed."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from itertools import islice
from math import isfinite
from pathlib import Path
from pickletools import genops
from typing import Any
from zipfile import ZIP_STORED, ZipFile, is_zipfile

import torch
from torch import Tensor, nn

from mner.errors import CheckpointError
from mner.git_lfs import REASON, is_pointer
from mner.model_names import is_model_folder, no_checkpoint

ZIP_START = b"PK\x03\x04"
DTYPES = {
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
}
MAX_REASON = 300
MAX_DEPTH = 50
MAX_VALUES = 200_000
"""Many times what a model has: only a captioner's vocabulary is a list, and the largest tokenizer is one string."""
MAX_CHARACTERS = 200_000_000
"""All strings together, since one may be repeated; tokenizers of 40 million exist."""
MAX_OPCODES = 1_000_000
"""Maximum number of operations of the pickle, which torch executes one by one in Python: about 30 per tensor."""
MAX_WEIGHTS = 50_000
MAX_NAME = 1000
MAX_INTEGER = 10**40
"""``transformers`` writes 10^30 for a tokenizer without a maximum length."""
MAX_SHARING = 16
"""Maximum ratio of the weights' total size to the file's size: tied weights share their bytes."""


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of mner; nothing in it is executed (``weights_only=True``).

    Raises:
        CheckpointError: If there is no such file, or it is truncated, damaged, or not a checkpoint of mner.
    """
    if not isinstance(path, (str, Path)):
        raise CheckpointError(f"expected the path of a checkpoint, got {path!r:.60} ({type(path).__name__})")
    path = Path(path)
    if not os.path.isfile(path):  # noqa: PTH113  a Path would refuse a name that is too long for a file
        raise CheckpointError(no_checkpoint(path))
    try:
        with path.open("rb") as file:
            start = file.read(len(ZIP_START))
        complete = start == ZIP_START and is_zipfile(path)  # a file that passes only one test is of another format
        fault = _archive_fault(path) if complete else ""
        checkpoint: Any = {} if fault or not complete else _load(path)
    except Exception as error:  # a damaged file can raise almost anything
        fault, complete, checkpoint = error.args[0] if isinstance(error, CheckpointError) else reason(error), True, {}
    if is_pointer(path):
        raise CheckpointError(f"{path} is {REASON}")
    if not complete:
        advice = "copy it again, or use another of the run"
        if is_model_folder(path.parent):
            advice = f"of a model folder give the folder, {path.parent}"
        raise CheckpointError(f"{path} is not a checkpoint, or is truncated; {advice}")
    if fault:
        raise _unreadable(path, fault)
    parameters = checkpoint.get("hyper_parameters") if isinstance(checkpoint, dict) else None
    if not isinstance(parameters, dict) or "_class_path" not in parameters or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path} contains tensors but is not a checkpoint of mner; give one that mner fit wrote")
    check_parameters(path, parameters)
    check_tensors(path, checkpoint["state_dict"], path.stat().st_size)
    return dict(checkpoint)


def check_parameters(path: str | Path, parameters: Mapping[str, Any]) -> None:
    """Refuse hyper-parameters that are not plain data, or too many.

    Args:
        path: The file, for the message.
        parameters: The hyper-parameters.

    Raises:
        CheckpointError: Describes the first fault.
    """
    _refuse(path, _argument_fault(parameters))


def check_tensors(path: str | Path, weights: Any, size: int) -> None:
    """Refuse weights that are not ordinary tensors, or too many.

    Args:
        path: The file, for the message.
        weights: The weights by name.
        size: Bytes of the file of the weights.

    Raises:
        CheckpointError: Describes the first fault.
    """
    _refuse(path, _weight_fault(weights, size))


def _refuse(path: str | Path, fault: str) -> None:
    if fault:
        raise CheckpointError(f"{path} is not a checkpoint that mner saved: {fault}; use another one of the run")


def _load(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:  # its message recommends loading the file without this protection
        raise CheckpointError("it contains objects other than tensors and plain data, which are not loaded") from error


def reason(error: BaseException) -> str:
    """Summarise an error in one line: its type and the beginning of its message."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:MAX_REASON]}"


def check_archive(path: str | Path) -> None:
    """Refuse a checkpoint file if any part of it is damaged, including the optimizer state.

    Raises:
        CheckpointError: If a part differs from what was written.
    """
    try:
        fault = _archive_fault(Path(path))
    except Exception as error:  # a damaged file can raise almost anything
        fault = reason(error)
    if fault:
        raise _unreadable(path, fault)


def _unreadable(path: str | Path, fault: str) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be read as a checkpoint ({fault}); copy it again, or use another one of the run"
    )


def _archive_fault(path: Path) -> str:
    """Describe a fault of the archive: ``torch.load`` checks neither sizes nor, with ``mmap``, the CRC of any part."""
    with ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != ZIP_STORED for entry in entries):
            return "its parts are compressed"
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            return "its parts are larger than the file"
        if len({entry.filename for entry in entries}) < len(entries):
            return "two of its parts have the same name"
        if any(entry.filename.endswith("/data.pkl") and _is_flood(archive.read(entry)) for entry in entries):
            return f"its pickle has more than {MAX_OPCODES:,} operations"
        damaged = archive.testzip()
    return f"its part {damaged} is damaged" if damaged else ""


def _is_flood(content: bytes) -> bool:
    return len(content) > MAX_OPCODES and next(islice(genops(content), MAX_OPCODES, None), None) is not None


def _argument_fault(parameters: Mapping[str, Any]) -> str:
    """Describe hyper-parameters that are not plain data, or too many: 40 shared lists can stand for 2^40 values."""
    waiting: list[tuple[Any, _Place]] = [(parameters, _Place())]
    values = characters = 0
    while waiting:
        value, place = waiting.pop()
        values += 1
        if place.depth > MAX_DEPTH or values > MAX_VALUES:
            return "its hyper-parameters are nested too deeply or too many"
        characters += len(value) if type(value) is str else 0
        if characters > MAX_CHARACTERS:
            return f"its hyper-parameters have more than {MAX_CHARACTERS:,} characters"
        if type(value) is dict:
            if not all(type(key) is str for key in value):
                return f"a name among its hyper-parameters is not a string{place}"
            characters += sum(map(len, value))
            waiting += [(each, _Place(place, key)) for key, each in value.items()]
        elif type(value) is list:
            waiting += [(each, _Place(place, index)) for index, each in enumerate(value)]
        elif type(value) is int and abs(value) > MAX_INTEGER:
            return f"a number among its hyper-parameters is too large{place}"
        elif type(value) is float and not isfinite(value):
            return f"a number among its hyper-parameters is {value}{place}"
        elif value is not None and type(value) not in (str, int, float, bool):
            return f"its hyper-parameters contain a {type(value).__name__}{place}"
    return ""


class _Place:
    """The path to a value in the hyper-parameters; formatted only for the one at fault."""

    def __init__(self, outer: _Place | None = None, key: str | int = "") -> None:
        self.outer, self.key = outer, key
        self.depth: int = 0 if outer is None else outer.depth + 1

    def __str__(self) -> str:
        keys, place = [], self
        while place.outer is not None:
            keys.append(str(place.key)[:MAX_REASON])
            place = place.outer
        return f", under {'.'.join(reversed(keys))[:MAX_REASON]!r}" if keys else ""


def _weight_fault(weights: Any, size: int) -> str:
    """Describe a weight that is not an ordinary tensor, or claims more elements than the file has bytes for."""
    if not isinstance(weights, dict):
        return f"its state_dict is a {type(weights).__name__}"
    if len(weights) > MAX_WEIGHTS:
        return f"it has {len(weights):,} weights"
    total = 0
    for name, weight in weights.items():
        if type(name) is not str or type(weight) not in (Tensor, nn.Parameter):
            return f"its state_dict contains a {type(weight).__name__} under {str(name)[:80]!r}"
        if len(name) > MAX_NAME:
            return f"a weight has a name of {len(name):,} characters"
        is_dense = weight.layout == torch.strided and not (weight.is_nested or weight.is_neg())
        if not is_dense or weight.device.type != "cpu" or weight.dtype not in DTYPES:
            return f"the weight {name} is not an ordinary tensor"
        needed = weight.numel() * weight.element_size()
        total += needed
        if needed > weight.untyped_storage().nbytes() or total > MAX_SHARING * size:
            return f"the weight {name} has more elements than the file contains"
    return ""
