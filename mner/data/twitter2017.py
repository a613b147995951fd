"""Twitter-2017 (Lu et al. 2018): 3,373 / 723 / 723 tweets with images in the split of Yu et al. (2020)."""

from __future__ import annotations

from mner.data.folder import FolderDataModule


class Twitter2017(FolderDataModule):
    """Tweets of 2016 and 2017, typed PER, LOC, ORG, MISC (Lu et al. 2018; paper, table 1).

    The arguments are those of :class:`~mner.data.folder.FolderDataModule`.
    """

    name = "twitter2017"
    types = ("PER", "LOC", "ORG", "MISC")
