"""The names in demo posts: ambiguous ones with all their types, and plain ones of one type.

``NOVEL_*`` appear in the test split only.
"""

from __future__ import annotations

TYPES = ("PER", "LOC", "ORG", "MISC")

# Over all names each type occurs equally often (11 times, and 5 times among the novel ones), so that a split which
# uses every name equally often has as many mentions of one type as of another.
AMBIGUOUS: dict[str, tuple[str, ...]] = {
    "Jordan": ("PER", "LOC", "ORG", "MISC"),
    "Lincoln": ("PER", "LOC", "ORG", "MISC"),
    "Chelsea": ("PER", "LOC", "ORG"),
    "Washington": ("PER", "LOC", "ORG"),
    "Paris": ("PER", "LOC", "MISC"),
    "Phoenix": ("PER", "LOC", "MISC"),
    "Tesla": ("PER", "ORG", "MISC"),
    "Mercedes": ("PER", "ORG", "MISC"),
    "Hugo Boss": ("PER", "ORG", "MISC"),
    "Delta": ("LOC", "ORG", "MISC"),
    "Florence": ("PER", "LOC"),
    "Austin": ("PER", "LOC"),
    "Amazon": ("LOC", "ORG"),
    "Santa Fe": ("LOC", "MISC"),
    "Puma": ("ORG", "MISC"),
    "Apple": ("ORG", "MISC"),
}
NOVEL_AMBIGUOUS: dict[str, tuple[str, ...]] = {
    "Victoria": ("PER", "LOC", "MISC"),
    "Orlando": ("PER", "LOC", "ORG"),
    "Dakota": ("PER", "LOC", "MISC"),
    "Calvin Klein": ("PER", "ORG", "MISC"),
    "Sydney": ("PER", "LOC"),
    "Gap": ("LOC", "ORG"),
    "Jaguar": ("ORG", "MISC"),
    "Target": ("ORG", "MISC"),
}

PLAIN: dict[str, tuple[str, ...]] = {
    "PER": (
        "Nora Lindqvist",
        "Kofi Mensah",
        "Priya Raman",
        "Mateo Alvarez",
        "Hannah",
        "Tariq",
        "Dr. Okafor",
        "Mike O'Connor",
        "Yuki Tanaka",
        "Lena Fischer",
        "Old Joe",
        "Grandma Rosa",
    ),
    "LOC": (
        "Lisbon",
        "Nairobi",
        "New Zealand",
        "Osaka",
        "Lake Como",
        "Brooklyn",
        "Peru",
        "Copenhagen",
        "Cape Town",
        "Zanzibar",
        "Hanoi",
        "Scotland",
    ),
    "ORG": (
        "Nokia",
        "Lufthansa",
        "UNICEF",
        "Manchester United",
        "Amnesty International",
        "Siemens",
        "BBC",
        "Greenpeace",
        "Deutsche Bank",
        "Netflix",
        "IKEA",
        "Reuters",
    ),
    "MISC": (
        "Eurovision",
        "Minecraft",
        "Stranger Things",
        "Oktoberfest",
        "Moby Dick",
        "Galaxy S9",
        "The Lion King",
        "Tour de France",
        "Game Boy",
        "Hamlet",
        "Xbox",
        "Tetris",
    ),
}
NOVEL_PLAIN: dict[str, tuple[str, ...]] = {
    "PER": ("Ingrid Solberg", "Carlos", "Uncle Ben", "Fatima Zahra", "Coach Brown", "Zoe"),
    "LOC": ("Montreal", "Iceland", "Buenos Aires", "Goa", "Hyde Park", "Vienna"),
    "ORG": ("Toyota", "Oxfam", "Real Madrid", "Airbus", "Unilever", "Spotify"),
    "MISC": ("Super Mario", "Frankenstein", "Wimbledon", "Walkman", "Star Trek", "Monopoly"),
}
