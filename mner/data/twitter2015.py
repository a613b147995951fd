"""Twitter-2015 (Zhang et al. 2018): 4,000 / 1,000 / 3,257 tweets with images."""

from __future__ import annotations

from mner.data.folder import FolderDataModule
from mner.word_tokenizers import TweetTokenizer


class Twitter2015(FolderDataModule):
    """Tweets of 2014 and 2015 with an image, typed PER, LOC, ORG, OTHER (Zhang et al. 2018; paper, table 1).

    The arguments are those of :class:`~mner.data.folder.FolderDataModule`.
    """

    name = "twitter2015"
    types = ("PER", "LOC", "ORG", "OTHER")
    word_tokenizer = TweetTokenizer(split_marks=False)
