"""The HTTP interface of the service: routes, and errors as JSON."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mner import __version__
from mner.serving.metrics import Metrics
from mner.serving.middleware import BodyLimit, Draining
from mner.serving.requests import FORM, JSON, PostRequest, PostsRequest, read_posts
from mner.serving.service import Service

Result = TypeVar("Result")

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
    503: "Too many requests are open, or too many posts wait",
    504: "There was no answer in time",
}
_FORM_SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "contexts": {"type": "string", "description": "A JSON object of texts by kind."},
        "image": {"type": "string", "format": "binary"},
        "image_url": {"type": "string"},
        "threshold": {"type": "number", "minimum": 0, "maximum": 1},
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
    app.add_middleware(Draining, service=service)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _failed)

    @app.post(
        "/tag", openapi_extra={"requestBody": _body()}, responses=_responses(), summary="Find the entities of posts"
    )
    async def tag(request: Request) -> JSONResponse:
        """Tag one post, as JSON or as a form with an image file, or several as `{"posts": [...]}`."""
        start, status, count = metrics.open(), 500, 0
        try:
            # One deadline for all of it, so that every open request ends within max_seconds of a signal.
            if metrics.open_requests > service.limits.max_waiting:
                raise HTTPException(503, "too many requests are open; try again later", {"Retry-After": "1"})
            late = f"within {service.limits.max_seconds:g} seconds"
            deadline = start + service.limits.max_seconds
            posts, is_list = await _by(deadline, read_posts(request, service.limits), 408, f"no request {late}")
            found = await _by(deadline, service.tag(posts, deadline), 504, f"no answer {late}")
            status, count = 200, len(found)
            return JSONResponse({"posts": found} if is_list else found[0])
        except ClientDisconnect:
            status = 499  # nginx's status for it
            raise HTTPException(status, "the client closed the connection") from None
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
        """200 if posts are tagged, 503 if the queue is full, the model has stopped, or the service is about to end."""
        is_ready = service.is_ready
        return JSONResponse({"status": "ready" if is_ready else "not ready"}, 200 if is_ready else 503)

    @app.get("/metrics", summary="Counters in the format of Prometheus", response_class=PlainTextResponse)
    async def counters() -> str:
        """Requests, seconds, posts, batches, waiting posts."""
        return metrics.text({"waiting_posts": service.batcher.waiting, "batches_total": service.batcher.batches})

    return app


async def _by(deadline: float, work: Awaitable[Result], status: int, message: str) -> Result:
    """Await something until a time of the monotonic clock, after which the request is answered with a status."""
    try:
        return await asyncio.wait_for(work, deadline - time.monotonic())
    except asyncio.TimeoutError:
        raise HTTPException(status, message) from None


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
