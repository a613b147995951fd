"""WikiDiverse: ``[sentence, image URL, topic, [[mention, type, start, end, Wikipedia URL], ...]]``, in characters."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from mner.data.lines import Line


def wikidiverse_sentence(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a sentence of WikiDiverse.

    The image is the file name in its URL; the URL, the topic and the linked pages are kept in the metadata.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If a mention is malformed.
    """
    if not isinstance(value, list) or len(value) != 4 or not all(isinstance(item, str) for item in value[:3]):
        return None
    text, url, topic, mentions = value
    try:
        spans = [
            {"start_char": start, "end_char": end, "type": kind, "text": mention}
            for mention, kind, start, end, _ in mentions
        ]
        links = [link for *_, link in mentions]
    except (TypeError, ValueError) as error:
        raise line.error(
            "mentions in a layout other than WikiDiverse's", "Write [mention, type, start, end, URL] for each"
        ) from error
    record = {"text": text, "entities": spans, "image_url": url, "topic": topic, "links": links}
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return record | ({"image": name} if name else {})
