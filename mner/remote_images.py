"""Images at an address: fetched when they are first used, and kept in the image folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Timeout
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote, unquote

from mner.download import PORTS, download, is_public
from mner.errors import ConfigurationError, ImageError, OutputError
from mner.files import atomic_write
from mner.paths import is_file

FOLDER = "_remote"
"""Folder of fetched images, in the image folder."""
_NAME = 200  # most file systems allow 255 bytes
_REDIRECTS = 5
_CREDENTIAL = re.compile(r"secret|password|token|credential|connection_string|(^|_)key$")
_NO_CREDENTIALS = ("anon", "browser", "cache", "cloud", "google_default")
"""Values of gcsfs's ``token`` that say where to look for one."""


@dataclass(frozen=True)
class RemoteImages:
    """What may be fetched, and how. Nothing is fetched because a data file says so: a user gives this option.

    Args:
        protocols: Protocols that are allowed: ``https``, ``http``, and those of ``fsspec``, such as ``s3`` and ``gs``.
        max_bytes: Maximum size of an image.
        max_seconds: Maximum time for an image.
        private: Whether ``http`` and ``https`` may lead to private networks and to other than the standard ports.
        storage_options: Options of ``fsspec``'s file systems by protocol, such as ``{"s3": {"anon": true}}``; no
            credentials, since configs and run folders contain them.

    Raises:
        ConfigurationError: If a number is out of range, a protocol is one of local files, or an option is a credential.
    """

    protocols: list[str] = field(default_factory=lambda: ["https"])
    max_bytes: int = 20_000_000
    max_seconds: float = 30.0
    private: bool = False
    storage_options: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the options."""
        if not (self.max_bytes > 0 and self.max_seconds > 0):
            raise ConfigurationError(
                f"expected max_bytes and max_seconds greater than 0, got {self.max_bytes} and {self.max_seconds}"
            )
        wrong = [each for each in self.protocols if not each.isalnum() or each in ("file", "local")]
        if wrong or not self.protocols:
            raise ConfigurationError(
                f"expected protocols such as https and s3, got {wrong or 'none'}; local files are named by their path "
                "in the image folder"
            )
        for place in _credentials(self.storage_options, "storage_options"):
            raise ConfigurationError(
                f"{place} is a credential, which would be written into configs; give it where the storage's own tools "
                "read it, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or GOOGLE_APPLICATION_CREDENTIALS"
            )

    def allows(self, url: str) -> bool:
        """Whether an address is of an allowed protocol."""
        protocol, mark, _ = url.partition("://")
        return bool(mark) and protocol.lower() in self.protocols and "::" not in url  # which chains file systems

    def provide(self, path: Path) -> None:
        """Fetch the image of a path that :func:`remote_path` made, unless it is there.

        Raises:
            ImageError: If it cannot be fetched.
        """
        url = address_of(path)
        if url is None or is_file(path):
            return
        content = self.fetch(url)
        try:
            with atomic_write(path, "wb") as file:
                file.write(content)
        except OutputError as error:
            raise ImageError(f"{url}: fetched, but cannot be kept: {error}") from error

    def fetch(self, url: str) -> bytes:
        """Return the content of an image.

        Raises:
            ImageError: If it cannot be fetched, is too large, or its address is not allowed.
        """
        if not self.allows(url):
            raise ImageError(f"{url}: not allowed; fetched are images of {', '.join(self.protocols)}")
        try:
            return self._download(url) if url.partition("://")[0].lower() in PORTS else self._from_storage(url)
        except ImageError as error:
            raise ImageError(f"{url}: {error}") from error

    def _download(self, url: str) -> bytes:
        def is_allowed(address: str) -> bool:
            return self.private or is_public(address)

        return download(
            url,
            self.max_bytes,
            self.max_seconds,
            is_allowed,
            any_port=self.private,
            protocols=self.protocols,
            max_redirects=_REDIRECTS,
        )

    def _from_storage(self, url: str) -> bytes:
        try:
            import fsspec.core
        except ImportError as error:
            raise ImageError('needs fsspec: pip install "mner[remote]"') from error
        protocol = url.partition("://")[0].lower()
        options: Mapping[str, Any] = self.storage_options.get(protocol, {})

        def read() -> bytes:
            system, path = fsspec.core.url_to_fs(url, **options)
            size = system.size(path)
            if size is not None and size > self.max_bytes:
                raise ImageError(f"the image has more than {self.max_bytes:,} bytes")
            content: bytes = system.cat_file(path, start=0, end=self.max_bytes + 1)
            if len(content) > self.max_bytes:
                raise ImageError(f"the image has more than {self.max_bytes:,} bytes")
            return content

        pool = ThreadPoolExecutor(1)  # whose thread outlives a storage that does not answer
        try:
            return pool.submit(read).result(timeout=self.max_seconds)
        except Timeout as error:
            raise ImageError(f"no answer within {self.max_seconds:g} seconds") from error
        except ImageError:
            raise
        except Exception as error:  # every storage has errors of its own
            raise ImageError(f"cannot be fetched ({type(error).__name__}: {error})") from error
        finally:
            pool.shutdown(wait=False)


def _credentials(options: Mapping[str, Any], place: str) -> Iterator[str]:
    """Iterate over the places of options that are credentials, also in nested options such as ``client_kwargs``."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _credentials(value, f"{place}.{name}")
        elif isinstance(value, str) and _CREDENTIAL.search(name.lower()) and value not in _NO_CREDENTIALS:
            yield f"{place}.{name}"


def remote_path(url: str, folder: Path) -> Path:
    """Return where an image is kept: in a folder of the image folder, under its address with escapes.

    Example:
        >>> remote_path("https://a.example/b.jpg", Path("images")).as_posix()
        'images/_remote/https%3A%2F%2Fa%2Eexample%2Fb%2Ejpg'
    """
    name = quote(url, safe="").replace(".", "%2E")  # so that no part of it is ..
    return folder.joinpath(FOLDER, *(name[start : start + _NAME] for start in range(0, len(name), _NAME)))


def address_of(path: PurePath) -> str | None:
    """Return the address of the image that is kept at a path, or ``None`` if it is an image of another origin."""
    *_, name = f"/{path.as_posix()}".rpartition(f"/{FOLDER}/")
    url = unquote(name.replace("/", ""))
    return url if "://" in url else None
