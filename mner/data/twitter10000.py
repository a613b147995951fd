"""Twitter-GMNER (Yu et al. 2023): 7,000 / 1,500 / 1,500 tweets of Twitter-2015 and 2017 with boxes; FMNERG's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from mner.data.folder import POST_FILES, FolderDataModule
from mner.data.large_files import open_posts
from mner.data.splits import Split, find_split
from mner.labels import check_choice, labels_for
from mner.posts import Post

Annotation = Literal["gmner", "fmnerg_coarse", "fmnerg_fine"]

COARSE_TO_FINE: Mapping[str, tuple[str, ...]] = {
    "location": ("city", "country", "state", "continent", "location_other", "park", "road"),
    "building": ("building_other", "cultural_place", "entertainment_place", "sports_facility"),
    "organization": (
        *("company", "educational_institution", "band", "government_agency", "news_agency", "organization_other"),
        *("political_party", "social_organization", "sports_league", "sports_team"),
    ),
    "person": (
        *("politician", "musician", "actor", "artist", "athlete", "author", "businessman", "character", "coach"),
        *("director", "intellectual", "journalist", "person_other"),
    ),
    "other": ("animal", "award", "medical_thing", "website", "ordinance"),
    "art": ("art_other", "film_and_television_works", "magazine", "music", "written_work"),
    "event": ("event_other", "festival", "sports_event"),
    "product": ("brand_name_products", "game", "product_other", "software"),
}
"""The 8 coarse and 51 fine types of FMNERG (Wang et al. 2023)."""

_TYPES: Mapping[Annotation, tuple[str, ...]] = {
    "gmner": ("PER", "LOC", "ORG", "OTHER"),
    "fmnerg_coarse": tuple(COARSE_TO_FINE),
    "fmnerg_fine": tuple(fine for types in COARSE_TO_FINE.values() for fine in types),
}
_COLUMNS: Mapping[Annotation, int | None] = {"gmner": None, "fmnerg_coarse": 2, "fmnerg_fine": 3}


class Twitter10000(FolderDataModule):
    """Tweets with entities and their boxes (GMNER, Yu et al. 2023), or the same ones with FMNERG's types.

    The folder is that of the repositories: ``txt/train.txt`` (FMNERG: ``txt_fine/train.txt``), ``txt/dev.txt``,
    ``txt/test.txt``, ``xml/<image id>.xml`` and ``images``. Each entity has ``Post.boxes``; an image without
    an XML file shows none of its post's entities.

    The training split contains validation and test posts of Twitter-2015 and 2017: name those in ``held_out`` if a
    model is to be tested on them.

    Args:
        root: The folder; ``data/twitter10000`` by default.
        annotation: ``gmner`` for the types PER, LOC, ORG and OTHER; ``fmnerg_coarse`` for FMNERG's 8 types,
            ``fmnerg_fine`` for its 51.
        kwargs: The other arguments of :class:`~mner.data.folder.FolderDataModule`.

    Raises:
        ConfigurationError: If there is no such annotation.
    """

    name = "twitter10000"
    types = _TYPES["gmner"]

    def __init__(self, root: str | Path | None = None, annotation: Annotation = "gmner", **kwargs: Any) -> None:
        check_choice("annotation", annotation, get_args(Annotation))
        super().__init__(root, **kwargs)
        self.annotation: Annotation = annotation
        self.labels = labels_for(_TYPES[annotation])

    def split_file(self, split: Split) -> Path:
        """The file of a split.

        Raises:
            DatasetNotFoundError: If it is not there; names the places that were searched.
        """
        folder = "txt" if self.annotation == "gmner" else "txt_fine"
        return find_split(self.root, split, (f"{folder}/{{split}}.txt", *POST_FILES))

    def read_file(self, path: Path, images: Path | None) -> Sequence[Post]:
        """Read the posts of a file, with the tags of the annotation and with the boxes."""
        return open_posts(path, images=images, tag_column=_COLUMNS[self.annotation])
