"""Tables in files and in memory: CSV, TSV, Parquet, Arrow, pandas and Hugging Face data sets."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("pandas")
pytest.importorskip("datasets")
pytest.importorskip("pyarrow")

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from mner.data.columns import parse_columns
from mner.data.readers import iter_posts, read_posts
from mner.errors import ConfigurationError, DataError, FormatError

WORDS = ["Ana", "in", "Lugo"]
TAGS = ["B-PER", "O", "B-LOC"]


@pytest.fixture
def write(tmp_path):
    def write(content, name="posts.csv"):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ('id,text,image\n5,"Ana, in Lugo",33.jpg\n6,hi,\n', "posts.csv"),
        ('id;text;image\n5;"Ana, in Lugo";33.jpg\n6;hi;\n', "posts"),
        ("id\ttext\timage\n5\tAna, in Lugo\t33.jpg\n6\thi\t\n", "posts.tsv"),
        ("\ufeffid|text|image\r\n5|Ana, in Lugo|33.jpg\r\n6|hi|\r\n", "posts.txt"),
        ('"text","id","image"\n"Ana, in Lugo","5","33.jpg"\n\n"hi","6",""\n', "posts.CSV"),
    ],
)
def test_csv(write, content, name):
    first, second = read_posts(write(content, name))
    assert (first.id, first.text, first.image) == ("5", "Ana, in Lugo", Path("33.jpg"))
    assert (second.id, second.text, second.image, second.metadata) == ("6", "hi", None, {})
    assert list(iter_posts(write(content, name))) == [first, second]


def test_cells_of_several_lines_and_an_index(write):
    first, second = read_posts(write(',text\n0,"a ""b""\n\nc"\n1,d\n'))
    assert (first.text, second.text) == ('a "b"\n\nc', "d")
    assert (second.id, second.metadata) == ("5", {"column 1": "1"})


@pytest.mark.parametrize(
    ("tokens", "tags"),
    [
        (str(WORDS), str(TAGS)),
        (json.dumps(WORDS), json.dumps(TAGS)),
        (" ".join(WORDS), " ".join(TAGS)),
        (str(WORDS).replace(",", ""), str(TAGS).replace(",", "")),
    ],
)
def test_lists_in_cells(tmp_path, tokens, tags):
    path = tmp_path / "posts.csv"
    pd.DataFrame({"tokens": [tokens], "ner_tags": [tags], "likes": [3]}).to_csv(path)
    (post,) = read_posts(path)
    assert (post.words, post.tags, post.metadata["likes"]) == (tuple(WORDS), tuple(TAGS), "3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tweet,likes\nhi,3\n", r"line 1: the header of a table \(tweet, likes\) without a column 'text'.*--columns"),
        ("hello there\nmore text\n", r"header of a table \(hello there\) without"),
        ("1,hello there\n2,more\n", "without a column 'text'.*add a header if there is none"),
        ("text,text\na,b\n", "two columns are called 'text'"),
        ("id,text\n1,so, really\n", "line 2: 3 cells, where the header has 2 columns"),
        ('id,text\n1,"so\n2,really\n', "line 2: invalid CSV"),
        ('id,text\n1,"so" then\n', "line 2: invalid CSV"),
        ("id,text\n1,\n", "line 2: an object with neither 'tokens' nor 'text'"),
        ("id,text,y\n1,a b,['O' 'B-PER']\n", "y looks like an annotation"),
        ("tokens,ner_tags\n['a' 'b'],[0 1]\n", r"ner_tags contains class indices: \[0, 1\]"),
    ],
)
def test_malformed_tables(write, content, message):
    for read in (read_posts, lambda path: list(iter_posts(path))):
        with pytest.raises(FormatError, match=message):
            read(write(content))


def test_a_table_as_plain_text_is_possible_and_noted(write):
    path = write("id;text\n5;hi there\n", "posts.txt")
    with pytest.warns(UserWarning, match=r"the line looks like the header of a table.*\(line 1\)"):
        assert [post.text for post in read_posts(path, format="text")] == ["id;text", "5;hi there"]


def test_a_bad_row_costs_one_row(write):
    errors = []
    path = write("id,text\n1,a\n2,b,c\n3,d\n4\n5,e\n")
    assert [post.id for post in iter_posts(path, on_error=errors.append)] == ["1", "3", "5"]
    assert [error.line for error in errors] == [3, 5]


def test_columns_are_mapped_in_tables_and_json(write):
    columns = parse_columns(["text=tweet", "image=photo"])
    for content, name in [
        ("tweet,photo,text\nhi Ana,3.jpg,raw\n", "posts.csv"),
        ('{"tweet": "hi Ana", "photo": "3.jpg", "text": "raw"}', "posts.jsonl"),
    ]:
        (post,) = read_posts(write(content, name), columns=columns)
        assert (post.text, post.image, post.metadata) == ("hi Ana", Path("3.jpg"), {"text": "raw"})
    with pytest.raises(FormatError, match=r"no column 'tweet' \(there are text\)"):
        read_posts(write('{"text": "hi"}', "posts.jsonl"), columns=columns)


@pytest.mark.parametrize("pairs", [["text"], ["text=a", "text=b"], ["text="], ["txt=a"]])
def test_malformed_columns(pairs):
    with pytest.raises(ConfigurationError, match="columns"):
        parse_columns(pairs)


FEATURES = datasets.Features(
    {
        "id": datasets.Value("int64"),
        "tokens": datasets.List(datasets.Value("string")),
        "ner_tags": datasets.List(datasets.ClassLabel(names=["O", "B-PER", "B-LOC"])),
    }
)
DATASET = datasets.Dataset.from_list([{"id": 5, "tokens": WORDS, "ner_tags": [1, 0, 2]}] * 3, features=FEATURES)


@pytest.fixture(params=["dataset", "selected", "saved", "parquet", "parts", "arrow", "stream", "table", "pandas"])
def table(request, tmp_path):
    path = tmp_path / "posts"
    match request.param:
        case "dataset":
            return DATASET
        case "selected":
            return DATASET.select([2, 0]).shuffle(seed=1)
        case "saved":
            DATASET.save_to_disk(str(path))
        case "parquet":
            DATASET.to_parquet(path)
        case "parts":
            path.mkdir()
            DATASET.select([0]).to_parquet(path / "0.parquet")
            DATASET.select([1]).to_parquet(path / "1.parquet")
        case "arrow":
            pyarrow.feather.write_feather(DATASET.with_format("arrow")[:], path)
        case "stream":
            path = tmp_path / "posts.arrow"
            with (
                pa.OSFile(str(path), "wb") as file,
                pa.ipc.new_stream(file, DATASET.with_format("arrow")[:].schema) as to,
            ):
                to.write_table(DATASET.with_format("arrow")[:])
        case "table":
            return DATASET.with_format("arrow")[:]
        case "pandas":
            return pd.DataFrame([{"id": 5, "tokens": WORDS, "ner_tags": TAGS, "score": float("nan")}] * 2)
    return path


def test_columnar_tables(table):
    posts = read_posts(table)
    assert (posts[0].id, posts[1].id) == ("5", "5#2")
    assert {(post.words, post.tags) for post in posts} == {(tuple(WORDS), tuple(TAGS))}
    assert [replaced.tags for replaced in iter_posts(table)] == [post.tags for post in posts]


def test_nested_class_labels_and_spans():
    spans = [{"start": 0, "end": 1, "label": 0}, {"start": 2, "end": 3, "label": 1}]
    label = datasets.ClassLabel(names=["PER", "LOC"])
    numbers = datasets.Value("int64")
    features = datasets.Features(
        {
            "tokens": datasets.List(datasets.Value("string")),
            "entities": datasets.List({"start": numbers, "end": numbers, "label": label}),
        }
    )
    (post,) = read_posts(datasets.Dataset.from_list([{"tokens": WORDS, "entities": spans}], features=features))
    assert post.tags == tuple(TAGS)
    columns = {"start": [0, 2], "end": [1, 3], "label": ["PER", "LOC"]}
    assert read_posts(pd.DataFrame([{"tokens": WORDS, "entities": columns}]))[0].tags == tuple(TAGS)


def test_class_indices_without_names_are_refused(tmp_path):
    pq.write_table(pa.table({"tokens": [WORDS], "ner_tags": [[1, 0, 2]]}), tmp_path / "posts.parquet")
    with pytest.raises(FormatError, match=r"posts\.parquet, row 1: ner_tags contains class indices"):
        read_posts(tmp_path / "posts.parquet")


def test_class_indices_of_a_test_set_without_tags():
    tags = datasets.List(datasets.ClassLabel(names=["O", "B-PER"]))
    features = datasets.Features({"tokens": datasets.List(datasets.Value("string")), "ner_tags": tags})
    rows = [{"tokens": WORDS, "ner_tags": [-1, -1, -1]}, {"tokens": WORDS, "ner_tags": [1, 0, 0]}]
    first, second = read_posts(datasets.Dataset.from_list(rows, features=features))
    assert (first.tags, second.tags) == (None, ("B-PER", "O", "O"))


def test_images_within_a_table(tmp_path):
    content = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(content, "png")
    rows = [
        {"text": "a", "image": {"bytes": content.getvalue(), "path": "x/../33.png"}},
        {"text": "b", "image": {"bytes": content.getvalue(), "path": "33.png"}},
        {"text": "c", "image": {"bytes": content.getvalue() + b" ", "path": "33.png"}},
        {"text": "d", "image": {"bytes": content.getvalue(), "path": None}},
        {"text": "e", "image": None},
    ]
    dataset = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())
    folder = tmp_path / "images"
    for table in (dataset, pd.DataFrame(rows)):
        images = [post.image for post in read_posts(table, images=folder)]
        assert images[0] == images[1] == folder / "33.png"
        assert images[2].name.startswith("33-")
        assert images[3].suffix == ".png"
        assert images[4] is None
        assert images[0].read_bytes() == content.getvalue()
    assert len(list(folder.iterdir())) == 3
    with pytest.warns(UserWarning, match="images within the data are left out.*4 rows"):
        assert read_posts(dataset)[0].image is None


def test_splits_must_be_chosen(tmp_path):
    splits = datasets.DatasetDict({"train": DATASET, "test": DATASET})
    splits.save_to_disk(str(tmp_path))
    with pytest.raises(FormatError, match="the splits test, train"):
        read_posts(tmp_path)
    with pytest.raises(DataError, match=r"the splits train, test; give one, such as dataset\['train'\]"):
        read_posts(splits)
    assert len(read_posts(tmp_path / "train")) == 3


def test_a_cut_off_file_is_named(tmp_path):
    DATASET.to_parquet(tmp_path / "posts.parquet")
    content = (tmp_path / "posts.parquet").read_bytes()
    (tmp_path / "posts.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(FormatError, match=r"posts\.parquet: not a valid table"):
        read_posts(tmp_path / "posts.parquet")


def test_values_that_are_not_plain(tmp_path):
    table = pd.DataFrame({"text": ["hi"], "day": pd.to_datetime(["2026-11-26"]), "n": [3], "x": [None]})
    assert read_posts(table)[0].metadata == {"day": "2026-11-26T00:00:00", "n": 3}
    with pytest.raises(
        FormatError, match="DataFrame, row 1: the column x cannot be read: a object, which is not plain JSON"
    ):
        read_posts(pd.DataFrame({"text": ["hi"], "x": [object()]}))
    with pytest.raises(FormatError, match=r"the column x .* map it: columns=\{'image': 'x'\}"):
        read_posts(pd.DataFrame({"text": ["hi"], "x": [{"bytes": b"GIF89a", "path": None}]}))
    with pytest.warns(UserWarning, match="the column x cannot be read"):
        assert next(iter_posts(pd.DataFrame({"text": ["hi"], "x": [b"GIF89a"]}), lenient=True)).words == ("hi",)


def test_an_image_that_an_interrupted_process_left_incomplete_is_written_again(tmp_path):
    table = pd.DataFrame({"text": ["a"], "image": [b"GIF89a complete"]})
    (first,) = read_posts(table, images=tmp_path)
    first.image.write_bytes(b"GIF89a comp")
    (again,) = read_posts(table, images=tmp_path)
    assert (again, again.image.read_bytes()) == (first, b"GIF89a complete")


@pytest.mark.parametrize("metadata", ['{"lang": "no"}', {"lang": "no"}, float("nan"), None, pd.NA])
def test_a_displaced_column_is_added_to_the_metadata(metadata):
    table = pd.DataFrame([{"tweet": "Oslo", "text": "other", "metadata": metadata}])
    (post,) = read_posts(table, columns={"text": "tweet"})
    assert post.text == "Oslo"
    assert dict(post.metadata) == {"text": "other", **({"lang": "no"} if isinstance(metadata, str | dict) else {})}


def test_a_displaced_column_and_metadata_that_are_none():
    with pytest.raises(FormatError, match="metadata is 'new', where an object was expected"):
        read_posts(pd.DataFrame([{"tweet": "Oslo", "text": "other", "metadata": "new"}]), columns={"text": "tweet"})


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("n,form,gold\n0,in,O\n0,Oslo,B-LOC\n", {"tokens": "form", "ner_tags": "gold"}),
        ("sep=;\nid;text\n1;Ana\n", None),
    ],
)
def test_tables_of_other_layouts_are_refused(write, content, columns):
    with pytest.raises(FormatError, match=r"(line 2: a table with a word per row|line 1: 'sep=;', a line for Ex)"):
        read_posts(write(content), columns=columns)


def test_keys_of_objects_in_objects_are_mapped(write):
    nested = {"data": {"text": "hi Ana", "tags": ["O", "B-PER"], "author": 3}, "likes": 3}
    columns = {"text": "data.text", "caption": "note.alt"}
    path = write(json.dumps({**nested, "note": {"alt": "a dog"}}), "posts.jsonl")
    with pytest.raises(FormatError, match="data looks like an annotation"):
        read_posts(path, columns=columns)
    with pytest.warns(UserWarning, match="data looks like an annotation"):
        (post,) = iter_posts(path, columns=columns, lenient=True)
    assert (post.text, post.contexts) == ("hi Ana", {"caption": "a dog"})
    assert post.metadata == {"data": {"tags": ["O", "B-PER"], "author": 3}, "likes": 3}
    with pytest.raises(FormatError, match=r"no column 'note.alt' \(there are data, likes\)"):
        read_posts(write(json.dumps(nested), "other.jsonl"), columns=columns)

    example = {
        "tokens": datasets.List(datasets.Value("string")),
        "tags": datasets.List(datasets.ClassLabel(names=TAGS)),
    }
    rows = [{"example": {"tokens": WORDS, "tags": TAGS}}]
    table = datasets.Dataset.from_list(rows, features=datasets.Features({"example": example}))
    with pytest.raises(FormatError, match=r"row 1: a post under 'example'.*columns=\{'text': 'example.text'\}"):
        read_posts(table)
    (post,) = read_posts(table, columns={"tokens": "example.tokens", "tags": "example.tags"})
    assert (post.words, post.tags, post.metadata) == (tuple(WORDS), tuple(TAGS), {})


def test_names_of_columns_that_are_not_strings():
    with pytest.raises(ConfigurationError, match="the name of the column for text as a string, got 0"):
        read_posts(pd.DataFrame({0: ["Oslo"]}), columns={"text": 0})


def test_indices_of_pandas_with_names_are_columns():
    table = pd.DataFrame(
        {"text": ["a", "b"]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 1)], names=["id", None])
    )
    assert [(post.id, post.text) for post in read_posts(table)] == [("x", "a"), ("y", "b")]
    same = pd.DataFrame({"id": ["x"], "text": ["a"]}).set_index("id", drop=False)
    assert [post.id for post in read_posts(same)] == ["x"]
    words = pd.DataFrame({"word": WORDS, "tag": TAGS}, index=pd.Index(["s1", "s1", "s2"], name="sentence_id"))
    assert [(post.id, post.words) for post in read_posts(words)] == [("s1", ("Ana", "in")), ("s2", ("Lugo",))]


def test_several_levels_of_names_are_refused():
    table = pd.DataFrame([["Oslo"]], columns=pd.MultiIndex.from_tuples([("text", "")]))
    with pytest.raises(DataError, match=r"2 levels of column names; give them one: table\.columns = "):
        read_posts(table)


def test_whole_numbers_that_pandas_made_floats():
    table = pd.DataFrame({"id": [7.0, None], "image_id": [33.0, None], "text": ["a", "b"]})
    assert [(post.id, post.image) for post in read_posts(table)] == [("7", Path("33.jpg")), ("2", None)]
    with pytest.raises(FormatError, match=r"the id 7\.5"):
        read_posts(pd.DataFrame({"id": [7.5], "text": ["a"]}))


def test_a_missing_text_is_named():
    with pytest.raises(FormatError, match=r"row 2: text is missing \(null\). Give it"):
        read_posts(pd.DataFrame({"text": ["a", None]}))
