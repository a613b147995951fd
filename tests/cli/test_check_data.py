"""``mner check-data`` for every data module."""

import json
import sys
from pathlib import Path

import pytest

from mner.cli import main

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def report(capsys):
    """Runs the command and returns its table, or its JSON."""

    def run(*options):
        assert main(["check-data", *options]) == 0
        printed = capsys.readouterr().out
        return json.loads(printed) if "--json" in options else printed

    return run


def rows(table):
    cells = (line.split() for line in table.splitlines())
    return {" ".join(cell for cell in row if not cell.isdigit()): [int(c) for c in row if c.isdigit()] for row in cells}


@pytest.mark.parametrize("name", ["Twitter2017", "Twitter2015", "Snapchat"])
def test_folders(report, shared_twitter_folder, name):
    options = ["--data", name, "--data.root", str(shared_twitter_folder), "--data.contexts", "[caption]"]
    table = rows(report(*options))
    assert table["posts"] == [20, 5, 5]
    assert table["entities, conlleval"] == [24, 6, 6]
    assert table["PER"] == [8, 2, 2] * 2 if table["PER"] == 6 else [8, 2, 2]
    assert table["posts without entity"] == [4, 1, 1]
    assert table["invisible words"] == [4, 1, 1]
    assert table["posts without caption"] == [0, 0, 0]
    found = report(*options, "--json")
    assert found["splits"]["train"]["entities"]["strict"] == {"LOC": 8, "MISC": 4, "ORG": 4, "PER": 8}
    assert found["splits"]["train"]["images"]["small"] == [f"train_16_05_{index}.jpg" for index in range(20)]
    unknown = found["splits"]["train"]["unknown_tags"]
    assert unknown == ({"B-MISC": 4} if name == "Twitter2015" else {})
    assert len(found["across"]["groups"]) == 5


def test_a_users_own_files(report, tmp_path):
    path = tmp_path / "posts.txt"
    path.write_text("St\tO\n.\tO\nLouis\tI-LOC\n\nhello\tO\n\nhello\tO\n", encoding="utf-8")
    found = report("--data", "PostFiles", "--data.train", str(path), "--json")
    assert list(found["splits"]) == ["train"]
    split = found["splits"]["train"]
    assert (split["posts"], split["orphan_tags"], split["without_entity"]) == (3, 1, 2)
    assert split["entities"] == {"conlleval": {"LOC": 1}, "strict": {}}
    assert len(split["duplicates"]["groups"]) == 1


def test_a_file_of_posts(report, tmp_path, capsys):
    path = tmp_path / "posts.jsonl"
    path.write_text('{"text": "in #Oslo", "entities": [{"start": 4, "end": 8, "type": "LOC"}]}\n', encoding="utf-8")
    found = report(str(path), "--json")
    assert found["splits"]["train"]["entities"]["strict"] == {"LOC": 1}
    assert found["splits"]["train"]["words"] == 3
    words = report(str(path), "--word_tokenizer", "WhitespaceTokenizer", "--json")
    assert words["splits"]["train"]["words"] == 2
    for options in ([], [str(path), "--data", "DemoPosts"], ["--data", "DemoPosts", "--images", str(tmp_path)]):
        with pytest.raises(SystemExit, match="2"):
            sys.exit(main(["check-data", *options]))
        assert "give" in capsys.readouterr().err


def test_the_demo_posts(report, tmp_path):
    found = report("--data", "DemoPosts", "--data.root", str(tmp_path / "demo"), "--data.size", "60", "--json")
    assert sum(split["posts"] for split in found["splits"].values()) > 0
    assert all(split["unknown_tags"] == {} for split in found["splits"].values())


def test_a_config_of_a_training_names_the_data(report, experiment):
    assert rows(report("--config", str(experiment)))["posts"] == [20, 5, 5]


def test_an_empty_file_and_one_of_another_format(tmp_path, capsys):
    path = tmp_path / "train.txt"
    for content, complaint in (
        ("", "train.txt"),
        ("<html>\n", "train.txt, line 1: '<html>' is not the beginning of a format"),
    ):
        path.write_text(content, encoding="utf-8")
        assert main(["check-data", "--data", "Twitter2017", "--data.root", str(tmp_path)]) == 1
        said = capsys.readouterr().err
        assert said.startswith("mner check-data: error: ")
        assert complaint in said
    assert Path(path).exists()


def test_posts_in_common_with_other_data_sets(report, tmp_path):
    for name, words in (("mine", "Kevin Durant enters Oracle Arena"), ("other", "Kevin Durant enters Oracle Arena !")):
        rows = "".join(f"{word}\tO\n" for word in words.split())
        (tmp_path / f"{name}.txt").write_text(f"IMGID:7\n{rows}\nIMGID:8\n{name}\tO\n", encoding="utf-8")
    options = [str(tmp_path / "mine.txt"), "--against", f"[{tmp_path / 'other.txt'}]"]
    expected = "1 posts (1 with the same text, 1 with the same image name; 1 more have an image name in common"
    assert f"train posts that are in {tmp_path / 'other.txt'}: {expected}" in report(*options)
    (overlap,) = report(*options, "--json")["overlap"].values()
    counts = {"same_text": 1, "same_image": 1, "same_image_only": 1}
    assert overlap["train"] == {"posts": {"7": "7"}, **counts, "places": [0]}
