"""The body of a request as posts: JSON or a form, checked against the limits."""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from mner.errors import DataError
from mner.post_json import from_json
from mner.serving.limits import Limits
from mner.terminal import printable
from mner.unicode import repair_surrogates

JSON = "application/json"
FORM = "multipart/form-data"


class PostRequest(BaseModel):
    """A post to tag."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str | None = Field(None, description="The raw text, which the model's own word tokenizer splits.")
    words: list[str] | None = Field(None, description="The words, instead of the text.")
    contexts: dict[str, str] = Field({}, description="Texts about the image by kind, as the model was trained with.")
    image_base64: str | list[str] | None = Field(
        None, description="The content of one or several image files, in base64."
    )
    threshold: float | None = Field(None, ge=0, le=1, description="Leave out entities with a lower confidence.")
    image_url: str | list[str] | None = Field(
        None, description="The address of one or several images, if the service downloads images."
    )


class PostsRequest(BaseModel):
    """Several posts to tag together."""

    model_config = ConfigDict(extra="forbid", strict=True)

    posts: list[PostRequest]


@dataclass(frozen=True)
class NewPost:
    """A post of a request.

    Args:
        text: Its text, or its words.
        contexts: Texts about the image.
        images: The contents of the image files.
        image_urls: The addresses of the images.
        threshold: Confidence below which entities are left out; ``None`` for that of the service.
    """

    text: str | list[str]
    contexts: dict[str, str]
    images: tuple[bytes, ...] = ()
    image_urls: tuple[str, ...] = ()
    threshold: float | None = None


async def read_posts(request: Request, limits: Limits) -> tuple[list[NewPost], bool]:
    """Read the posts of a request, and whether it has a list of them.

    Raises:
        HTTPException: With a status from 400 to 422 that says what is wrong.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        return await asyncio.to_thread(_from_json, await request.body(), limits)
    if kind == FORM:
        return [await _from_form(request, limits)], False
    raise HTTPException(415, f"expected {JSON} or {FORM}, got {printable(kind) or 'no content type'}")


def _from_json(body: bytes, limits: Limits) -> tuple[list[NewPost], bool]:
    try:
        record, _ = repair_surrogates(from_json(body))
    except (DataError, UnicodeDecodeError) as error:
        raise HTTPException(400, f"the body is not JSON: {printable(error)}"[:300]) from None
    is_list = isinstance(record, dict) and "posts" in record
    try:
        given = PostsRequest.model_validate(record).posts if is_list else [PostRequest.model_validate(record)]
    except ValidationError as error:
        raise HTTPException(422, _complaint(error)) from None
    if not 0 < len(given) <= limits.max_posts:
        raise HTTPException(422, f"expected 1 to {limits.max_posts} posts, got {len(given)}")
    return [_checked(each, limits) for each in given], is_list


async def _from_form(request: Request, limits: Limits) -> NewPost:
    try:
        body = await request.body()
        form = await request.form(max_files=limits.max_images, max_fields=4, max_part_size=limits.max_body_bytes)
    except (MultiPartException, ValueError) as error:
        raise HTTPException(400, f"the form cannot be read: {printable(error)}") from None
    try:
        fields: dict[str, Any] = dict(form)
        fields.pop("image", None)
        files = form.getlist("image")
        contents = [await file.read() for file in files if isinstance(file, UploadFile)]
    finally:
        await form.close()
    if any(not isinstance(value, str) for value in fields.values()) or len(contents) < len(files):
        raise HTTPException(422, "expected texts, and files named image only")
    for name, value in fields.items():  # what is not UTF-8 was decoded as Latin-1
        if value.encode() not in body:
            raise HTTPException(400, f"the field {printable(name)} is not in UTF-8")
    if len(form.multi_items()) > len(fields) + len(files):
        raise HTTPException(422, "expected every field but image once")
    try:
        if "contexts" in fields:
            fields["contexts"] = from_json(fields["contexts"] or "{}")
        if "threshold" in fields:
            fields["threshold"] = from_json(fields["threshold"])
        post = _checked(PostRequest.model_validate(fields), limits)
    except DataError as error:
        raise HTTPException(422, f"contexts and threshold are JSON: {printable(error)}"[:300]) from None
    except ValidationError as error:
        raise HTTPException(422, _complaint(error)) from None
    contents = list(filter(None, contents))  # a form without a chosen file has an empty one
    if contents and (post.images or post.image_urls):
        raise HTTPException(422, "expected image files or other images, got both")
    return replace(post, images=tuple(contents)) if contents else post


def _checked(given: PostRequest, limits: Limits) -> NewPost:
    if (given.text is None) == (given.words is None):
        raise HTTPException(422, "expected text or words, and not both")
    encoded, urls = (
        (each,) if isinstance(each, str) else tuple(each or ()) for each in (given.image_base64, given.image_url)
    )
    if encoded and urls:
        raise HTTPException(422, "expected image_base64 or image_url, got both")
    if len(encoded) + len(urls) > limits.max_images:
        raise HTTPException(422, f"expected at most {limits.max_images} images, got {len(encoded) + len(urls)}")
    words = given.text if given.text is not None else given.words or []
    for name, size in (
        ("the text", len(words) if isinstance(words, str) else sum(len(word) + 1 for word in words)),
        ("the contexts", sum(map(len, given.contexts.values()))),
    ):
        if size > limits.max_characters:
            raise HTTPException(413, f"expected at most {limits.max_characters:,} characters in {name}, got {size:,}")
    return NewPost(words, given.contexts, tuple(map(_decoded, encoded)), urls, given.threshold)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.partition("base64,")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError):
        raise HTTPException(422, "image_base64 is not base64") from None


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return printable(f"unknown field {place}")[:300]
    if first["type"] in ("model_type", "dict_type"):  # whose messages speak of Python
        return f"{place or 'the body'}: expected an object"
    return printable(f"{place}: {first['msg']}" if place else first["msg"])[:300]
