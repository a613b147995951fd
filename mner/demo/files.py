"""Writes demo posts into a folder: pictures, drawn once, and text files in the layout of the paper's data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mner.demo.collages import Collage
from mner.demo.scenes import Scene
from mner.errors import DataError
from mner.files import atomic_write
from mner.post_json import post_to_dict
from mner.posts import Post

MANIFEST = "demo_posts.json"


def write_folder(
    folder: Path,
    splits: Mapping[str, Sequence[Post]],
    scenes: Iterable[Scene | Collage],
    parameters: Mapping[str, Any],
) -> None:
    """Write the text files and draw the missing pictures; several processes may do so at once.

    A picture is named by the digest of its scene and renamed into place when complete, so an existing file is correct,
    whichever process drew it. The manifest is written last: if it exists, the folder is complete.

    Args:
        folder: The folder, which is created if needed.
        splits: Posts of each split.
        scenes: The pictures to draw into ``folder/images``.
        parameters: The parameters of the generator, for the manifest.

    Raises:
        DataError: If the folder contains other files of these names, from other parameters or another source.
    """
    manifest = json.dumps(dict(parameters)) + "\n"
    texts = {}
    for split, posts in splits.items():
        texts[f"{split}.jsonl"] = _json_lines(map(_post_record, posts))
        texts[f"captions.{split}.jsonl"] = _json_lines(_caption_record(post) for post in posts if post.contexts)
    for name, text in {MANIFEST: manifest, **texts}.items():
        _refuse_other(folder / name, text)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        if not (images / scene.name).exists():
            draw_file(images / scene.name, scene)
    for name, text in {**texts, MANIFEST: manifest}.items():
        if not (folder / name).exists():
            with atomic_write(folder / name, wait=True) as file:
                file.write(text)


def draw_file(path: Path, scene: Scene | Collage) -> None:
    """Draw a scene or collage into a JPEG file, which appears only when complete."""
    from mner.demo.drawings import draw

    with atomic_write(path, "wb", wait=True) as file:
        draw(scene).save(file, format="JPEG", quality=60 + scene.seed % 33)


def _post_record(post: Post) -> dict[str, Any]:
    image = post.image.name if post.image is not None else None
    record = {"id": post.id, "image_id": image, "tokens": post.words, "label": post.tags, "metadata": post.metadata}
    return record if post.boxes is None else {**record, "entity_boxes": post_to_dict(post)["entity_boxes"]}


def _caption_record(post: Post) -> dict[str, Any]:
    return {"id": post.id, "image_id": post.image.name if post.image else None, "caption": post.contexts["caption"]}


def _json_lines(records: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _refuse_other(path: Path, text: str) -> None:
    try:
        found = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    if found != text:
        raise DataError(
            f"{path} contains other data than these demo posts: expected an empty folder, or one generated with "
            "the same size and seed by this version; give another folder, or delete this one"
        )
