"""Image names in data files, joined to the image folder and never leaving it."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

from mner.data.lines import Line


def image_path(name: str, images: Path | None, line: Line) -> Path:
    """Where an image lies.

    Args:
        name: The name in the data file, with a sub-folder or without.
        images: The image folder, or ``None``.
        line: The line that names it, for the message.

    Returns:
        ``images / name``, or the name alone as a relative path where no folder is given.

    Raises:
        FormatError: If the name is absolute, climbs out of the folder with ``..``, or is no file name at all.
    """
    name = name if images is None else _inside(name, images)
    # The Windows reading knows both kinds of slash, and drives, so one rule serves on every system.
    parts = PureWindowsPath(name)
    if parts.drive or parts.root or ".." in parts.parts or not parts.name or "\0" in name:
        raise line.error(
            f"the image name {name!r} leads out of the image folder",
            "Name images relative to that folder, without '..'",
        )
    return Path(name) if images is None else images / name


def _inside(name: str, images: Path) -> str:
    """A name relative to the image folder where it was written with the folder, as :attr:`Post.image` is."""
    path, folder = Path(name).absolute(), images.absolute()
    written_with_folder = "\0" not in name and path.is_relative_to(folder) and not (folder / name.lstrip("/")).exists()
    return path.relative_to(folder).as_posix() if written_with_folder else name
