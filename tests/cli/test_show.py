"""``mner show``: predictions and posts as text and as a page."""

import pytest

from mner.cli import main
from mner.data.writers import write_json_lines
from mner.posts import Entity, Post
from mner.predictions import Prediction, write_predictions

POST = Post("1", ("in", "Oslo"), ("O", "B-LOC"))


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_predictions_are_compared_with_gold(capsys):
    write_predictions([Prediction(POST, ()), Prediction(Post("2", ("hi",), ("O",)), ())], "predictions.jsonl")
    assert main(["show", "predictions.jsonl"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1: gold      in [Oslo LOC]",
        "1: predicted in Oslo",
        "   missed: Oslo LOC",
        "2: hi",
    ]
    assert main(["show", "predictions.jsonl", "--kinds", "none", "--kinds", "correct"]) == 0
    assert capsys.readouterr().out == "2: hi\n"


def test_posts_of_any_format(working_directory, capsys):
    write_json_lines([POST], working_directory / "posts.jsonl")
    (working_directory / "posts.conll").write_text("in O\nOslo B-LOC\n", encoding="utf-8")
    for name in ("posts.jsonl", "posts.conll"):
        assert main(["show", name]) == 0
        assert capsys.readouterr().out.endswith("in [Oslo LOC]\n")


def test_columns_are_those_of_posts(working_directory, capsys):
    (working_directory / "posts.csv").write_text("id,words,ner\n1,in Oslo,O B-LOC\n", encoding="utf-8")
    columns = ["--columns", "tokens=words", "tags=ner"]
    assert main(["show", "posts.csv", *columns]) == 0
    assert capsys.readouterr().out == "1: in [Oslo LOC]\n"
    write_predictions([Prediction(POST, ())], "predictions.jsonl")
    assert main(["show", "predictions.jsonl", *columns]) == 1
    assert "--columns are those of posts" in capsys.readouterr().err


def test_a_page(working_directory, capsys):
    write_predictions([Prediction(POST, (Entity("LOC", 1, 2, confidence=0.5),))], "predictions.jsonl")
    assert main(["show", "predictions.jsonl", "--output", "page.html", "--title", "<b>"]) == 0
    assert capsys.readouterr().out == "page.html\n"
    page = (working_directory / "page.html").read_text(encoding="utf-8")
    assert "<h1>&lt;b&gt;</h1>" in page
    assert "LOC 0.50" in page


def test_control_characters_do_not_reach_the_terminal(working_directory, capsys):
    (working_directory / "posts.jsonl").write_text('{"text": "a \\u001b[2J \\u202e b"}\n', encoding="utf-8")
    assert main(["show", "posts.jsonl"]) == 0
    assert capsys.readouterr().out == "1: a \\u001b[2J \\u202e b\n"


@pytest.mark.parametrize(("name", "said"), [("nothing.jsonl", "nothing.jsonl"), ("empty.jsonl", "the file is empty")])
def test_what_cannot_be_shown(working_directory, capsys, name, said):
    (working_directory / "empty.jsonl").touch()
    assert main(["show", name]) == 1
    assert said in capsys.readouterr().err
