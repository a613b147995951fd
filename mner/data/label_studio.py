"""Label Studio's exports: JSON, with annotations by several people; JSON-MIN and CSV, one record per annotation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from mner.data.annotations import ANNOTATION_KEYS
from mner.data.extent import Extent
from mner.data.image_names import ImageFolder
from mner.data.lines import Line
from mner.data.literals import decoded
from mner.data.offsets import settle_characters
from mner.data.overlooked import refuse_overlooked
from mner.data.spans import read_spans
from mner.errors import FormatError

_TEXT_LABELS = ("labels", "hypertextlabels")
_MIN_KEYS = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")
_LINK = re.compile(r"(/data/|[a-z][a-z0-9+.-]*://)\S*$", re.IGNORECASE)
_IMAGE = re.compile(r"\.(jpe?g|png|gif|webp|bmp|tiff?)([?#]|$)", re.IGNORECASE)
_UPLOAD_HASH = re.compile(r"[0-9a-f]{8}-(?=.)")


def label_studio_task(
    value: Any, line: Line, images: ImageFolder | None, annotator: str | None
) -> dict[str, Any] | None:
    """Convert a task of either export to a record of a text and spans.

    Relations, choices and other annotations are kept as ``other_annotations``, predictions as ``predictions``, the
    task's remaining data under its own keys, and Label Studio's bookkeeping under ``task``. A task without annotations,
    or with cancelled ones only, is a post without annotation.

    Args:
        value: A JSON value.
        line: Its line.
        images: The image folder, in which uploaded files are looked for.
        annotator: Whose annotation to read where several people annotated a task: an id or e-mail address, or
            ``first`` or ``last`` in the order of the export.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If several people annotated the task differently and ``annotator`` is ``None``; if its labels are
            not those of a text, or its data do not have exactly one text; if its data contain an annotation.
    """
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("data"), dict) and value.keys().isdisjoint(("text", "tokens", "words")):
        return _full(value, line, images, annotator)
    return _minimal(value, line, images) if "annotation_id" in value and "lead_time" in value else None


def _full(task: Mapping[str, Any], line: Line, images: ImageFolder | None, annotator: str | None) -> dict[str, Any]:
    key = "annotations" if task.get("annotations") else "completions" if "completions" in task else "annotations"
    try:
        annotations = [each for each in task.get(key) or () if not each.get("was_cancelled")]
        chosen = _choose(annotations, annotator, task.get("id", line.number), line)
        results = [] if chosen is None else list(chosen["result"])
        others = [result for result in results if result["type"] not in _TEXT_LABELS]
        labels = [result for result in results if result["type"] in _TEXT_LABELS]
        spans = [_span(result["value"], line) for result in labels]
        targets = sorted({str(result["to_name"]) for result in labels if "to_name" in result})
    except (AttributeError, KeyError, TypeError) as error:
        raise line.error(
            f"annotations that Label Studio does not write ({error!r})", "Export the tasks again, as JSON"
        ) from error
    for result in others:
        if result["type"].endswith("labels") and {"start", "startOffset", "globalOffsets"} & result["value"].keys():
            raise line.error(
                f"labels of the type {result['type']!r}, which are not of a text", "Use Labels or HyperTextLabels"
            )
    if len(targets) > 1:
        raise line.error(f"labels of several texts, {' and '.join(targets)}", "Export a project that labels one text")
    predictions = task.get("predictions")
    if chosen is None and predictions:
        line.note("tasks with predictions only are read as not annotated: predictions are not gold")
    record = _record(task["data"], spans, line, images, *targets)
    record |= {"id": task.get("id", record.get("id")), "entities": None if chosen is None else spans}
    known = ("id", "data", key, "predictions")
    record["metadata"] |= {"task": rest} if (rest := {k: v for k, v in task.items() if k not in known}) else {}
    record["metadata"] |= {"predictions": predictions} if predictions else {}
    record["metadata"] |= {"other_annotations": others} if others else {}
    return record


def _minimal(task: Mapping[str, Any], line: Line, images: ImageFolder | None) -> dict[str, Any]:
    data = {key: item for key, item in task.items() if key not in _MIN_KEYS}
    data |= {key: regions for key, item in data.items() if _region_types(regions := decoded(item))}  # as in CSV
    types = {key: _region_types(item) for key, item in data.items()}
    keys = [key for key, found in types.items() if found & set(_TEXT_LABELS)]
    if len(keys) > 1:
        raise line.error(f"labels under {' and '.join(keys)}", "Keep the correct ones")
    spans = [_span(label, line) for key in keys for label in data.pop(key)]
    others = {key: data.pop(key) for key in list(data) if types[key] or _is_choice(key, data[key])}
    record = _record(data, spans, line, images)
    record["metadata"] |= {"task": {key: task[key] for key in _MIN_KEYS[1:] if key in task}}
    record["metadata"] |= {"other_annotations": others} if others else {}
    return record | {"id": task.get("id"), "entities": spans}


def _region_types(value: Any) -> set[str]:
    """The types of the regions in a result of JSON-MIN, such as ``labels`` or ``rectanglelabels``."""
    regions = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
    return {str(key) for item in regions for key in item if str(key).endswith("labels")}


def _is_choice(key: str, value: Any) -> bool:
    """Whether a result of JSON-MIN annotates the whole task: choices, which are not labels of its words."""
    if isinstance(value, str):
        return key in ANNOTATION_KEYS and not value.lstrip().startswith(("[", "{"))
    return isinstance(value, dict) and "choices" in value


def _choose(annotations: Sequence[Any], annotator: str | None, task: Any, line: Line) -> Any:
    """Choose the annotation of a task to read, or ``None``."""
    if annotator is not None and annotator not in ("first", "last"):
        annotations = [each for each in annotations if annotator in _names(each)]
    elif len(truth := [each for each in annotations if each.get("ground_truth")]) == 1:
        annotations = truth
    if not annotations:
        return None
    if annotator == "last":
        return annotations[-1]
    if annotator != "first" and any(_labels(each) != _labels(annotations[0]) for each in annotations):
        people = ", ".join(next(iter(_names(each)), "unknown") for each in annotations)
        found = f"the task {task} has {len(annotations)} annotations that differ (annotators: {people})"
        if line.notes.lenient:
            line.note("a task with several annotations that differ is read as not annotated", found)
            return None
        raise line.error(
            found,
            "Choose with annotator=... (--data.init_args.annotator): an annotator's id or e-mail address, 'first' or "
            "'last'; or mark one as ground truth in Label Studio",
        )
    return annotations[0]


def _names(annotation: Mapping[str, Any]) -> list[str]:
    """Return the names of an annotation's author: id, e-mail address."""
    person = annotation.get("completed_by")
    names = [person.get("id"), person.get("email")] if isinstance(person, dict) else [person]
    return [str(name) for name in names if name is not None]


def _labels(annotation: Mapping[str, Any]) -> list[str]:
    """Return the labels of an annotation in a comparable form."""
    results = annotation["result"]
    values = [result["value"] for result in results if result["type"] in _TEXT_LABELS]
    return sorted(f"{_bounds(value)} {[value.get(key) for key in _TEXT_LABELS]}" for value in values)


def _bounds(value: Mapping[str, Any]) -> tuple[Any, Any]:
    offsets = value.get("globalOffsets", value)  # in a HyperText, start and end are XPaths
    return offsets.get("start"), offsets.get("end")


def _span(value: Mapping[str, Any], line: Line) -> dict[str, Any]:
    start, end = _bounds(value)
    labels = next((value[key] for key in _TEXT_LABELS if value.get(key)), None)
    if type(start) is not int or type(end) is not int:
        raise line.error(
            f"a label from {start!r:.60} to {end!r:.60}, without globalOffsets",
            "Export with a version of Label Studio that writes globalOffsets",
        )
    if not labels:
        raise line.error(f"the region {start}-{end} has no label", "Label it, or delete it")
    return {"start_char": start, "end_char": end, "labels": labels, "text": value.get("text")}


def _record(
    data: Mapping[str, Any], spans: list[dict[str, Any]], line: Line, images: ImageFolder | None, target: str = "text"
) -> dict[str, Any]:
    """Return the text, the image, a caption and, as metadata, the rest of a task's data."""
    key = _text_key(data, spans, line, target)
    record: dict[str, Any] = {"text": data[key], "metadata": {}}
    links = [name for name, item in data.items() if name != key and isinstance(item, str) and _is_image(item)]
    image = "image" if isinstance(data.get("image"), str) and data["image"] else links[0] if len(links) == 1 else None
    if image is not None:
        record["image"] = uploaded_name(data[image], images)
    rest = {name: item for name, item in data.items() if name not in (key, image)}
    record |= {name: rest.pop(name) for name in ("caption", "contexts") if name in rest}
    refuse_overlooked(rest, rest, line, Extent(None, data[key]), has_image=image is not None)
    record["metadata"] = rest
    if "id" in data:
        record["id"] = data["id"]
    return record


def _text_key(data: Mapping[str, Any], spans: list[dict[str, Any]], line: Line, target: str) -> str:
    """Find which of a task's data is the labelled text: the one that contains the labels' own texts.

    Of several, it is the one that is called like the object of the labels, ``to_name``.
    """
    texts = [key for key, item in data.items() if isinstance(item, str) and (key == "text" or not _LINK.match(item))]
    fitting = [key for key in texts if _fits(data[key], spans, line)] if any(s["text"] for s in spans) else texts
    named = [key for key in fitting if "text" in key.casefold()]
    called = [key for key in (target, "text") if key in fitting][:1]
    for keys in (called, fitting, named, texts):
        if len(keys) == 1:
            return keys[0]
    raise line.error(
        f"a task whose data contain {'no text' if not texts else 'several texts'} (its keys are {', '.join(data)})",
        "Call the labelled text 'text'",
    )


def _fits(text: str, spans: Iterable[dict[str, Any]], line: Line) -> bool:
    try:
        settle_characters(text, read_spans(spans, line), line)
    except FormatError:
        return False
    return True


def _is_image(value: str) -> bool:
    return value.startswith(("/data/upload/", "/data/local-files/")) or _IMAGE.search(value) is not None


def uploaded_name(value: str, images: ImageFolder | None) -> str:
    """Return the name, in the image folder, of an image that Label Studio serves.

    Args:
        value: A path such as ``/data/upload/3/1a2b3c4d-33.jpg`` (the prefix is Label Studio's) or
            ``/data/local-files/?d=pictures/33.jpg``, a URL, or a name relative to the image folder.
        images: The image folder.

    Returns:
        The longest trailing part of the path that is in the folder; without one, the file name.
    """
    if not _LINK.match(value):
        return value
    parts = urlsplit(value)
    served = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    path = PurePosixPath(served.replace("\\", "/").lstrip("/"))
    bare = _UPLOAD_HASH.sub("", path.name, count=1) if "upload" in path.parts else path.name
    if images is not None and ".." not in path.parts:
        tails = [PurePosixPath(*path.parts[start:]) for start in range(len(path.parts))]
        names = [str(name) for tail in tails for name in (tail, tail.with_name(bare))]
        bare = next((found for name in names if (found := images.names.find(name))), bare)
    return bare
