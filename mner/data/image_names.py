"""Image names as spelled in data files, and the one image that each of them refers to."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote

from mner.argument_types import check_type
from mner.data.context_texts import NO_TEXT
from mner.data.lines import Line
from mner.paths import is_file, is_folder
from mner.remote_images import RemoteImages, remote_path

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff"}
    | {".avif", ".heic", ".heif", ".svg", ".ico"}
)
"""What may follow the last dot of an image's name; after any other dot the name continues, as in ``17.06.1``."""
DEFAULT_SUFFIX = ".jpg"
"""Suffix of images that are named without one, as in the published data sets."""

LINK = re.compile(r"[a-z][a-z0-9+.-]+://|data:[a-z]+/", re.IGNORECASE)
"""The beginning of a URL or of an image that is encoded in its name."""

_DELIMITERS = re.compile(r"[,;|\s]+")
_PLAIN = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)


def split_suffix(name: str) -> tuple[str, str]:
    """Split a name before its image suffix.

    Example:
        >>> split_suffix("a/33.JPG"), split_suffix("17.06.1")
        (('a/33', '.JPG'), ('17.06.1', ''))
    """
    stem, dot, suffix = name.rpartition(".")
    known = stem[-1:] not in ("", "/") and f".{suffix.lower()}" in IMAGE_SUFFIXES
    return (stem, dot + suffix) if known else (name, "")


def split_names(names: str) -> list[str]:
    """Split a string of several image names, as in the cell of a table; any other string is one name.

    Example:
        >>> split_names("a.jpg, b.png"), split_names("St. Louis, Missouri.jpg")
        (['a.jpg', 'b.png'], ['St. Louis, Missouri.jpg'])
    """
    for delimiter in (r"[,;|]", r"\s+"):
        found = [name.strip() for name in re.split(delimiter, names.strip())]
        if len(found) > 1 and all(split_suffix(name)[1] for name in found) and not any(map(LINK.match, found)):
            return found
    return [names]


def spelling(name: str) -> str:
    r"""Normalise a name, so that all spellings of one file are equal.

    Slashes of either kind, URL escapes, Unicode composed or decomposed, spaces around the name and the case of the
    suffix make no difference. The case of the rest matters, since ids of images may differ only in case.

    Example:
        >>> spelling(" a\\my%20dog.JPG ")
        'a/my dog.jpg'
    """
    if not _PLAIN.fullmatch(name):
        name = PurePosixPath(unicodedata.normalize("NFC", unquote(name.replace("\\", "/"))).strip()).as_posix()
    stem, suffix = split_suffix(name)
    return stem + suffix.lower()


class ImageNames:
    """The names of many images, relative to one folder, with lookup in constant time.

    A name finds an image only if it can refer to no other image.

    Args:
        names: The names, with ``/`` between folders.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def __contains__(self, name: str) -> bool:
        """Return whether an image is spelled exactly like this."""
        return name in self._names

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in alphabetical order."""
        return iter(self._sorted)

    @property
    def in_folders(self) -> bool:
        """Return whether some image is in a subfolder."""
        return any("/" in spelled for spelled in self._by_spelling)

    def find(self, name: str) -> str | None:
        """Return the image with exactly this name, or else the one whose name differs in spelling only."""
        if name in self._names:
            return name
        same = self._by_spelling.get(spelling(name), ())
        return same[0] if len(same) == 1 else None

    def find_without_suffix(self, stem: str) -> str | None:
        """Return the image of a name without a suffix: the only one of that name, or else the only ``.jpg``."""
        found = self._by_stem.get(spelling(stem), ())
        if len(found) > 1:
            found = [name for name in found if spelling(name).endswith(DEFAULT_SUFFIX)]
        return found[0] if len(found) == 1 else None

    def find_file(self, name: str) -> str | None:
        """Return the only image whose file has this name, in any folder."""
        file = spelling(name).rpartition("/")[2]
        found = [other for other in self.near(name) if spelling(other).rpartition("/")[2] == file]
        return found[0] if len(found) == 1 else None

    def numbered(self, name: str) -> list[str]:
        """Return the images ``<name>_1.jpg``, ``<name>_2.jpg`` and so on, in the order of the numbers."""
        numbers = {found: _stem(found).rpartition("_")[2] for found in self._by_number.get(spelling(name), [])}
        return sorted(filter(lambda found: numbers[found].isdecimal(), numbers), key=lambda found: int(numbers[found]))

    def near(self, name: str) -> list[str]:
        """Suggest names with another suffix, in another folder, or in another case."""
        return self._by_file_stem.get(_file_stem(name), [])

    @cached_property
    def _by_spelling(self) -> dict[str, list[str]]:
        return self._group(spelling(name) for name in self._sorted)

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return self._group(map(_stem, self._sorted))

    @cached_property
    def _by_number(self) -> dict[str, list[str]]:
        return self._group(_stem(name).rpartition("_")[0] for name in self._sorted)

    @cached_property
    def _by_file_stem(self) -> dict[str, list[str]]:
        return self._group(_file_stem(name) for name in self._sorted)

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self._names)

    def _group(self, keys: Iterable[str]) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = defaultdict(list)
        for key, name in zip(keys, self._sorted, strict=True):
            groups[key].append(name)
        return dict(groups)


class ImageFolder:
    """An image folder, which is listed once, when the first image is not there under exactly the name given.

    Args:
        path: The folder; one that is not there has no images.
        remote: What may be fetched into the folder, where it is needed; ``None`` for nothing.
    """

    def __init__(self, path: str | Path, remote: RemoteImages | None = None) -> None:
        check_type("the image folder", path, str)
        self.path = Path(path)
        self.remote = remote

    @cached_property
    def names(self) -> ImageNames:
        """Return all files in the folder and its subfolders; links are followed, each folder is listed once."""
        found: list[str] = []
        listed: set[tuple[int, int]] = set()
        for folder, subfolders, files in os.walk(self.path, followlinks=True) if is_folder(self.path) else ():
            inside = Path(folder).relative_to(self.path)
            prefix = "" if inside == Path() else f"{inside.as_posix()}/"
            found += [prefix + file for file in files]
            subfolders[:] = [name for name in sorted(subfolders) if _is_new(Path(folder, name), listed)]
        return ImageNames(found)

    @property
    def is_listed(self) -> bool:
        """Return whether the folder has been listed."""
        return "names" in vars(self)

    def __contains__(self, name: str) -> bool:
        """Return whether there is a file of exactly this name."""
        return is_file(os.path.join(self.path, name))  # noqa: PTH118 - faster

    def find(self, name: str) -> str | None:
        """Return the image with exactly this name, or else the one whose name differs in spelling only."""
        return name if name in self else self.names.find(name)

    def find_without_suffix(self, stem: str) -> str | None:
        """Return the image of a name without a suffix: its ``.jpg``, or else the only image of that name."""
        name = stem + DEFAULT_SUFFIX
        return name if name in self else self.names.find_without_suffix(stem)

    def split_ids(self, ids: str) -> list[str]:
        """Split an id such as ``33,34`` that names no image, but whose parts all do; any other is one id."""
        parts = _DELIMITERS.split(ids.strip())
        is_several = len(parts) > 1 and self._of_id(ids) is None and all(part and self._of_id(part) for part in parts)
        return parts if is_several else [ids]

    def _of_id(self, name: str) -> str | None:
        return self.find(name) if split_suffix(name)[1] else self.find_without_suffix(name)


def _is_new(folder: Path, listed: set[tuple[int, int]]) -> bool:
    """Whether a folder is none of those that were listed, to which links may lead back; adds it to them."""
    try:
        status = folder.stat()
    except OSError:
        return False
    key = status.st_dev, status.st_ino
    is_new = key not in listed
    listed.add(key)
    return is_new


def relative_name(path: Path, folder: Path | None) -> str:
    """Return a path, relative to a folder if it is inside, with ``/`` between folders."""
    return (path.relative_to(folder) if folder is not None and path.is_relative_to(folder) else path).as_posix()


def with_near(name: str, near: Sequence[str]) -> str:
    """Describe a name that is not there, with up to three that are there and look like it.

    Example:
        >>> with_near("33.jpg", ["33.png"])
        '33.jpg (there is 33.png)'
    """
    return f"{name} (there is {' and '.join(near[:3])})" if near else name


def image_path(name: str, images: ImageFolder | None, line: Line, *, is_id: bool = False) -> Path | None:
    """Return the path of the image that a data file names.

    Args:
        name: The name in the data file, relative to the image folder, or including that folder, as in ``Post.image``.
        images: The image folder, or ``None``.
        line: The line that names it, for the message.
        is_id: Whether the name may lack its suffix, which is then that of the file in the folder, or ``.jpg``.

    Returns:
        The image's path in the folder, as the file is spelled there; as the name is written if it is not there, and
        relative if no folder is given. ``None`` if the name is blank or stands for a missing value.

    Raises:
        FormatError: If the name is absolute, climbs out of the folder with ``..``, or is an address from which nothing
            may be fetched.
    """
    if not name.strip() or name.strip().casefold() in NO_TEXT:
        return None
    if LINK.match(name.strip()):
        if images is not None and images.remote is not None and images.remote.allows(name.strip()):
            return remote_path(name.strip(), images.path)
        raise line.error(
            f"the image {name!r:.80}, a link",
            "Save it in the image folder, and give its file name; or give an image folder, and allow its protocol with "
            "--remote_images.protocols [https], or with remote_images of PostFiles (remote=RemoteImages() in Python)",
        )
    name = name if images is None else _inside(name, images)
    # Windows paths have both kinds of slash, and drives, so one rule works on every system.
    parts = PureWindowsPath(name.strip())
    if parts.drive or parts.root or ".." in parts.parts or not parts.name or "\0" in name:
        raise line.error(
            f"the image name {name!r} leads out of the image folder",
            "Name images relative to that folder, without '..'",
        )
    plain = parts.as_posix()
    without_suffix = is_id and not split_suffix(plain)[1]
    if images is None:
        return Path(plain + DEFAULT_SUFFIX if without_suffix else plain)
    found = images.find_without_suffix(name) if without_suffix else images.find(name)
    return images.path / (found or (plain + DEFAULT_SUFFIX if without_suffix else plain))


def _inside(name: str, images: ImageFolder) -> str:
    """Return a name relative to the image folder if it includes the folder, as ``Post.image`` does."""
    if "/" not in name or "\0" in name or name.lstrip("/") in images:
        return name
    path, folder = Path(name).absolute(), images.path.absolute()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else name


def _stem(name: str) -> str:
    return split_suffix(spelling(name))[0]


def _file_stem(name: str) -> str:
    return _stem(name).rpartition("/")[2].casefold()
