"""One HTTP request and its response, within limits of time and size, to the named address only."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from mner.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

MAX_RESPONSE_BYTES = 16_000_000
"""Maximum size of a response: a longer one is not an answer."""


@dataclass(frozen=True)
class Response:
    """The response to a request.

    Args:
        status: The HTTP status.
        content: The decoded JSON; ``None`` if it is not JSON.
        retry_after: Seconds after which the server asks to be asked again, or ``None``.
    """

    status: int
    content: Any
    retry_after: float | None = None


class ExchangeError(Exception):
    """A response that did not come, or not in full; the message contains no header."""


def open_client(timeout: float, num_connections: int, proxy: str | None) -> httpx.Client:
    """Open a client that reads no proxy, certificate or password from the environment and follows no redirection.

    Raises:
        ConfigurationError: If httpx is not installed, or the proxy is not an address.
    """
    try:
        import httpx
    except ImportError as error:
        raise ConfigurationError(
            f'a model behind an HTTP endpoint needs {error.name}: pip install "mner[llm]"'
        ) from None
    try:
        return httpx.Client(
            timeout=timeout,
            limits=httpx.Limits(max_connections=num_connections, max_keepalive_connections=num_connections),
            follow_redirects=False,
            trust_env=False,
            proxy=proxy,
        )
    except (ValueError, httpx.InvalidURL):
        raise ConfigurationError("expected proxy to be an address such as http://proxy.example:3128") from None


def post_json(
    client: httpx.Client, url: str, body: Mapping[str, Any], headers: Mapping[str, str], timeout: float
) -> Response:
    """Send a JSON object and read the response.

    Args:
        client: What :func:`open_client` returned.
        url: The address.
        body: The object.
        headers: Headers in addition to those of the content.
        timeout: Maximum seconds for the whole response; a server that is silent is given up after them too.

    Raises:
        ExchangeError: If the connection fails, or the response is too slow or too large.
    """
    import httpx

    deadline = time.monotonic() + timeout
    content = bytearray()
    try:
        with client.stream("POST", url, json=body, headers=headers) as response:
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > MAX_RESPONSE_BYTES:
                    raise ExchangeError(f"the response is longer than {MAX_RESPONSE_BYTES:,} bytes")
                if time.monotonic() > deadline:
                    raise ExchangeError(f"the response took more than {timeout:g} seconds")
    except httpx.TimeoutException:
        raise ExchangeError(f"no response within {timeout:g} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:  # its text may contain a header, and with it the key
        raise ExchangeError(f"the connection failed ({type(error).__name__})") from None
    return Response(response.status_code, _decoded(bytes(content)), _retry_after(response.headers.get("retry-after")))


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _retry_after(value: str | None) -> float | None:
    """Read a ``Retry-After`` header: seconds or a date."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (date.replace(tzinfo=date.tzinfo or timezone.utc) - datetime.now(timezone.utc)).total_seconds()
    return seconds if 0 <= seconds < float("inf") else None
