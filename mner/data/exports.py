"""Exports of annotation tools and layouts of other libraries, recognised and converted to mner's own layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mner.data.autogluon import autogluon_row
from mner.data.brat import brat_document
from mner.data.doccano import doccano_example
from mner.data.gliner import gliner_example
from mner.data.gliner2 import gliner2_example
from mner.data.image_names import ImageFolder
from mner.data.label_studio import label_studio_task
from mner.data.lines import Line
from mner.data.mner_mi import mner_mi_post
from mner.data.mnre import mnre_relation
from mner.data.prodigy import prodigy_task
from mner.data.spacy_format import spacy_example
from mner.data.ubiai import ubiai_document
from mner.data.unco import unco_post
from mner.data.wikidiverse import wikidiverse_sentence

Recogniser = Callable[[Any, Line], dict[str, Any] | None]
"""Converts a value of its format to mner's layout; returns ``None`` for any other value."""

RECOGNISERS: tuple[Recogniser, ...] = (
    prodigy_task,
    spacy_example,
    gliner_example,
    gliner2_example,
    mnre_relation,
    brat_document,
    autogluon_row,
    doccano_example,
    ubiai_document,
    unco_post,
    wikidiverse_sentence,
    mner_mi_post,
)

_POST_KEYS = frozenset({"text", "tokens", "words"})
# Formats without entities that mner could read, by the keys that show them, and what to do.
_FOREIGN: tuple[tuple[frozenset[str], str, str], ...] = (
    (
        frozenset({"input", "output"}),
        "an input and an output of a language model",
        'Write {"text": ..., "entities": [{"start": ..., "end": ..., "type": ...}]}',
    ),
    (
        frozenset({"paragraphs"}),
        "training data of spaCy 2",
        "Convert it with `python -m spacy convert FILE FOLDER`, whose .spacy file is read",
    ),
    (
        frozenset({"annotatable", "anncomplete"}),
        "an annotation of tagtog (.ann.json), whose text is in the .plain.html file of the same name",
        'Write {"text": ..., "entities": [{"start": ..., "end": ..., "type": ...}]}: the text is that of the part, an '
        "offset's start counts its characters, and its end is the start plus the length of its text",
    ),
    *(
        (
            frozenset({key}),
            "a conversation for fine-tuning a language model",
            'Write {"text": ..., "entities": [{"start": ..., "end": ..., "type": ...}]}',
        )
        for key in ("messages", "conversations")
    ),
)


def to_record(value: Any, line: Line, images: ImageFolder | None, annotator: str | None) -> Any:
    """Convert a value of a known export to mner's own layout.

    Args:
        value: A JSON value.
        line: Its line.
        images: The image folder, in which uploads of Label Studio are looked for.
        annotator: Whose annotation to read, where there are several.

    Returns:
        The converted record, or the value itself if it is not of a known export.

    Raises:
        FormatError: If it is of a known format that mner cannot read, or is malformed.
    """
    record = label_studio_task(value, line, images, annotator)
    if record is not None:
        return record
    record = next((record for recognise in RECOGNISERS if (record := recognise(value, line)) is not None), value)
    if isinstance(record, dict) and _POST_KEYS.isdisjoint(record):
        for keys, found, remedy in _FOREIGN:
            if keys <= record.keys():
                raise line.error(found, remedy)
    return record
