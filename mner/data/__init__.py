"""Reading, writing, checking and batching posts."""

from typing import TYPE_CHECKING, Any

from mner.data.readers import iter_posts, read_posts

if TYPE_CHECKING:
    from mner.data.modules import PostDataModule, PostFiles, Snapchat, Twitter2015, Twitter2017, Twitter10000

__all__ = [
    "PostDataModule",
    "PostFiles",
    "Snapchat",
    "Twitter2015",
    "Twitter2017",
    "Twitter10000",
    "iter_posts",
    "read_posts",
]


def __getattr__(name: str) -> Any:
    """Import the data modules on first access, so that posts are read and shown without PyTorch."""
    if name not in __all__:
        raise AttributeError(f"module 'mner.data' has no attribute {name!r}")
    from mner.data import modules

    return getattr(modules, name)


def __dir__() -> list[str]:
    """Name them too."""
    return sorted({*globals(), *__all__})
