"""Entity types in words, for prompts, and the types that answers name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mner.errors import ConfigurationError
from mner.labels import types_of
from mner.posts import Post

DESCRIPTIONS = {
    "PER": "people, real or fictional, also by their user names",
    "LOC": "places: countries, cities, regions, buildings, natural places",
    "ORG": "organisations: companies, institutions, teams, bands, media",
    "MISC": "other names: events, products, works of art, nationalities, awards",
    "OTHER": "other names: events, products, works of art, nationalities, awards",
}
"""What the types of the usual data sets mean."""
_FAMILIES = (
    (
        ("PER", "PERSON"),
        "person people human individual character player singer actor actress politician artist musician author writer "
        "photographer official figure",
    ),
    (
        ("LOC", "LOCATION", "GPE"),
        "location place city country state region area venue building landmark geo-loc gpe geolocation geopolitical "
        "stadium facility",
    ),
    (
        ("ORG", "ORGANIZATION", "ORGANISATION"),
        "organization organisation company corporation institution team band club agency league university brand media "
        "party group",
    ),
    (
        ("MISC", "OTHER", "MISCELLANEOUS"),
        "miscellaneous misc other event festival product movie film show song album book award work title game concert "
        "nationality holiday religion series program programme tournament",
    ),
)
"""Words for a type by the names of its code in data sets."""


class EntityTypes:
    """The types of a data set, with a description each.

    Args:
        descriptions: Description by type; an empty one is replaced by that of :data:`DESCRIPTIONS`, or the type itself.

    Raises:
        ConfigurationError: If there is no type, or two differ only in case.

    Example:
        >>> types = EntityTypes({"PER": "", "LOC": ""})
        >>> types.find("Person"), types.find("city/country"), types.find("year")
        ('PER', 'LOC', None)
    """

    def __init__(self, descriptions: Mapping[str, str]) -> None:
        self.descriptions = {name: text or DESCRIPTIONS.get(name, name) for name, text in descriptions.items()}
        self._names = {_plain(name): name for name in self.descriptions}
        if not self.descriptions or len(self._names) < len(self.descriptions):
            raise ConfigurationError(
                f"expected entity types that differ in more than case, got {', '.join(descriptions) or 'none'}; "
                "give them with --types, or annotated posts"
            )
        for codes, words in _FAMILIES:
            code = next((self._names[_plain(each)] for each in codes if _plain(each) in self._names), None)
            if code is not None:
                for word in (*codes, *words.split()):
                    self._names.setdefault(_plain(word), code)

    @classmethod
    def of(cls, posts: Iterable[Post]) -> EntityTypes:
        """The types of annotated posts, in alphabetical order."""
        return cls(dict.fromkeys(sorted(types_of(tag for post in posts for tag in post.tags or ())), ""))

    @property
    def names(self) -> list[str]:
        """The types."""
        return list(self.descriptions)

    def __str__(self) -> str:
        """The types with their descriptions, one per line."""
        return "\n".join(
            f"- {name}: {text}" if name != text else f"- {name}" for name, text in self.descriptions.items()
        )

    def find(self, given: object) -> str | None:
        """The type that an answer names, by its name, or by a word for it; ``None`` if it is none of them.

        Of several words, as in ``person/player``, the first that is known counts.
        """
        if not isinstance(given, str):
            return None
        parts = [given, *re.split(r"[/,;|()]+", given[:200]), *re.split(r"[^\w-]+", given[:200])]
        return next((self._names[name] for name in map(_plain, parts) if name in self._names), None)


def _plain(name: str) -> str:
    """A name without case and a plural's s, in which answers differ."""
    name = " ".join(name.casefold().split())
    return name[:-1] if len(name) > 4 and name.endswith("s") and not name.endswith("ss") else name
