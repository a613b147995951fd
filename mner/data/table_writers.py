"""Posts and predictions as tables: pandas, Hugging Face ``datasets``, Parquet, spaCy's ``DocBin``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mner.data.writers import compare, post_record, writable
from mner.extras import extra
from mner.files import atomic_write
from mner.labels import spans
from mner.post_json import to_json
from mner.posts import Post
from mner.predictions import Prediction

_COLUMNS_OF_LISTS = ("words", "tags")


def to_rows(items: Iterable[Post | Prediction], images: str | Path | None = None) -> list[dict[str, Any]]:
    """Describe posts or predictions as rows of a table, whose cells are strings and lists of strings.

    Whatever has another structure, such as spans and metadata, is a string of JSON, which :func:`read_posts` decodes.

    Args:
        items: Posts or predictions.
        images: The image folder, to which image names become relative.

    Returns:
        Rows of the same columns; those that no post fills are left out.
    """
    folder = None if images is None else Path(images)
    records = [each.to_dict() if isinstance(each, Prediction) else post_record(each, folder) for each in items]
    columns = list(dict.fromkeys(name for record in records for name in record))
    return [{name: _cell(name, record.get(name)) for name in columns} for record in records]


def to_data_frame(items: Iterable[Post | Prediction], images: str | Path | None = None) -> Any:
    """Make a ``pandas.DataFrame`` of posts or predictions; for arguments see :func:`to_rows`."""
    with extra("report", "a data frame"):
        import pandas

    return pandas.DataFrame(to_rows(items, images))


def to_dataset(items: Iterable[Post | Prediction], images: str | Path | None = None) -> Any:
    """Make a ``datasets.Dataset`` of posts or predictions; for arguments see :func:`to_rows`."""
    with extra("tables", "a data set of Hugging Face"):
        import datasets

    return datasets.Dataset.from_list(to_rows(items, images))


def write_parquet(posts: Iterable[Post], path: str | Path, *, images: str | Path | None = None) -> None:
    """Write posts as a Parquet file, with all their fields.

    For arguments and errors see :func:`mner.data.writers.write_json_lines`.
    """
    with extra("tables", "a Parquet file"):
        import pyarrow
        import pyarrow.parquet

    folder = None if images is None else Path(images)
    checked = writable(posts, Path(path), folder)
    with atomic_write(path, "wb") as stream:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(to_rows(checked, folder)), stream)
        stream.flush()
        compare(checked, Path(stream.name), folder, "Parquet")


def to_doc_bin(items: Iterable[Post | Prediction]) -> Any:
    """Make a ``spacy.tokens.DocBin`` of posts, with gold entities, or of predictions, with predicted ones.

    Posts keep their words; the text of a post whose words come without one is the words, separated by spaces.
    """
    with extra("spacy", "a DocBin"):
        from spacy.tokens import Doc, DocBin
        from spacy.tokens import Span as DocSpan
        from spacy.vocab import Vocab

    vocab, docs = Vocab(), DocBin()
    for item in items:
        post = item.post if isinstance(item, Prediction) else item
        doc = Doc(vocab, list(post.words), _spaces(post))
        found = item.entities if isinstance(item, Prediction) else spans(post.tags or ())
        if isinstance(item, Prediction) or post.tags is not None:
            doc.set_ents([DocSpan(doc, each.start, each.end, each.type) for each in found], default="outside")
        docs.add(doc)
    return docs


def to_label_studio(predictions: Iterable[Prediction], model_version: str = "mner") -> list[dict[str, Any]]:
    """Make tasks of Label Studio with predictions as pre-annotations, to be imported as JSON.

    The project's label configuration has ``<Labels name="label" toName="text">`` and ``<Text name="text">``.

    Args:
        predictions: The predictions.
        model_version: The name that Label Studio shows for the model.
    """
    return [_task(prediction, model_version) for prediction in predictions]


def _task(prediction: Prediction, model_version: str) -> dict[str, Any]:
    post = prediction.post
    text, offsets = post.text, post.offsets
    if text is None or offsets is None:
        text, offsets = " ".join(post.words), tuple(_joined(post.words))
    result = []
    for entity in prediction.entities:
        start, end = offsets[entity.start][0], offsets[entity.end - 1][1]
        value: dict[str, Any] = {"start": start, "end": end, "text": text[start:end], "labels": [entity.type]}
        region: dict[str, Any] = {"from_name": "label", "to_name": "text", "type": "labels", "value": value}
        result.append(region | ({} if entity.confidence is None else {"score": round(entity.confidence, 6)}))
    data = {"id": post.id, "text": text} | _named_images(post)
    return {"data": data, "predictions": [{"model_version": model_version, "result": result}]}


def _named_images(post: Post) -> dict[str, Any]:
    names = [image.as_posix() for image in post.images]
    return {"images": names} if len(names) > 1 else {"image": names[0]} if names else {}


def _cell(name: str, value: Any) -> Any:
    if value is None or isinstance(value, str) or name in _COLUMNS_OF_LISTS:
        return value
    return to_json(value)


def _joined(words: Iterable[str]) -> Iterable[tuple[int, int]]:
    place = 0
    for word in words:
        yield place, place + len(word)
        place += len(word) + 1


def _spaces(post: Post) -> list[bool]:
    """Whether a space follows each word."""
    if post.text is None or post.offsets is None:
        return [True] * len(post.words)
    return [post.text[end : end + 1] == " " for _, end in post.offsets]
