"""Tagging with Ray Data: files are read in chunks, which taggers in actors tag and write as parts."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mner.data.columns import Columns
from mner.data.detection import Format
from mner.data.lines import MAX_LINE_BYTES
from mner.data.readers import iter_posts
from mner.errors import ConfigurationError, DataError, DatasetNotFoundError, MNERError
from mner.inference.output_parts import OutputParts, file_system
from mner.inference.tagging_options import TaggingOptions
from mner.posts import Post
from mner.ray_cluster import check_resources, connect, import_ray
from mner.remote_images import RemoteImages
from mner.terminal import printable

READING_CPUS = 0.1
"""CPU cores of a task that reads a file; other than those of a tagger, or Ray would run both in one process."""
BLOCK_BYTES = 1 << 16
"""Less than a chunk of posts, so that each chunk goes to the next free tagger."""
SHOWN = 10
"""Bad lines and images per part that are passed on as messages; all are counted."""


@dataclass(frozen=True)
class Reading:
    """How posts are read, in one process or in many.

    Args:
        images: Folder of the images.
        format: The input format; by default recognised per file.
        max_line_bytes: Longer lines are left out.
        chunk: Posts per part; in one process, posts that are sorted by length together.
        columns: Names of columns or keys, see :func:`mner.data.iter_posts`.
        remote: What images at an address may be fetched into the image folder, by the tagger that needs them.
    """

    images: Path | None = None
    format: Format | None = None
    max_line_bytes: int = MAX_LINE_BYTES
    chunk: int = 2048
    columns: Columns | None = None
    remote: RemoteImages | None = None


@dataclass(frozen=True)
class Cluster:
    """What a cluster gives to each tagger.

    Args:
        actors: Number of taggers; ``None`` for as many as fit.
        cpus: CPU cores per tagger.
        gpus: GPUs per tagger; 0 tags on CPUs.
    """

    actors: int | None = None
    cpus: float = 1
    gpus: float = 0


@dataclass
class Totals:
    """What was tagged.

    Args:
        posts: Number of posts in all parts.
        bad_lines: Number of lines that could not be read.
        bad_images: Number of images that could not be used in the parts that this run wrote.
        parts: Number of parts.
        messages: The first messages about bad lines and images.
    """

    posts: int = 0
    bad_lines: int = 0
    bad_images: int = 0
    parts: int = 0
    messages: list[str] = field(default_factory=list)


def tag_with_ray(
    source: str,
    ckpt_path: str | Path,
    output: OutputParts,
    reading: Reading,
    options: TaggingOptions,
    cluster: Cluster,
    batch_size: int = 32,
) -> Iterator[Totals]:
    """Tag files of posts on a Ray cluster; parts that are finished already are not tagged again.

    The parts in the order of their names contain the posts in the order of the files; a chunk is tagged in the same
    batches as in one process, so that the lines are the same.

    Args:
        source: A file, a folder of files, or a URL of either.
        ckpt_path: The checkpoint, at the same path on every machine.
        output: Where the parts are written.
        reading: How the files are read.
        options: How the model tags.
        cluster: What each tagger needs.
        batch_size: Posts per batch.

    Yields:
        The totals so far, after each part.

    Raises:
        DatasetNotFoundError: If there are no files.
        ConfigurationError: If Ray is not installed, or the cluster cannot run a tagger.
        MNERError: If a file cannot be read, or the checkpoint or a part cannot be used.
    """
    files = find_files(source)
    ray = import_ray()
    connect()
    actors = _actors(cluster, ray.cluster_resources())
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = BLOCK_BYTES
    rows = [{"file": file, "number": number} for number, file in enumerate(files)]
    chunks = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        read_chunks, batch_size=1, fn_kwargs={"reading": reading, "output": output}, num_cpus=READING_CPUS
    )
    tagged = chunks.map_batches(
        PartTagger,
        batch_size=1,
        fn_constructor_args=(str(ckpt_path), reading, options, output, batch_size, cluster.gpus > 0),
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=max(READING_CPUS, cluster.cpus - READING_CPUS),
        num_gpus=cluster.gpus,
    )
    totals = Totals()
    try:
        for row in tagged.iter_rows():
            totals.posts += row["posts"]
            totals.bad_lines += row["bad_lines"]
            totals.bad_images += row["bad_images"]
            totals.parts += bool(row["posts"])
            totals.messages += row["messages"]
            yield totals
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, MNERError):
            raise cause from error
        raise ConfigurationError(f"Ray gave up: {error}; repeat the command to resume") from error


def find_files(source: str) -> list[str]:
    """List the files of posts: the file itself, or all in a folder that are not hidden, in alphabetical order.

    Raises:
        DatasetNotFoundError: If there are none.
        DataError: If the storage does not answer, or refuses to.
    """
    system, path = file_system(source)
    is_local = "file" in system.protocol
    found = []
    try:
        if system.info(path)["type"] == "file":
            found = [path]
        else:
            found = sorted(each["name"] for each in system.ls(path, detail=True) if each["type"] == "file")
            found = [each for each in found if not each.rpartition("/")[2].startswith((".", "_"))]
    except FileNotFoundError:
        pass
    except Exception as error:  # every storage has errors of its own
        raise DataError(f"cannot read {source}: {type(error).__name__}: {error}; check the address") from error
    if not found:
        raise DatasetNotFoundError(f"no file of posts at {source}; give a file, or a folder that has files")
    return found if is_local else [system.unstrip_protocol(each) for each in found]


def read_chunks(batch: dict[str, Any], reading: Reading, output: OutputParts) -> Iterator[dict[str, Any]]:
    """Read one file, and yield its chunks of posts; those of finished parts without the posts."""
    (file,), (number,) = batch["file"], batch["number"]
    errors: list[str] = []
    count = 0

    def on_error(error: MNERError) -> None:
        nonlocal count
        count += 1
        if len(errors) < SHOWN:
            errors.append(printable(f"{error}"))

    with _local(str(file)) as path:
        posts = iter_posts(
            path,
            images=reading.images,
            format=reading.format,
            on_error=on_error,
            max_line_bytes=reading.max_line_bytes,
            columns=reading.columns,
            remote=reading.remote,
            lenient=True,
        )
        part = 0
        while chunk := list(islice(posts, reading.chunk)):
            name = f"part-{int(number):05}-{part:06}"
            content = b"" if output.has(name) else pickle.dumps(chunk)
            yield _row(part=[name], content=[content], posts=[len(chunk)], bad_lines=[count], messages=[errors])
            count, errors, part = 0, [], part + 1
        if count:  # after the last chunk
            yield _row(part=[""], content=[b""], posts=[0], bad_lines=[count], messages=[errors])


class PartTagger:
    """A tagger in an actor; its process loads the model once.

    Args:
        ckpt_path: The checkpoint.
        reading: How the posts were read.
        options: How the model tags.
        output: Where parts are written.
        batch_size: Posts per batch.
        on_gpu: Whether to run on the GPU that Ray assigned.
    """

    def __init__(
        self,
        ckpt_path: str,
        reading: Reading,
        options: TaggingOptions,
        output: OutputParts,
        batch_size: int,
        on_gpu: bool,
    ) -> None:
        from mner.inference.load import load

        self.tagger = load(ckpt_path, "cuda" if on_gpu else "cpu", options=options)
        self.tagger.use_image_folder(reading.images, reading.remote)
        self.reading = reading
        self.output = output
        self.batch_size = batch_size

    def __call__(self, batch: dict[str, Any]) -> Any:
        """Tag and write one part."""
        (part,), (content,), (posts,) = batch["part"], batch["content"], batch["posts"]
        messages, bad_images = list(batch["messages"][0]), 0

        def on_bad_image(error: str) -> None:
            nonlocal bad_images
            bad_images += 1
            if bad_images <= SHOWN:
                messages.append(printable(error))

        if len(content):
            chunk: Sequence[Post] = pickle.loads(content)
            window = -(-self.reading.chunk // self.batch_size)
            found = self.tagger.stream(chunk, self.batch_size, window, max_wait=None, on_bad_image=on_bad_image)
            self.output.write(str(part), [prediction.to_json() for prediction in found])
        return _row(posts=[posts], bad_lines=[batch["bad_lines"][0]], bad_images=[bad_images], messages=[messages])


@contextmanager
def _local(file: str) -> Iterator[Path]:
    """The path of a file, or of the temporary copy of one at an address: in this way every format can be read."""
    if "://" not in file:
        yield Path(file)
        return
    system, path = file_system(file)
    with TemporaryDirectory(prefix="mner-") as folder:
        copy = Path(folder) / path.rpartition("/")[2]
        try:
            system.get_file(path, str(copy))
        except Exception as error:  # every storage has errors of its own
            raise DataError(f"cannot read {file}: {type(error).__name__}: {error}; check the address") from error
        yield copy


def _row(**columns: list[Any]) -> Any:
    """A batch of one row; NumPy would take a list of strings for a column of them."""
    import pyarrow as pa

    types = {"part": pa.string(), "content": pa.binary(), "messages": pa.list_(pa.string())}
    return pa.table({name: pa.array(values, types.get(name, pa.int64())) for name, values in columns.items()})


def _actors(cluster: Cluster, total: dict[str, float]) -> int:
    """Number of taggers: as many as fit into the cluster, unless given."""
    check_resources({"cpus_per_actor": cluster.cpus, "gpus_per_actor": cluster.gpus})
    if cluster.actors is not None:
        if cluster.actors < 1:
            raise ConfigurationError(f"expected num_actors of at least 1, got {cluster.actors}")
        return cluster.actors
    needs = [("CPU", cluster.cpus), ("GPU", cluster.gpus)]
    fit = min((int(total.get(name, 0) // each) for name, each in needs if each), default=1)
    if fit < 1:
        raise ConfigurationError(
            f"a tagger needs {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs, more than any cluster of "
            f"{total.get('CPU', 0):g} CPUs and {total.get('GPU', 0):g} GPUs has; lower "
            "--cpus_per_actor or --gpus_per_actor"
        )
    return fit
