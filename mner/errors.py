"""The errors of the library: each states what was expected, what was given, and what to do."""

from __future__ import annotations

from pathlib import Path

from mner.terminal import printable


class MNERError(Exception):
    """Base of every error that mner raises on purpose; its message is safe to print.

    Args:
        lines: The message, usually one line. Words, ids and file names need no escaping: control characters in them,
            line breaks included, are shown as escapes.
    """

    def __init__(self, *lines: object) -> None:
        super().__init__(*lines)

    def __str__(self) -> str:
        """The message without control characters."""
        return "\n".join(map(printable, self.args))


def summary(error: BaseException) -> str:
    """Summarise the message of another library's error in one line.

    Args:
        error: What was raised.

    Returns:
        The first line that is not blank, with what a colon at its end announces; without a message, the error's type.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    end = next((index for index, line in enumerate(lines, 1) if not line.endswith(":")), len(lines))
    return " ".join(lines[:end]) or type(error).__name__


class DataError(MNERError):
    """Posts, tags or context files that cannot be used as they are."""


class FormatError(DataError):
    """A file that cannot be parsed: names the file, the line, what was found and the remedy.

    Args:
        path: The file.
        line: Line number, counted from 1, or ``None`` where the whole file is meant.
        found: Description of what was found there.
        remedy: What to do about it.
        unit: What the number counts: lines, or the rows of a table.
    """

    def __init__(self, path: str | Path, line: int | None, found: str, remedy: str, unit: str = "line") -> None:
        self.path, self.line, self.found, self.remedy, self.unit = Path(path), line, found, remedy, unit
        place = f"{path}, {unit} {line}" if line is not None else f"{path}"
        super().__init__(f"{place}: {found}. {remedy}")

    def __reduce__(self) -> tuple[type[FormatError], tuple[Path, int | None, str, str, str]]:
        """Pickle the parts, so that the error survives its transfer from a data loader's worker."""
        return type(self), (self.path, self.line, self.found, self.remedy, self.unit)


class DatasetNotFoundError(DataError):
    """A data set's folder or split that is not there."""


class LabelError(MNERError):
    """Tags outside the label set, of another scheme, or in another order."""


class ShapeError(MNERError):
    """Tensors whose shapes do not fit: the message reads "expected ..., got ..."."""


class UsageError(MNERError):
    """Options of a command that its parser refuses."""


class ConfigurationError(MNERError):
    """Parts that cannot be combined, or an argument outside its range."""


class RegistryError(MNERError):
    """An unknown or duplicate name in a registry."""


class WeightsNotFoundError(MNERError):
    """Pretrained weights that are neither on disk nor reachable."""


class CheckpointError(MNERError):
    """A checkpoint that is truncated, not of mner, or made for other labels."""


class DivergenceError(MNERError):
    """A training run whose loss or weights became NaN or infinite."""


class ImageError(MNERError):
    """An image that cannot be read, where the policy is to refuse it."""


class MissingImageError(ImageError):
    """An image whose file is not there."""


class OutputError(MNERError):
    """A file that cannot be written: the disk is full, the path is not writable, or another process is writing it."""


class WriterError(MNERError):
    """A language model that cannot be asked: no server, no such model, a key that is refused."""


class ExperimentError(MNERError):
    """Cells of an experiment grid that failed; all other cells are finished."""


class AlignmentError(MNERError):
    """Predictions that cannot be compared, since they are not of the same posts."""
