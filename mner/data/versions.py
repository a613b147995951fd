"""Identification of published data files by their fingerprint.

Several versions of Twitter-2015 circulate (the original, one with 18 tweets edited, a relabelled one, one without its
last post), and Twitter-2017 differs between papers. Scores on different versions are not comparable.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A published file, on which published scores are based.

    Args:
        dataset: Name of the data set.
        version: Description of its version.
        split: ``train``, ``valid`` or ``test``.
    """

    dataset: str
    version: str
    split: str

    def __str__(self) -> str:
        """Format as ``Twitter-2015 train, the version ...``."""
        return f"{self.dataset} {self.split}, {self.version}"


_TWITTER_2015 = "Twitter-2015", "the version of Zhang et al. 2018 that Yu et al. 2020 train on"
_TWITTER_2017 = "Twitter-2017", "the tweets of Lu et al. 2018 that have an image, as Yu et al. 2020 train on"
_GMNER_1 = "Twitter-GMNER", "version 1 of Yu et al. 2023"
_GMNER_2 = "Twitter-GMNER", "version 2, corrected by its authors"

# MD5 of the text with LF line ends.
_KNOWN = {
    "4dac4b9635d85f13b6e6a49dbfedd473": KnownFile(*_TWITTER_2015, "train"),
    "17dfa4e7af64fba89c1bb6a7eaca2781": KnownFile(*_TWITTER_2015, "valid"),
    "b9a4d75baa76cb7311bd440fd6215524": KnownFile(*_TWITTER_2015, "test"),
    "aa48e6b5b55de94e4254835f75955a6e": KnownFile(*_TWITTER_2017, "train"),
    "5404c00d469f24da4dcd9bd99fe44b71": KnownFile(*_TWITTER_2017, "valid"),
    "11ae49ea798f605fee58cdfe219b6196": KnownFile(*_TWITTER_2017, "test"),
    "5ca07d36c756f0aec327c9e5d79a197f": KnownFile(*_GMNER_1, "train"),
    "c9cfc0bc7e1586c7fdb3526161c35fc5": KnownFile(*_GMNER_1, "valid"),
    "4f535572e9641b5afd7b204c4132719d": KnownFile(*_GMNER_1, "test"),
    "54e6876de036585658b659835fe312b8": KnownFile(*_GMNER_2, "train"),
    "5540986b1909f74c1c4d8294c709305f": KnownFile(*_GMNER_2, "valid"),
    "8c7add49cb0c3a07dca627fe35c15ee7": KnownFile(*_GMNER_2, "test"),
}


def fingerprint(path: str | Path) -> str:
    """Compute the MD5 of a file's text with LF line ends, so that a copy made on Windows is the same version."""
    return hashlib.md5(Path(path).read_bytes().replace(b"\r\n", b"\n"), usedforsecurity=False).hexdigest()


def identify(path: str | Path) -> KnownFile | None:
    """Identify a published file; ``None`` if it is not a known one."""
    return _KNOWN.get(fingerprint(path))
