"""One HTTP request and its response, within limits of time and size, to the named address only."""

from __future__ import annotations

import asyncio
import json
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from mner.errors import ConfigurationError
from mner.extras import extra

MAX_RESPONSE_BYTES = 4_000_000
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


class HTTPExchange:
    """A client that reads no proxy, certificate or password from the environment and follows no redirection.

    Requests of all threads run in one event loop, which can cancel a request at any point: a server that sends its
    header or its answer byte by byte is given up like one that is silent.

    Args:
        timeout: Maximum seconds for a whole exchange.
        num_connections: Maximum number of connections.
        proxy: Address of a proxy, or ``None``.

    Raises:
        ConfigurationError: If httpx is not installed, or the proxy is not an address.
    """

    def __init__(self, timeout: float, num_connections: int, proxy: str | None) -> None:
        with extra("llm", "a model behind an HTTP endpoint"):
            import httpx
        self._timeout = timeout
        try:
            self._client = httpx.AsyncClient(
                timeout=timeout,
                limits=httpx.Limits(max_connections=num_connections, max_keepalive_connections=num_connections),
                follow_redirects=False,
                trust_env=False,
                proxy=proxy,
                # Compressed by a thousand, and that several times, a small response would fill the memory.
                headers={"Accept-Encoding": "identity"},
            )
        except (ValueError, httpx.InvalidURL):
            raise ConfigurationError("expected proxy to be an address such as http://proxy.example:3128") from None
        loop = self._loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="HTTPExchange", daemon=True).start()
        weakref.finalize(self, loop.call_soon_threadsafe, loop.stop)

    def post(self, url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
        """Send a JSON object and read the response; several threads may call this at the same time.

        Args:
            url: The address.
            body: The object.
            headers: Headers in addition to those of the content.

        Raises:
            ExchangeError: If the connection fails, or the response is too slow, too large or compressed.
        """
        import httpx

        exchange = asyncio.wait_for(self._exchange(url, body, headers), self._timeout)
        try:
            return asyncio.run_coroutine_threadsafe(exchange, self._loop).result()
        except (httpx.TimeoutException, asyncio.TimeoutError):
            raise ExchangeError(f"no complete response within {self._timeout:g} seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # its text may contain a header, and with it the key
            raise ExchangeError(f"the connection failed ({type(error).__name__})") from None

    async def _exchange(self, url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
        content = bytearray()
        async with self._client.stream("POST", url, json=body, headers=headers) as response:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise ExchangeError("the response is compressed, although an uncompressed one was asked for")
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > MAX_RESPONSE_BYTES:
                    raise ExchangeError(f"the response is longer than {MAX_RESPONSE_BYTES:,} bytes")
        wait = _retry_after(response.headers.get("retry-after"))
        return Response(response.status_code, _decoded(bytes(content)), wait)


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
