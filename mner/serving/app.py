"""The HTTP interface of the service: routes, limits on the body, errors as JSON."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mner import __version__
from mner.serving.metrics import Metrics
from mner.serving.requests import FORM, JSON, PostRequest, PostsRequest, read_posts
from mner.serving.service import Service

_LOG = logging.getLogger("mner.serving")
_REQUEST = {"text": "Jordan is back"}
_FOUND = {"type": "PER", "text": "Jordan", "start": 0, "end": 1, "characters": [0, 6], "confidence": 0.93}
_ANSWER = {**_REQUEST, "words": ["Jordan", "is", "back"], "offsets": [[0, 6], [7, 9], [10, 14]], "predicted": [_FOUND]}
_REFUSALS = {
    400: "Not JSON, an image that cannot be read, or contexts that the model does not read",
    403: "An image address, but the service downloads none",
    408: "The request did not arrive in time",
    413: "A body, text or contexts beyond the limits",
    415: "Another content type than JSON and a form",
    422: "A missing, unknown or malformed field, or too many posts",
    503: "Too many posts wait",
    504: "There was no answer in time",
}
_FORM_SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "contexts": {"type": "string", "description": "A JSON object of texts by kind."},
        "image": {"type": "string", "format": "binary"},
        "image_url": {"type": "string"},
    },
    "required": ["text"],
}


def create_app(service: Service) -> FastAPI:
    """Build the application.

    Args:
        service: The service, which is closed when the application shuts down.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    app = FastAPIOffline(  # serves the script of the page /docs itself, so that it works without a network
        redoc_url=None,
        title="mner",
        version=__version__,
        description="Named entities of posts with images.",
        lifespan=lifespan,
    )
    metrics = Metrics()
    app.add_middleware(BodyLimit, max_bytes=service.limits.max_body_bytes)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _failed)

    @app.post(
        "/tag", openapi_extra={"requestBody": _body()}, responses=_responses(), summary="Find the entities of posts"
    )
    async def tag(request: Request) -> JSONResponse:
        """Tag one post, as JSON or as a form with an image file, or several as `{"posts": [...]}`."""
        start, status, count = metrics.open(), 500, 0
        try:
            try:
                posts, is_list = await asyncio.wait_for(read_posts(request, service.limits), service.limits.max_seconds)
            except asyncio.TimeoutError:
                raise HTTPException(
                    408, f"the request took longer than {service.limits.max_seconds:g} seconds"
                ) from None
            except ClientDisconnect:
                raise HTTPException(499, "the client closed the connection") from None  # nginx's status for it
            found = await service.tag(posts)
            status, count = 200, len(found)
            return JSONResponse({"posts": found} if is_list else found[0])
        except HTTPException as error:
            status = error.status_code
            raise
        finally:
            metrics.close(start, status, count)

    @app.get("/health", summary="Whether the process answers")
    async def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok", "version": __version__}

    @app.get("/ready", summary="Whether posts can be tagged")
    async def ready() -> JSONResponse:
        """200 if posts are tagged, 503 if the queue is full or the model has stopped."""
        full = service.batcher.waiting >= service.limits.max_waiting
        is_ready = service.batcher.is_alive and not full
        return JSONResponse({"status": "ready" if is_ready else "not ready"}, 200 if is_ready else 503)

    @app.get("/metrics", summary="Counters in the format of Prometheus", response_class=PlainTextResponse)
    async def counters() -> str:
        """Requests, seconds, posts, batches, waiting posts."""
        return metrics.text({"waiting_posts": service.batcher.waiting, "batches_total": service.batcher.batches})

    return app


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


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _failed(_: Request, error: Exception) -> Response:
    _LOG.error("a request failed", exc_info=error)
    return JSONResponse({"error": "internal error"}, 500)


def _body() -> dict[str, Any]:
    """The schema of the body; definitions are inlined, since the body is read by the application itself."""
    one, several = (
        model.model_json_schema(ref_template="#/components/schemas/{model}") for model in (PostRequest, PostsRequest)
    )
    several.pop("$defs", None)
    several["properties"]["posts"]["items"] = one
    return {
        "required": True,
        "content": {
            JSON: {"schema": {"anyOf": [one, several]}, "example": _REQUEST},
            FORM: {"schema": _FORM_SCHEMA},
        },
    }


def _responses() -> dict[int | str, dict[str, Any]]:
    """What each status means, with an example."""
    refused = {"content": {JSON: {"example": {"error": "..."}}}}
    return {
        200: {"description": "The entities", "content": {JSON: {"example": _ANSWER}}},
        **{status: {"description": reason, **refused} for status, reason in _REFUSALS.items()},
    }
