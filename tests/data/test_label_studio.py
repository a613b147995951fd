"""Label Studio's exports as they are: cancelled tasks, several annotators, uploads, HyperText, JSON-MIN."""

import csv
import json
from pathlib import Path

import pytest

from mner.data.image_names import ImageFolder
from mner.data.label_studio import uploaded_name
from mner.data.readers import read_posts
from mner.errors import FormatError
from mner.labels import spans

TEXT = "Ana Ruiz in Lugo"


def label(start=0, end=8, kind="PER", text="Ana Ruiz", **more):
    return {"type": "labels", "value": {"start": start, "end": end, "text": text, "labels": [kind]}, **more}


def task(*annotations, data=None, **more):
    return {"id": 3, "data": {"text": TEXT} if data is None else data, "annotations": list(annotations), **more}


def annotation(*results, by=1, **more):
    return {"id": 5, "completed_by": by, "result": list(results), "was_cancelled": False, **more}


@pytest.fixture
def read(tmp_path):
    def read(*tasks, **options):
        path = tmp_path / "export.json"
        path.write_text(json.dumps(tasks), encoding="utf-8")
        return read_posts(path, **options)

    return read


def found(post):
    return None if post.tags is None else [(e.type, post.surface(e.start, e.end)) for e in spans(post.tags)]


def test_what_else_is_known_is_kept(read):
    choice = {"type": "choices", "value": {"choices": ["sport"]}}
    post = read(task(annotation(label(), choice), data={"text": TEXT, "user": "x"}, project=7))[0]
    assert (post.id, found(post), post.metadata["user"]) == ("3", [("PER", "Ana Ruiz")], "x")
    assert (post.metadata["other_annotations"], post.metadata["task"]) == ([choice], {"project": 7})


@pytest.mark.parametrize("start", ["/div[1]/text()[1]", 0])
def test_hypertext_labels(read, start):
    value = {"start": start, "end": start, "startOffset": 0, "endOffset": 8, "globalOffsets": {"start": 0, "end": 8}}
    result = {"type": "hypertextlabels", "value": {**value, "text": "Ana Ruiz", "hypertextlabels": ["PER"]}}
    assert found(read(task(annotation(result)))[0]) == [("PER", "Ana Ruiz")]


def test_tasks_that_nobody_annotated(read):
    posts = read(task(), task(annotation(label(), was_cancelled=True)), task(annotation()), task(annotations=None))
    assert [found(post) for post in posts] == [None, None, [], None]


CHOICE = {"type": "choices", "value": {"choices": ["PER"]}}
OTHERS_ONLY = [
    task(annotation(CHOICE)),
    task(annotation({"type": "rectanglelabels", "value": {"x": 1, "rectanglelabels": ["PER"]}})),
    task(annotation({"type": "textarea", "value": {"text": ["x"]}})),
]


@pytest.mark.parametrize("other", OTHERS_ONLY)
def test_a_project_without_labels_annotates_no_entities(read, other):
    with pytest.warns(UserWarning, match=r"2 of 2 tasks have no labels.*: they are read as not annotated"):
        posts = read(other, other)
    assert [found(post) for post in posts] == [None, None]


def test_choices_beside_labels_leave_a_task_without_entities(read):
    with pytest.warns(UserWarning, match=r"1 of 2 tasks have no labels.* read as having no entities"):
        posts = read(task(annotation(label(), CHOICE)), task(annotation(CHOICE)))
    assert [found(post) for post in posts] == [[("PER", "Ana Ruiz")], []]


@pytest.mark.parametrize("choice", [{"label": "PER"}, {"sentiment": "Positive"}, {"ner": {"choices": ["a", "b"]}}, {}])
def test_choices_of_json_min(read, choice):
    with pytest.warns(UserWarning, match="1 of 1 tasks have no labels"):
        assert read(json_min(1, **choice))[0].tags is None
    with pytest.warns(UserWarning, match="1 of 2 tasks have no labels"):
        posts = read(json_min(1, label()), json_min(1, id=4, **choice))
    assert [found(post) for post in posts] == [[("PER", "Ana Ruiz")], []]


def test_data_of_a_task(read):
    post = read(task(annotation(label(to_name="title")), data={"title": TEXT, "text": TEXT, "caption": "a dog"}))[0]
    assert (found(post), dict(post.contexts)) == ([("PER", "Ana Ruiz")], {"caption": "a dog"})
    assert post.metadata == {"text": TEXT}


def test_predictions_are_not_gold(read):
    with pytest.warns(UserWarning, match="predictions are not gold"):
        post = read(task(predictions=[{"result": [label()]}]))[0]
    assert (post.tags, len(post.metadata["predictions"])) == (None, 1)
    assert read({"data": {"text": TEXT}})[0].tags is None


@pytest.mark.parametrize(
    ("annotator", "expected"),
    [
        ("first", [("PER", "Ana Ruiz")]),
        ("last", [("PER", "Ana")]),
        (1, [("PER", "Ana Ruiz")]),
        ("2", [("PER", "Ana")]),
        ("bo@x.org", [("PER", "Ana")]),
        (9, None),
    ],
)
def test_several_annotators(read, annotator, expected):
    bo = {"id": 2, "email": "bo@x.org"}
    two = task(annotation(label()), annotation(label(end=3, text="Ana"), by=bo))
    assert found(read(two, annotator=annotator)[0]) == expected
    with pytest.raises(FormatError, match=r"the task 3 has 2 annotations that differ \(annotators: 1, 2\).*annotator="):
        read(two)


def test_annotators_who_agree_and_the_ground_truth(read):
    agreed = task(annotation(label(id="a")), annotation(label(id="b"), by=2))
    judged = task(annotation(label()), annotation(label(end=3, text="Ana"), by=2, ground_truth=True))
    assert [found(post) for post in read(agreed, judged)] == [[("PER", "Ana Ruiz")], [("PER", "Ana")]]


@pytest.mark.parametrize(
    "data",
    [
        {"r_TEXT": TEXT},
        {"tweet": TEXT, "user": "ana", "image": "/data/upload/3/1a2b3c4d-33.jpg"},
        {"text": "another", "title": TEXT},
        {"url": "https://x.org/y", "body": TEXT},
    ],
)
def test_a_text_of_another_name_is_found_by_the_labels(read, data):
    assert found(read(task(annotation(label()), data=data))[0]) == [("PER", "Ana Ruiz")]


def test_a_text_of_another_name_without_labels(read):
    assert [post.text for post in read(task(data={"r_TEXT": TEXT, "user": "ana"}), task(data={"body": TEXT}))] == [
        TEXT
    ] * 2


def json_min(annotator, *labels, **more):
    record = {"id": 3, "text": TEXT, "annotator": annotator, "annotation_id": 8 + annotator, "lead_time": 1.5, **more}
    return record | ({"ner": [each["value"] for each in labels]} if labels else {})


@pytest.mark.filterwarnings("ignore:.*have no labels")
def test_json_min(read):
    post, other = read(json_min(1, label(), image="/data/upload/3/1a2b3c4d-33.jpg"), json_min(1, id=4))
    assert (post.id, found(post), post.image) == ("3", [("PER", "Ana Ruiz")], Path("33.jpg"))
    assert found(other) == []


def test_json_min_of_several_annotators(read):
    two = json_min(1, label()), json_min(2, label(end=3, text="Ana"))
    with pytest.raises(FormatError, match=r"the task 3 has 2 annotations that differ \(annotators: 1, 2\)"):
        read(*two)
    chosen = {name: [found(post) for post in read(*two, annotator=name)] for name in ("first", "last", 2, 9)}
    assert chosen == {"first": [[("PER", "Ana Ruiz")]], "last": [[("PER", "Ana")]], 2: [[("PER", "Ana")]], 9: [None]}
    assert len(read(json_min(1, label()), json_min(2, label()))) == 1


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("/data/upload/3/1a2b3c4d-33.jpg", "33.jpg"),
        ("/data/upload/33.jpg", "33.jpg"),
        ("/data/upload/3/1a2b3c4d-my%20dog.jpg", "my dog.jpg"),
        ("/data/local-files/?d=set/pictures/33.jpg", "33.jpg"),
        ("/data/local-files/?d=set%5Cpictures%5C33.jpg", "33.jpg"),
        ("/data/local-files/?d=../../etc/33.jpg", "33.jpg"),
        ("https://label.example/data/upload/3/1a2b3c4d-33.jpg?x=1", "33.jpg"),
        ("s3://bucket/pictures/33.jpg", "33.jpg"),
        ("pictures/33.jpg", "pictures/33.jpg"),
        ("1a2b3c4d-33.jpg", "1a2b3c4d-33.jpg"),
    ],
)
def test_uploaded_names(value, name):
    assert uploaded_name(value, None) == name


def test_uploaded_names_in_a_folder(tmp_path):
    for name in ("a/33.jpg", "b/33.jpg", "1a2b3c4d-34.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert uploaded_name("/data/local-files/?d=set/b/33.jpg", ImageFolder(tmp_path)) == "b/33.jpg"
    assert uploaded_name("/data/upload/3/1a2b3c4d-34.jpg", ImageFolder(tmp_path)) == "1a2b3c4d-34.jpg"
    assert uploaded_name("/data/upload/3/ffffffff-34.jpg", ImageFolder(tmp_path)) == "34.jpg"


HYPER = {"type": "hypertextlabels", "value": {"start": "/p[1]", "end": "/p[1]", "hypertextlabels": ["PER"]}}


@pytest.mark.parametrize(
    ("malformed", "message"),
    [
        (task(3), "does not write"),
        (task({"result": [3]}), "does not write"),
        (task({"was_cancelled": False}), "does not write"),
        (task(annotation(label()), data={"text": "Bo in Lugo"}), "reads 'Bo in Lu', but the file says 'Ana Ruiz'"),
        (task(annotation(label()), data={"text": "<p>Ana Ruiz</p>"}), "without HTML"),
        (task(annotation(label()), data={"a": TEXT, "b": TEXT}), r"several texts \(its keys are a, b\)"),
        (task(data={"image": "/data/upload/1.jpg"}), r"no text \(its keys are image\)"),
        (task(annotation({"type": "labels", "value": {"start": 0, "end": 8}})), "has no label"),
        (task(annotation(HYPER)), "without globalOffsets"),
        (task(data={"text": TEXT, "ner": [[0, 8, "PER"]]}), "ner looks like an annotation"),
        (task(data={"text": TEXT, "img": "33"}), "img looks like the name of an image"),
        (task(data={"text": TEXT, "captions": "a dog"}), "captions looks like a text about the image"),
        (
            task(annotation(label(to_name="a"), label(12, 16, "LOC", "Lugo", to_name="b"))),
            "labels of several texts, a and b",
        ),
        (
            task(annotation({"type": "paragraphlabels", "value": {"start": "0", "paragraphlabels": ["PER"]}})),
            "'paragraphlabels', which are not of a text",
        ),
        (
            task(annotation({"type": "labels", "value": {"start": 0, "end": 3, "labels": ["PER", "ORG"]}})),
            "has 2 types",
        ),
        (
            {**json_min(1, label()), "other": [label()["value"]]},
            "labels under other and ner|labels under ner and other",
        ),
    ],
)
def test_malformed(tmp_path, malformed, message):
    path = tmp_path / "export.json"
    path.write_text("[\n" + json.dumps(task()) + ",\n" + json.dumps(malformed) + "]", encoding="utf-8")
    with pytest.raises(FormatError, match=message) as caught:
        read_posts(path)
    assert caught.value.line == 3
    assert caught.value.remedy


def test_labels_in_a_csv_export(tmp_path):
    row = {"annotation_id": 9, "annotator": 1, "id": 4, "label": json.dumps([label()["value"]]), "lead_time": 1.5}
    path = tmp_path / "export.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*row, "text"])
        writer.writeheader()
        writer.writerow({**row, "text": TEXT})
    (post,) = read_posts(path)
    assert (post.id, post.spans) == ("4", ((0, 8, "PER"),))
