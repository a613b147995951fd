"""``mner tag``: every format, standard input, bad lines, in the order of the input."""

import io
import json
from pathlib import Path

import pytest

import mner
from mner.cli import main
from mner.predictions import read_predictions


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tag(trained_run, capsys):
    """Runs the command; returns its status, the objects it wrote and what it complained of."""

    def run(file, *options):
        status = main(["tag", str(file), "--checkpoint", str(trained_run / "best.ckpt"), "--device", "cpu", *options])
        out, err = capsys.readouterr()
        return status, [json.loads(line) for line in out.splitlines()], err

    return run


def found(records):
    return [[(entity["type"], entity["text"]) for entity in record["predicted"]] for record in records]


def test_json_lines_with_text_words_contexts_and_images(tag):
    posts = [
        {"id": "a", "text": "Kevin Durant is loud", "image": "a.jpg", "contexts": {"caption": "a man"}},
        {"id": "b", "tokens": ["in", "Oslo"], "label": ["B-LOC", "O"]},
    ]
    Path("posts.jsonl").write_text("".join(json.dumps(post) + "\n" for post in posts))
    status, (first, second), _ = tag("posts.jsonl", "--images", "pictures")
    assert status == 0
    assert found([first, second]) == [[("PER", "Kevin Durant")], [("LOC", "Oslo")]]
    assert first["predicted"][0]["characters"] == [0, 12]
    assert 0 < first["predicted"][0]["confidence"] <= 1
    assert (first["id"], first["image"], "contexts" in first) == ("a", "a.jpg", False)  # the model reads none
    assert second["gold"] == [{"type": "LOC", "text": "in", "start": 0, "end": 1}]


def test_plain_text_a_post_a_line(tag):
    Path("posts.txt").write_text("Kevin Durant is loud\n\nin Oslo tonight\n", encoding="utf-8")
    status, records, _ = tag("posts.txt")
    assert status == 0
    assert found(records) == [[("PER", "Kevin Durant")], [("LOC", "Oslo")]]
    assert [record["text"] for record in records] == ["Kevin Durant is loud", "in Oslo tonight"]


def test_conll_with_and_without_tags(tag, shared_twitter_folder):
    status, records, _ = tag(shared_twitter_folder / "test.txt")
    assert status == 0
    assert [record["id"] for record in records] == [f"test_16_05_{index}" for index in range(5)]
    assert [record["predicted"] and record["predicted"][0]["text"] for record in records] == [
        record["gold"] and record["gold"][0]["text"] for record in records
    ]
    Path("words.conll").write_text("in\nOslo\n\nKevin\nDurant\n", encoding="utf-8")
    status, records, _ = tag("words.conll")
    assert found(records) == [[("LOC", "Oslo")], [("PER", "Kevin Durant")]]
    assert all("gold" not in record for record in records)


class Stream:
    """Standard input, or a terminal of it, whose lines are told when they are read."""

    def __init__(self, content, terminal=False):
        self.buffer = io.BytesIO(content.encode())
        self.isatty = lambda: terminal


@pytest.mark.parametrize("terminal", [False, True])
def test_standard_input(tag, monkeypatch, terminal):
    monkeypatch.setattr("sys.stdin", Stream("Kevin Durant is loud\nin Oslo tonight\n", terminal))
    status, records, _ = tag("-")
    assert status == 0
    assert found(records) == [[("PER", "Kevin Durant")], [("LOC", "Oslo")]]


def test_a_file_is_written_whole_or_not_at_all(tag, monkeypatch):
    Path("posts.txt").write_text("Kevin Durant is loud\n", encoding="utf-8")
    status, printed, _ = tag("posts.txt", "--output", "new/folder/tagged.jsonl")
    assert (status, printed) == (0, [])
    (prediction,) = read_predictions("new/folder/tagged.jsonl")
    assert prediction.entities[0].text == "Kevin Durant"

    def broken(*_):
        raise RuntimeError("the power is out")

    monkeypatch.setattr("mner.inference.tagger.Tagger._tag", broken)
    status, _, err = tag("posts.txt", "--output", "new/folder/tagged.jsonl")
    assert status == 1
    assert "RuntimeError: the power is out" in err
    assert read_predictions("new/folder/tagged.jsonl") == [prediction]


def test_bad_lines_are_reported_and_the_rest_is_tagged(tag):
    good = json.dumps({"text": "in Oslo tonight"})
    Path("posts.jsonl").write_text(f'{good}\n{{"text": \n{good}\n{{"id": 3}}\n{good}\n', encoding="utf-8")
    status, records, err = tag("posts.jsonl")
    assert status == 1
    assert found(records) == [[("LOC", "Oslo")]] * 3
    assert "posts.jsonl, line 2: " in err
    assert "posts.jsonl, line 4: an object with neither 'tokens' nor 'text'" in err
    assert "mner tag: 2 lines could not be read and are not in the output" in err


@pytest.mark.parametrize("options", [[], ["--batch-size", "3", "--window", "2"], ["--batch-size", "1"]])
def test_output_is_in_the_order_of_the_input(tag, options):
    texts = [" ".join(["loud"] * (37 * index % 23) + ["Oslo"]) for index in range(50)]
    Path("posts.txt").write_text("\n".join(texts), encoding="utf-8")
    status, records, _ = tag("posts.txt", "--format", "text", *options)
    assert status == 0
    assert [record["text"] for record in records] == texts


def test_it_finds_what_the_tagger_finds(tag, trained_run):
    texts = ["RT @dana: Kevin Durant enters \U0001f600", "Letter to Nike from Serena", "\U0001f600"]
    Path("posts.txt").write_text("\n".join(texts), encoding="utf-8")
    _, records, _ = tag("posts.txt")
    expected = mner.load(trained_run / "best.ckpt").predict_batch(texts)
    assert found(records) == [[(entity.type, entity.text) for entity in entities] for entities in expected]


@pytest.mark.parametrize(
    ("content", "options", "complaint"),
    [
        (None, [], "there is no file posts.txt"),
        ("", [], "posts.txt: "),
        ("\n \n", [], "posts.txt: "),
        ("a", ["--batch-size", "0"], "expected --batch-size and --window >= 1, got 0 and 64"),
        ("a", ["--window", "0"], "expected --batch-size and --window >= 1, got 32 and 0"),
    ],
)
def test_what_cannot_be_tagged(tag, content, options, complaint):
    if content is not None:
        Path("posts.txt").write_text(content)
    status, records, err = tag("posts.txt", *options)
    assert (status, records) == (1, [])
    assert complaint in err
    assert "Traceback" not in err


def test_a_reader_that_stops_early_is_no_error(trained_run, monkeypatch, capsys):
    Path("posts.txt").write_text("in Oslo tonight\n" * 5)

    class Closed(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Closed())
    assert main(["tag", "posts.txt", "--checkpoint", str(trained_run / "best.ckpt"), "--device", "cpu"]) == 1
    assert "Error" not in capsys.readouterr().err
