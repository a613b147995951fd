"""``mner split``: new files, which read back as the posts of the old one."""

from itertools import chain
from pathlib import Path

import pytest

from mner.cli import main
from mner.data.readers import read_posts


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{number},see w{number} x{number} in Oslo,{number}.jpg" for number in range(20)]
    Path("tweets.csv").write_text(
        "\n".join(["nr,tweet,photo", *rows, "20,see w1 x1 in Oslo !,x.jpg"]), encoding="utf-8"
    )
    return ["split", "tweets.csv", "--columns", "id=nr", "text=tweet", "image=photo", "--output", "new"]


def test_posts_are_split_into_files(table, capsys):
    assert main([*table, "--shares", "0.6", "--shares", "0.2", "0.2", "--seed", "5"]) == 0
    assert "new/train.jsonl: 13 posts" in (out := capsys.readouterr().out)
    assert "1 posts are near-identical" in out
    parts = [read_posts(f"new/{split}.jsonl") for split in ("train", "valid", "test")]
    posts = read_posts("tweets.csv", columns={"id": "nr", "text": "tweet", "image": "photo"})
    assert sorted(chain(*parts), key=lambda post: int(post.id)) == posts
    (together,) = ({"1", "20"} & {post.id for post in part} for part in parts if "1" in {post.id for post in part})
    assert together == {"1", "20"}


def test_nothing_is_overwritten(table, capsys):
    Path("new").mkdir()
    Path("new/test.jsonl").write_text("mine", encoding="utf-8")
    assert main(table) == 1
    assert "new/test.jsonl is already there" in capsys.readouterr().err
    assert [path.name for path in Path("new").iterdir()] == ["test.jsonl"]


@pytest.mark.parametrize("shares", [["0.8", "0.2"], ["1", "1", "1"]])
def test_malformed_shares(table, capsys, shares):
    assert main([*table, "--shares", *shares]) == 1
    assert "three shares with the sum 1" in capsys.readouterr().err
