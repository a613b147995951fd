"""Texts about images, one kind a file: captions, object tags, OCR; and posts that carry them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mner.data.json_lines import load_json
from mner.data.lines import Line, read_lines
from mner.errors import FormatError
from mner.posts import Post

KINDS = ("caption", "objects", "ocr", "text")
UNKNOWN_WORD = "<unk>"


@dataclass(frozen=True)
class Contexts:
    """One text an image.

    Args:
        by_image: Text by image name without its suffix.
        by_id: Text by post id, where a file gives it.
    """

    by_image: Mapping[str, str] = field(default_factory=dict)
    by_id: Mapping[str, str] = field(default_factory=dict)

    def find(self, post: Post) -> str | None:
        """The text about a post's image: by the image's name, else by the post's id; ``None`` if there is none."""
        if post.image is not None and post.image.stem in self.by_image:
            return self.by_image[post.image.stem]
        return self.by_id.get(post.id)


def read_contexts(path: str | Path, key: str | None = None) -> Contexts:
    """Read a file of texts about images, a JSON object a line.

    A line holds ``image_id`` or ``id``, or both, and the text: under ``caption``, ``objects``, ``ocr`` or ``text``, or
    under any other name if it is the only text of the line. A list of texts is joined with commas. The literal
    ``<unk>`` of captioners with a small vocabulary is taken out: a tokenizer would make four pieces of noise of it.

    Args:
        path: The file.
        key: Which text to take, where a line has several.

    Raises:
        DatasetNotFoundError: If there is no such file.
        FormatError: If a line is malformed, or gives an image a second, different text.
    """
    by_image: dict[str, str] = {}
    by_id: dict[str, str] = {}
    for line in read_lines(path):
        if line.blank:
            continue
        record = load_json(line)
        if not isinstance(record, Mapping):
            raise line.error(
                f"{record!r:.40}, where a JSON object was expected", 'Write {"image_id": ..., "caption": ...}'
            )
        names = {name: record[name] for name in ("image_id", "id") if record.get(name) is not None}
        if not names or not all(type(name) in (str, int) for name in names.values()):
            raise line.error("no image_id and no id", "Write one of them as a string or a whole number")
        text = _text(record, key, line)
        if "image_id" in names:
            _set_once(by_image, Path(str(names["image_id"])).stem, text, line)
        if "id" in names:
            _set_once(by_id, str(names["id"]), text, line)
    if not by_image and not by_id:
        raise FormatError(path, None, "there is no text in it", 'Give lines of {"image_id": ..., "caption": ...}')
    return Contexts(by_image, by_id)


def attach_contexts(posts: Iterable[Post], kind: str, contexts: Contexts) -> tuple[list[Post], int]:
    """Give each post the text about its image.

    Args:
        posts: The posts.
        kind: What the text is, for example ``"caption"``.
        contexts: The texts.

    Returns:
        The posts, in order, and how many of them the contexts say nothing about, which stay as they are. An empty
        text counts as said: a picture may hold no letters for OCR to read.
    """
    attached, missing = [], 0
    for post in posts:
        text = contexts.find(post)
        if text is None:
            missing += 1
        attached.append(post if not text else replace(post, contexts={**post.contexts, kind: text}))
    return attached, missing


def _text(record: Mapping[str, Any], key: str | None, line: Line) -> str:
    joined = {name: _joined(value) for name, value in record.items() if name not in ("id", "image_id")}
    texts = {name: text for name, text in joined.items() if text is not None}
    known = [key] if key is not None else [kind for kind in KINDS if kind in texts] or list(texts)
    if len(known) != 1 or known[0] not in texts:
        raise line.error(
            f"expected one text{f' under {key!r}' if key else ''}, found {sorted(texts) or 'none'}",
            'Write the text under "caption"' if not texts else "Say which one is meant: read_contexts(path, key=...)",
        )
    return " ".join(word for word in texts[known[0]].split(" ") if word and word != UNKNOWN_WORD)


def _joined(value: Any) -> str | None:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ", ".join(value)
    return value if isinstance(value, str) else None


def _set_once(texts: dict[str, str], name: str, text: str, line: Line) -> None:
    if texts.setdefault(name, text) != text:
        raise line.error(f"a second, different text of {name!r}", "Keep one line an image")
