"""Middleware of the service: the limit on a body, and the end of connections when the service ends."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mner.serving.service import Service


class BodyLimit:
    """Refuse a request whose body is too large, announced or not, before it is read to its end.

    Args:
        app: The application.
        max_bytes: Maximum size.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes that the application reads."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        message = f"the request has more than {self.max_bytes:,} bytes"
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        is_announced = announced.isdigit() and int(announced) > self.max_bytes
        received = 0

        async def counted() -> Message:
            nonlocal received
            part = {} if is_announced else await receive()
            received += len(part.get("body", b""))
            if is_announced or received > self.max_bytes:
                raise HTTPException(413, message, {"Connection": "close"})
            return part

        await self.app(scope, counted, send)


class Draining:
    """Close every connection after its answer once the service is about to end.

    A client that keeps its connection then opens a new one, to another server, instead of sending a request to one that
    closes.

    Args:
        app: The application.
        service: The service.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add ``Connection: close`` to the answer."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self.service.is_draining:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self.app(scope, receive, closing)
