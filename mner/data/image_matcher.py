"""Which of the images that a file of captions names is the image of a post."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path

from mner.data.image_names import (
    DEFAULT_SUFFIX,
    ImageFolder,
    ImageNames,
    relative_name,
    spelling,
    split_suffix,
)
from mner.paths import is_file
from mner.posts import Post


class ImageMatcher:
    """Matches images by their path relative to the image folder, and by less only where that can mean one image alone.

    In this order, and by spellings that mean the same file (see :func:`mner.data.image_names.spelling`):

    1. the path relative to the image folder; or to the one folder above it, relative to which most images are found, as
       for captions that were made of all of ``images`` where the posts are those of ``images/train``;
    2. a name without suffix, if it is the only image of that name among the posts, or ``.jpg``;
    3. for a post that is called like its ``.jpg``, as ``IMGID:33`` of a file without images is: the one name of any
       suffix;
    4. the file name, if the names have no folders and the posts no second image called so, or if the posts have none.

    A name never means an image if it is more exactly that of another one, of the posts or in the image folder.

    Args:
        names: The names that the file gives.
        posts: All posts that are to be matched.
        images: The image folder; by default the folder that all images of the posts have in common.
    """

    def __init__(self, names: ImageNames, posts: Iterable[Post], images: Path | None = None) -> None:
        self.names = names
        paths = {image for post in posts for image in post.images}
        self._images = None if images is None else ImageFolder(images)
        self.folder = self._base(paths, _common_folder(paths) if images is None else images)
        self._own = {path: relative_name(path, self.folder) for path in paths}
        spelled = [spelling(name) for name in self._own.values()]
        self._stems = Counter(split_suffix(name)[0] for name in spelled)
        self._files = Counter(name.rpartition("/")[2] for name in spelled)
        self._file_stems = Counter(split_suffix(name.rpartition("/")[2])[0] for name in spelled)

    def match(self, post: Post) -> list[str]:
        """The names that mean the images of one of the posts, in the order of the images."""
        found = (self._match(post.id, image) for image in post.images)
        return [name for name in found if name is not None]

    def near(self, post: Post) -> list[str]:
        """The names that look like a post's image and yet are other images."""
        return [] if post.image is None else self.names.near(post.image.as_posix())

    def _match(self, post_id: str, image: Path) -> str | None:
        own = self._own[image]
        name = (
            self.names.find(own)
            or self._without_suffix(own, self._stems, DEFAULT_SUFFIX)
            or self._by_id(post_id, image, own)
            or self._by_file(image, own)
        )
        return None if name is not None and name != own and self._is_of_another(name, image) else name

    def _is_of_another(self, name: str, image: Path) -> bool:
        """Whether a name that is not exactly that of an image is, or may be, that of another one."""
        if name in self._names_of_posts:
            return True
        if self._images is None:
            return False
        own = relative_name(image, self._images.path)
        files = self._images.names
        other = files.find(name) if split_suffix(name)[1] else files.find_without_suffix(name)
        by_file = "/" not in name and "/" in own
        return other not in (None, own) or (by_file and own in files and files.find_file(own) is None)

    def _base(self, paths: Collection[Path], folder: Path | None) -> Path | None:
        """The folder that the names are relative to."""
        if folder is None or not self._in_folders:
            return folder
        # Without an image folder, a longer name that fits says more than a shorter one.
        folders = [folder, *folder.parents] if self._images is not None else [*reversed(folder.parents), folder]
        found = [sum(self.names.find(relative_name(path, each)) is not None for path in paths) for each in folders]
        return folders[found.index(max(found))]

    def _without_suffix(self, own: str, stems: Counter[str], preferred: str | None = None) -> str | None:
        stem, suffix = split_suffix(spelling(own))
        if split_suffix(stem)[1]:  # x.png.jpg, where x.png is another image
            return None
        return self.names.find(stem) if stems[stem] == 1 or suffix == preferred else None

    def _by_id(self, post_id: str, image: Path, own: str) -> str | None:
        stem, suffix = split_suffix(own)
        named_by_id = suffix == DEFAULT_SUFFIX and stem == post_id and self._stems[spelling(stem)] == 1
        # A file that is there settles the suffix.
        if not named_by_id or is_file(image):
            return None
        return self.names.find_without_suffix(stem)

    def _by_file(self, image: Path, own: str) -> str | None:
        file = own.rpartition("/")[2]
        if self._files[spelling(file)] > 1:
            return None
        if not self._in_folders:
            return self.names.find(file) or self._without_suffix(file, self._file_stems)
        return None if self._images is not None or len(image.parts) > 1 else self.names.find_file(file)

    @cached_property
    def _names_of_posts(self) -> frozenset[str]:
        return frozenset(self._own.values())

    @cached_property
    def _in_folders(self) -> bool:
        return self.names.in_folders


def _common_folder(paths: Iterable[Path]) -> Path | None:
    try:
        return Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError:  # no image at all, or absolute paths and relative ones
        return None
