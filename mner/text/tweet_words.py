"""Words of tweets as BERTweet was pretrained on them: mentions, links and emoji in a normal form."""

from __future__ import annotations

from functools import lru_cache

from mner.extras import extra

MENTION, LINK = "@USER", "HTTPURL"
PUNCTUATION = {"’": "'", "…": "..."}


def check_emoji_names() -> None:
    """Check that the package of emoji names is installed.

    Raises:
        ConfigurationError: If it is not.
    """
    with extra("tweets", "normalize_tweets"):
        import emoji  # noqa: F401


@lru_cache(maxsize=100_000)
def normalized(word: str) -> str:
    """Return a word in BERTweet's normal form (Nguyen et al. 2020).

    Example:
        >>> [normalized(word) for word in ("@dana", "https://t.co/x", "www.nike.com", "Oslo", "Oslo’s", "…", "@")]
        ['@USER', 'HTTPURL', 'HTTPURL', 'Oslo', "Oslo's", '...', '@']
    """
    for character, plain in PUNCTUATION.items():
        word = word.replace(character, plain)
    if word.startswith("@") and len(word) > 1:
        return MENTION
    if word.lower().startswith(("http", "www")):
        return LINK
    if word.isascii():
        return word
    from emoji import demojize

    return str(demojize(word))
