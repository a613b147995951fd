"""Describes every image of a folder in a file that processes share and from which a killed run resumes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import torch.distributed
from PIL import Image
from tqdm import tqdm

from mner.contexts.captioner import Captioner
from mner.contexts.context_file import ERROR, ContextFile
from mner.data.image_names import ImageFolder
from mner.errors import ConfigurationError, DatasetNotFoundError, ImageError
from mner.images import FORMATS, ImageLoader
from mner.paths import is_folder
from mner.remote_images import address_of, remote_path


@dataclass(frozen=True)
class FolderReport:
    """The work of one process.

    Args:
        written: Number of images described.
        kept: Number of images assigned to this process that an earlier run had described.
        bad: Images that cannot be used, each with the reason.
        complete: Whether the file is complete; if not, other processes are still working.
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
    num_threads: int = 4,
    progress: bool = False,
) -> FolderReport:
    """Write a line ``{"image_id": ..., "caption": ...}`` for every image in a folder and its subfolders.

    Images that ``output`` already describes are skipped, so an interrupted run is resumed where it stopped. An image
    that cannot be used is reported and left out. Several processes, of ``torchrun`` or of a Lightning training, share
    the images and write one file, sorted by image.

    Args:
        captioner: The captioner, on the device where it runs.
        images: The folder; no file outside it is read.
        output: The file of JSON lines, for ``mner.data.context_files.read_contexts``. It is replaced when every image
            has a line.
        source: Name of the captioner, written into each line; a file with lines of anything else is refused.
        batch_size: Images per batch.
        num_threads: Number of threads that read and transform images.
        progress: Show a progress bar.

    Raises:
        DatasetNotFoundError: If the folder does not exist or contains no image.
        ConfigurationError: If ``output`` was not written by this captioner.
        OutputError: If another run is writing ``output``, or it cannot be written.
        ImageError: If none of the images can be used.
    """
    folder = Path(images)
    names = image_names(folder)
    rank, processes = process_rank()
    file = ContextFile(Path(output), captioner.kind, source)
    load = ImageLoader((folder,))

    def place(name: str) -> Path:
        return remote_path(name, folder) if "://" in name else folder / name

    bad: dict[str, str] = {}
    written = 0
    with file.part(rank) as append, ThreadPoolExecutor(num_threads) as pool:
        found = file.lines()
        share = names[rank::processes]
        waiting = [name for name in share if found.get(name) is None]
        del found  # every text so far
        with tqdm(total=len(waiting), unit=" images", disable=not (progress and waiting)) as bar:
            for batch in _batches(waiting, batch_size, lambda name: captioner.transform(load(place(name))), pool):
                errors = {name: str(image) for name, image in batch.items() if isinstance(image, ImageError)}
                good = {name: image for name, image in batch.items() if name not in errors}
                records = captioner.describe(list(good.values())) if good else []
                described = {**dict(zip(good, records, strict=True)), **{n: {ERROR: e} for n, e in errors.items()}}
                append(file.record(name, values) for name, values in described.items())
                bad |= errors
                written += len(good)
                bar.update(len(batch))
        complete = file.merge(names, rank)
    if len(bad) == len(names):
        raise ImageError(
            f"none of the {len(names)} images in {folder} can be used, for example {next(iter(bad.values()))}"
        )
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
    return FolderReport(written, len(share) - len(waiting), bad, complete)


def image_names(folder: Path) -> list[str]:
    """List the image files in a folder and its subfolders, by suffix, as sorted relative paths; links are followed.

    Images that were fetched into the folder are named by their address.

    Raises:
        DatasetNotFoundError: If the folder does not exist or contains no image.
    """
    if not is_folder(folder):
        raise DatasetNotFoundError(f"no folder {folder}; give the folder of the images")
    suffixes = {suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS}
    paths = [path for path in map(PurePosixPath, ImageFolder(folder).names) if not path.name.startswith(".")]
    found = [address_of(path) or (str(path) if path.suffix.lower() in suffixes else None) for path in paths]
    names = sorted(name for name in found if name is not None)
    if not names:
        raise DatasetNotFoundError(
            f"{folder} contains no image; looked for files that end in {', '.join(sorted(suffixes))}"
        )
    return names


def process_rank() -> tuple[int, int]:
    """Return the rank of this process and the number of processes, of the process group or the launcher's environment.

    Raises:
        ConfigurationError: If the launcher does not set the rank.
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
    """Yield transformed images by name, or the error of each; the next batch is read while one is described."""

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
