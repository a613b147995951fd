"""The messages of every command: some are silenced, and warnings are one line."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mner.terminal import printable_lines

# Printed at every start, although a user of the command line cannot act on them.
SILENCED_MESSAGES = (
    "💡 Tip",
    "Loading `train_dataloader`",
    "TPU available",
    "HPU available",
    "IPU available",
    "`weights_only` was not set",
)
SILENCED_WARNINGS = (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    ".*exists and is not empty.*",
    ".*Couldn't infer the batch indices.*",
    ".*args parameter is intended to run from within Python.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*You have overridden `on_before_batch_transfer` in.*",
    ".*could be decompression bomb DOS attack.*",  # mner's own limit is lower
    ".*in eval mode at the start of training.*",  # intended for a frozen image encoder
)
PACKAGE = Path(__file__).parent.parent


@contextmanager
def useful_messages() -> Iterator[None]:
    """Silence messages that no user can act on, and print warnings of mner without their source line."""
    log = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    log.addFilter(_is_useful)
    usual = warnings.formatwarning
    with warnings.catch_warnings():
        for message in SILENCED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        warnings.formatwarning = _in_one_line
        try:
            yield
        finally:
            warnings.formatwarning = usual
            log.removeFilter(_is_useful)


def _in_one_line(message: Warning | str, category: type[Warning], filename: str, *_: Any, **__: Any) -> str:
    own = Path(filename).is_relative_to(PACKAGE)
    return printable_lines(f"warning: {message}" if own else f"{filename}: {category.__name__}: {message}") + "\n"


def _is_useful(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(SILENCED_MESSAGES)
