"""The paper's private Snapchat set: 2,636 / 753 / 376 snaps, in the JSON-lines layout."""

from __future__ import annotations

from mner.data.folder import FolderDataModule


class Snapchat(FolderDataModule):
    """Captions of public snaps, typed PER, LOC, ORG, MISC (paper, section 4.1); for those who have the data.

    The arguments are those of :class:`~mner.data.folder.FolderDataModule`.
    """

    name = "snapchat"
    types = ("PER", "LOC", "ORG", "MISC")
