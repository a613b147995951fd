"""A server that answers every request that has arrived before it ends."""

from __future__ import annotations

import asyncio
import selectors
import socket
import time

import uvicorn

from mner.serving.app import create_app
from mner.serving.service import Service

_SETTLE = 0.25
"""Seconds for the requests of connections that were just accepted to arrive."""
_MAX_ACCEPTING = 1.0
"""Maximum seconds for connections that wait to be accepted."""
_SPARE = 5
"""Seconds for answers to be sent, when every request has reached its deadline."""


class DrainingServer(uvicorn.Server):
    """uvicorn with a pause between the closing of its port and that of idle connections.

    uvicorn closes both at once, and with them a connection whose request is still on its way.

    Args:
        service: The service.
        log_level: The level of uvicorn's own log.
    """

    def __init__(self, service: Service, log_level: str = "warning") -> None:
        self.service = service
        limits = service.limits
        super().__init__(
            uvicorn.Config(
                create_app(service),
                server_header=False,
                timeout_graceful_shutdown=round(limits.max_seconds) + _SPARE,
                log_level=log_level,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, answer what has arrived, end."""
        self.service.is_draining = True
        await _accept_all(sockets or [])
        for each in (*self.servers, *(sockets or ())):
            each.close()
        await asyncio.sleep(_SETTLE)
        await super().shutdown(sockets)


async def _accept_all(sockets: list[socket.socket]) -> None:
    """Wait until the event loop has accepted every connection, since the system resets those that still wait."""
    end = time.monotonic() + _MAX_ACCEPTING
    with selectors.DefaultSelector() as selector:
        for each in sockets:
            selector.register(each, selectors.EVENT_READ)
        while selector.select(0) and time.monotonic() < end:
            await asyncio.sleep(0)
