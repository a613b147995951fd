"""``mner tag``: every format, standard input, bad lines, in the order of the input."""

import io
import json
import os
import select
import sys
import threading
import warnings
from pathlib import Path

import pytest

import mner
from mner.cli import main
from mner.cli.tag import file_first, parser
from mner.errors import UsageError
from mner.files import atomic_write
from mner.predictions import read_predictions


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tag(trained_run, capsys):
    """Runs the command; returns its status, the objects it wrote and what it complained of."""

    def run(file, *options):
        status = main(
            ["tag", str(file), "--ckpt_path", str(trained_run / "best.ckpt"), "--accelerator", "cpu", *options]
        )
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
    Path("posts.jsonl").write_text("".join(json.dumps(post) + "\n" for post in posts), encoding="utf-8")
    Path("pictures").mkdir()
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


def test_standard_input_from_a_file(tag, monkeypatch):
    Path("posts.txt").write_text("Kevin Durant is loud\nin Oslo tonight\n", encoding="utf-8")
    with Path("posts.txt").open(encoding="utf-8") as file:
        monkeypatch.setattr("sys.stdin", file)
        status, records, _ = tag("-")
    assert status == 0
    assert found(records) == [[("PER", "Kevin Durant")], [("LOC", "Oslo")]]
    Path("bad.jsonl").write_text('{"text": "in Oslo"}\n{"id": 3}\n', encoding="utf-8")
    with Path("bad.jsonl").open(encoding="utf-8") as file:
        monkeypatch.setattr("sys.stdin", file)
        assert "mner tag: <stdin>, line 2: " in tag("-")[2]


@pytest.mark.parametrize("name", ["-", "fifo"])
def test_a_live_source_is_answered_line_by_line(trained_run, monkeypatch, name):
    """Each line is written only when the one before it is answered, so that waiting for more would never end."""
    os.mkfifo("fifo")
    (read_in, write_in), (read_out, write_out) = os.pipe(), os.pipe()
    texts = ["Oslo", "Kevin Durant is loud", "in Oslo tonight"]
    answers = []

    def talk():
        path = Path(f"/dev/fd/{write_in}" if name == "-" else name)
        with os.fdopen(read_out, encoding="utf-8") as answered, path.open("w", encoding="utf-8") as posts:
            os.close(write_in)
            for text in texts:
                print(text, file=posts, flush=True)
                if select.select([answered], [], [], 60)[0]:
                    answers.append(json.loads(answered.readline())["text"])

    talker = threading.Thread(target=talk)
    talker.start()
    with os.fdopen(read_in, encoding="utf-8") as stdin, os.fdopen(write_out, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr("sys.stdout", stdout)
        assert main(["tag", name, "--ckpt_path", str(trained_run / "best.ckpt"), "--accelerator", "cpu"]) == 0
    talker.join()
    assert answers == texts


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


def test_a_dash_is_the_standard_output(tag):
    Path("posts.txt").write_text("Kevin Durant is loud\n", encoding="utf-8")
    status, (line,), _ = tag("posts.txt", "--output", "-")
    assert (status, line["text"]) == (0, "Kevin Durant is loud")
    assert not Path("-").exists()


def test_an_image_that_the_model_does_not_look_at_is_reported_in_one_line(tag, monkeypatch):
    def show(message, category, filename, number, file=None, line=None):  # pytest would collect the warning
        sys.stderr.write(warnings.formatwarning(message, category, filename, number, line))

    monkeypatch.setattr(warnings, "showwarning", show)
    records = [{"text": "Kevin Durant is loud", "image_id": "a.jpg"}, {"text": "so", "image_id": "b.jpg"}]
    Path("posts.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    Path("images").mkdir()
    status, _, err = tag("posts.jsonl", "--images", "images")
    assert status == 0
    (line,) = (line for line in err.splitlines() if "text only" in line)
    assert line.startswith("warning: post '1' has an image, and the model reads text only; further cases")


def test_bad_lines_are_reported_and_the_rest_is_tagged(tag):
    good = json.dumps({"text": "in Oslo tonight"})
    Path("posts.jsonl").write_text(f'{good}\n{{"text": \n{good}\n{{"id": 3}}\n{good}\n', encoding="utf-8")
    status, records, err = tag("posts.jsonl")
    assert status == 1
    assert found(records) == [[("LOC", "Oslo")]] * 3
    assert "posts.jsonl, line 2: " in err
    assert "posts.jsonl, line 4: an object with neither 'tokens' nor 'text'" in err
    assert "mner tag: 2 lines could not be read and are not in the output" in err


def test_of_many_bad_lines_the_first_are_shown(tag):
    Path("posts.jsonl").write_text('{"text": "in Oslo"}\n' + '{"id": 3}\n' * 200, encoding="utf-8")
    status, records, err = tag("posts.jsonl")
    assert (status, len(records)) == (1, 1)
    assert err.count("with neither 'tokens' nor 'text'") == 10
    assert err.splitlines()[-2:] == [
        "mner tag: further bad lines are only counted",
        "mner tag: 200 lines could not be read and are not in the output",
    ]


def test_a_line_beyond_the_limit_is_a_bad_line(tag):
    long = json.dumps({"text": "in Oslo" * 100})
    Path("posts.jsonl").write_text(f'{{"text": "in Oslo"}}\n{long}\n{{"text": "in Oslo"}}\n', encoding="utf-8")
    status, records, err = tag("posts.jsonl", "--max_line_bytes", "100")
    assert (status, len(records)) == (1, 2)
    assert f"posts.jsonl, line 2: a line of {len(long) + 1} bytes, longer than the limit" in err
    assert tag("posts.jsonl", "--max_line_bytes", str(len(long)))[0] == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_standard_output_in_any_encoding(trained_run, monkeypatch, encoding):
    text = "caf\u00e9 in Oslo \U0001f600"
    Path("posts.txt").write_text(text, encoding="utf-8")
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding))
    assert main(["tag", "posts.txt", "--ckpt_path", str(trained_run / "best.ckpt"), "--accelerator", "cpu"]) == 0
    sys.stdout.flush()
    assert json.loads(written.getvalue().decode(encoding))["text"] == text
    assert written.getvalue().isascii() == (encoding != "utf-8")


def test_what_is_no_file_is_written_into(tag):
    Path("posts.txt").write_text("Kevin Durant is loud\n", encoding="utf-8")
    Path("folder").mkdir()
    Path("link").symlink_to("folder/tagged.jsonl")
    os.mkfifo("fifo")
    assert tag("posts.txt", "--output", "/dev/null")[0] == 0
    assert Path("/dev/null").is_char_device()
    assert tag("posts.txt", "--output", "link")[0] == 0
    assert Path("link").is_symlink()
    (expected,) = read_predictions("folder/tagged.jsonl")
    got = []
    reader = threading.Thread(target=lambda: got.append(Path("fifo").read_text(encoding="utf-8")))
    reader.start()
    assert tag("posts.txt", "--output", "fifo")[0] == 0
    reader.join()
    assert Path("fifo").is_fifo()
    assert json.loads(got[0]) == expected.to_dict()
    status, _, err = tag("posts.txt", "--output", "folder")
    assert (status, "got a folder" in err) == (1, True)


def test_of_two_runs_with_one_output_one_is_refused(tag):
    Path("posts.txt").write_text("Kevin Durant is loud\n", encoding="utf-8")
    with atomic_write("tagged.jsonl") as file:
        file.write("the other run")
        status, _, err = tag("posts.txt", "--output", "tagged.jsonl")
    assert status == 1
    assert "cannot write tagged.jsonl: another process is writing it" in err
    assert Path("tagged.jsonl").read_text(encoding="utf-8") == "the other run"


@pytest.mark.parametrize("options", [[], ["--batch_size", "3", "--window", "2"], ["--batch_size", "1"]])
def test_output_is_in_the_order_of_the_input(tag, options):
    texts = [" ".join(["loud"] * (37 * index % 23) + ["Oslo"]) for index in range(50)]
    Path("posts.txt").write_text("\n".join(texts), encoding="utf-8")
    status, records, _ = tag("posts.txt", "--format", "text", *options)
    assert status == 0
    assert [record["text"] for record in records] == texts


def test_an_option_of_several_values_may_be_repeated():
    options = parser().parse_args(["posts.txt", "--ckpt_path", "a", "b", "--ckpt_path", "c", "--ckpt_path=d"])
    assert [str(each) for each in options.ckpt_path] == ["a", "b", "c", "d"]


def test_a_model_in_the_place_of_the_posts(tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    for model in (str(tmp_path), "seed_1.ckpt"):
        with pytest.raises(UsageError, match="is a model; give the file with the posts, too: mner tag FILE"):
            file_first(["--ckpt_path", "seed_0.ckpt", model, "--threshold", "0.5"])
    assert file_first(["--ckpt_path", "a.ckpt", "posts.txt"]) == ["posts.txt", "--ckpt_path", "a.ckpt"]


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
        ("a", ["--batch_size", "0"], "expected --batch_size of at least 1, got 0"),
        ("a", ["--accelerator", "tpu"], "no device 'tpu'; expected auto, or one of those available: "),
        ("a", ["--window", "0"], "expected --window of at least 1, got 0"),
        ("a", ["--threshold", "0.5", "--confidences", "false"], "a threshold of 0.5 needs confidences"),
        ("a", ["--feature_store", "store.lmdb"], "TextOnly sees no images, so there is nothing to store"),
    ],
)
def test_what_cannot_be_tagged(tag, content, options, complaint):
    if content is not None:
        Path("posts.txt").write_text(content, encoding="utf-8")
    status, records, err = tag("posts.txt", *options)
    assert (status, records) == (1, [])
    assert complaint in err
    assert "Traceback" not in err


def test_a_reader_that_stops_early_is_no_error(trained_run, monkeypatch, capsys):
    Path("posts.txt").write_text("in Oslo tonight\n" * 5, encoding="utf-8")

    class Closed(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Closed())
    assert main(["tag", "posts.txt", "--ckpt_path", str(trained_run / "best.ckpt"), "--accelerator", "cpu"]) == 1
    assert "Error" not in capsys.readouterr().err


@pytest.mark.parametrize("output", ["posts.txt", "./posts.txt", "link.txt"])
def test_the_posts_are_not_replaced_by_their_predictions(tag, output):
    Path("posts.txt").write_text("Oslo\n", encoding="utf-8")
    Path("link.txt").symlink_to("posts.txt")
    status, _, err = tag("posts.txt", "--output", output)
    assert status == 1
    assert "this command reads it; give another path" in err
    assert Path("posts.txt").read_text(encoding="utf-8") == "Oslo\n"


def test_a_closed_standard_output_is_one_line(trained_run, monkeypatch, capsys):
    Path("posts.txt").write_text("Oslo\n", encoding="utf-8")
    monkeypatch.setattr("sys.stdout", None)
    status = main(["tag", "posts.txt", "--ckpt_path", str(trained_run / "best.ckpt"), "--accelerator", "cpu"])
    monkeypatch.undo()
    assert status == 1
    err = capsys.readouterr().err
    assert "the standard output is closed; give --output FILE" in err
    assert "Traceback" not in err


def test_an_output_that_no_file_can_have(tag):
    Path("posts.txt").write_text("Oslo\n", encoding="utf-8")
    Path("loop").symlink_to("loop")
    for output in ("x" * 300, "loop", "posts.txt/x"):
        status, _, err = tag("posts.txt", "--output", output)
        assert status == 1
        assert "error: cannot write" in err
        assert "Traceback" not in err


def test_a_table_with_columns_of_other_names(tag):
    Path("tweets.csv").write_text("nr,tweet,likes\n5,Kevin Durant is loud,3\n6,in Oslo tonight,\n", encoding="utf-8")
    status, records, _ = tag("tweets.csv", "--columns", "id=nr", "text=tweet")
    assert (status, found(records)) == (0, [[("PER", "Kevin Durant")], [("LOC", "Oslo")]])
    assert [(record["id"], record.get("metadata")) for record in records] == [("5", {"likes": "3"}), ("6", None)]
    assert tag("tweets.csv", "--columns", "text")[0] == 1
