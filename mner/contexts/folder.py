"""Describes every image of a folder, in a file that a killed run or further processes go on with."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch.distributed
from PIL import Image
from tqdm import tqdm

from mner.contexts.captioner import Captioner
from mner.contexts.growing_file import ERROR, GrowingFile
from mner.errors import ConfigurationError, DatasetNotFoundError, ImageError
from mner.images import FORMATS, ImageLoader


@dataclass(frozen=True)
class FolderReport:
    """What one process did.

    Args:
        written: Images described.
        kept: Images of this process's share that an earlier run had described.
        bad: Images that cannot be used, with the reason of each.
        complete: Whether the file is whole; if not, other processes are still at work.
    """

    written: int
    kept: int
    bad: Mapping[str, str]
    complete: bool


def describe_folder(
    captioner: Captioner,
    images: str | Path,
    output: str | Path,
    source: str,
    batch_size: int = 16,
    threads: int = 4,
    progress: bool = False,
) -> FolderReport:
    """Write a line ``{"image_id": ..., "caption": ...}`` for every image in a folder and the folders in it.

    Images that ``output`` describes already are left alone, so a run that was cut off goes on where it stopped. An
    image that cannot be used is reported and left out. Several processes, of ``torchrun`` or of a Lightning training,
    share the images, each image in one process, and end with one file, sorted by image.

    Args:
        captioner: Describes them, on the device it is on.
        images: The folder; no file outside it is read.
        output: The file of JSON lines, for ``mner.data.contexts.read_contexts``.
        source: Name of the captioner, written into each line; a file of another captioner is refused.
        batch_size: Images described at once.
        threads: Threads that read and transform images.
        progress: Show a progress bar.

    Raises:
        DatasetNotFoundError: If the folder is not there or holds no image.
        ConfigurationError: If ``output`` is of another captioner, or another process is writing it.
        ImageError: If none of the images can be used.
    """
    folder = Path(images)
    names = image_names(folder)
    rank, processes = process_rank()
    file = GrowingFile(Path(output), captioner.kind, source)
    load = ImageLoader((folder,))
    bad: dict[str, str] = {}
    written = 0
    with file.part(rank) as part, ThreadPoolExecutor(threads) as pool:
        found = file.records()
        share = names[rank::processes]
        waiting = [name for name in share if name not in found or ERROR in found[name]]
        with tqdm(total=len(waiting), unit=" images", disable=not progress) as bar:
            for batch in _batches(waiting, batch_size, lambda name: captioner.transform(load(folder / name)), pool):
                errors = {name: str(image) for name, image in batch.items() if isinstance(image, ImageError)}
                good = {name: image for name, image in batch.items() if name not in errors}
                records = captioner.describe(list(good.values())) if good else []
                part.append({**dict(zip(good, records, strict=True)), **{n: {ERROR: e} for n, e in errors.items()}})
                bad |= errors
                written += len(good)
                bar.update(len(batch))
        complete = file.merge(names)
    if len(bad) == len(names):
        raise ImageError(
            f"none of the {len(names)} images in {folder} can be used, for example {next(iter(bad.values()))}"
        )
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
    return FolderReport(written, len(share) - len(waiting), bad, complete)


def image_names(folder: Path) -> list[str]:
    """The image files in a folder and the folders in it, by their suffixes, as sorted relative paths.

    Raises:
        DatasetNotFoundError: If the folder is not there or holds no image.
    """
    if not folder.is_dir():
        raise DatasetNotFoundError(f"no folder {folder}; give the folder of the images")
    suffixes = {suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS}
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )
    if not names:
        raise DatasetNotFoundError(
            f"{folder} holds no image; looked for files that end in {', '.join(sorted(suffixes))}"
        )
    return names


def process_rank() -> tuple[int, int]:
    """The number of this process and how many there are: of the process group, or from the launcher's environment.

    Raises:
        ConfigurationError: If the launcher does not tell the number.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    processes = int(os.environ.get("WORLD_SIZE", 1))
    # Lightning's launcher sets only the number within a machine.
    rank = os.environ.get("RANK") or (os.environ.get("LOCAL_RANK") if os.environ.get("NODE_RANK", "0") == "0" else None)
    if processes > 1 and rank is None:
        raise ConfigurationError(f"there are {processes} processes (WORLD_SIZE) but no RANK; start them with torchrun")
    return (int(rank), processes) if rank is not None and processes > 1 else (0, 1)


def _batches(names: Sequence[str], size: int, read: Any, pool: ThreadPoolExecutor) -> Iterator[dict[str, Any]]:
    """Transformed images by name, or the error of each; the next batch is read while one is described."""

    def attempt(name: str) -> Any:
        try:
            return read(name)
        except ImageError as error:
            return error

    running: deque[dict[str, Future[Any]]] = deque()
    left = iter(names)
    while batch := list(islice(left, size)):
        running.append({name: pool.submit(attempt, name) for name in batch})
        if len(running) == 2:
            yield {name: future.result() for name, future in running.popleft().items()}
    while running:
        yield {name: future.result() for name, future in running.popleft().items()}
