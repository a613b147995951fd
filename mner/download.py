"""Downloading an image from an address that a client or a data file gives, from public hosts only."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, urljoin, urlsplit

from mner.errors import ImageError

PORTS = {"http": 80, "https": 443}
_CHUNK = 1 << 16
_REDIRECTIONS = (301, 302, 303, 307, 308)
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses within IPv6 (NAT64)."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet: not private, loopback, link-local, multicast or reserved.

    Example:
        >>> [is_public(each) for each in ("93.184.215.14", "127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1")]
        [True, False, False, False]
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found.sixtofour is not None or found.teredo is not None or found in _TRANSLATED or found.is_site_local:
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def download(
    url: str,
    max_bytes: int,
    max_seconds: float,
    is_allowed: Callable[[str], bool] = is_public,
    *,
    any_port: bool = False,
    protocols: Collection[str] = frozenset(PORTS),
    max_redirects: int = 0,
) -> bytes:
    """Download a file.

    Every address of the host is checked and the connection is made to the one that was checked, so that a name that
    changes its address cannot lead elsewhere. So is every address to which a redirection leads.

    Args:
        url: An ``http`` or ``https`` address without user name, at the standard port.
        max_bytes: Maximum size.
        max_seconds: Maximum time.
        is_allowed: Whether an IP address may be connected to.
        any_port: Whether ports other than the standard ones are allowed.
        protocols: Protocols that are allowed, among ``http`` and ``https``.
        max_redirects: Maximum number of redirections that are followed; any other one is an error.

    Raises:
        ImageError: If the address is not of this form or not allowed, or the file is too large or not there.
    """
    deadline = time.monotonic() + max_seconds
    for left in range(max_redirects, -1, -1):
        parts = _parts(url, any_port, protocols)
        try:
            connection = _connection(parts, _address(parts, is_allowed), max(0.001, deadline - time.monotonic()))
            try:
                path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
                headers = {"Host": parts.netloc, "User-Agent": "mner", "Accept": "image/*"}
                with _ended_at(deadline, connection.sock):
                    connection.request("GET", path, headers=headers)
                    response = connection.getresponse()
                    if left and response.status in _REDIRECTIONS:
                        url = urljoin(url, response.getheader("Location") or "")
                        continue
                    if response.status != 200:
                        raise ImageError(f"the image's host answered with status {response.status}, not 200")
                    return _content(response, max_bytes, deadline)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            if time.monotonic() >= deadline:
                raise ImageError("the image's host is too slow") from error
            raise ImageError(f"the image cannot be downloaded ({type(error).__name__})") from error
    raise AssertionError("unreachable: the last redirection is an error")


def _parts(url: str, any_port: bool, protocols: Collection[str]) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ImageError("the image's address is malformed") from error
    if (
        parts.scheme not in PORTS
        or parts.scheme not in protocols
        or not parts.hostname
        or parts.username is not None
        or not (any_port or port in (None, PORTS[parts.scheme]))
        or not (url.isascii() and url.isprintable() and " " not in url)
    ):
        raise ImageError(
            "expected an http or https address of an image, at the standard port, without a user name; got another one"
        )
    return parts


def _address(parts: SplitResult, is_allowed: Callable[[str], bool]) -> str:
    """An allowed IP address of the host; all of them must be allowed."""
    found = socket.getaddrinfo(parts.hostname, parts.port or PORTS[parts.scheme], type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    if not addresses or not all(map(is_allowed, addresses)):
        raise ImageError("the image's address leads to a private network, which is not allowed")
    return addresses[0]


def _connection(parts: SplitResult, address: str, max_seconds: float) -> http.client.HTTPConnection:
    port = parts.port or PORTS[parts.scheme]
    opened = socket.create_connection((address, port), timeout=max_seconds)
    if parts.scheme == "https":
        opened = ssl.create_default_context().wrap_socket(opened, server_hostname=parts.hostname)
    connection = http.client.HTTPConnection(address, port, timeout=max_seconds)
    connection.sock = opened  # connected already, to the address that was checked
    return connection


@contextmanager
def _ended_at(deadline: float, opened: socket.socket) -> Iterator[None]:
    """Shut a connection down at a time: its own time-out begins again with each byte that arrives."""

    def shut_down() -> None:
        with suppress(OSError):  # it was closed meanwhile
            socket.socket.shutdown(opened, socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _content(response: http.client.HTTPResponse, max_bytes: int, deadline: float) -> bytes:
    parts, size = [], 0
    while part := response.read1(_CHUNK):
        size += len(part)
        if size > max_bytes:
            raise ImageError(f"the image has more than {max_bytes:,} bytes")
        parts.append(part)
    if time.monotonic() >= deadline:
        raise ImageError("the image's host is too slow")
    if response.length:
        raise ImageError(f"the image's host ended the transfer early, {response.length:,} bytes before the end")
    return b"".join(parts)
