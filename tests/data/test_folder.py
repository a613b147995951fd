"""Every layout in which the data sets circulate, written as it is published."""

import inspect
import json
import logging
import shutil
from pathlib import Path

import pytest
from pytorch_lightning import LightningDataModule

from mner.cli.option import options_in
from mner.cli.static_help import class_help
from mner.data import Snapchat, Twitter2015, Twitter2017, Twitter10000, versions
from mner.data.folder import FolderDataModule
from mner.data.versions import KnownFile, fingerprint
from mner.errors import DataError, DatasetNotFoundError, LabelError


def rename(folder, names):
    for old, new in names.items():
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        (folder / old).rename(folder / new)


def as_published_by_the_paper(folder):
    """The layout of the paper's authors: JSON lines in ``texts/dev/dev.json``, images and captions a folder a split."""
    for split, name in (("train", "train"), ("valid", "dev"), ("test", "test")):
        records = []
        for block in (folder / f"{split}.txt").read_text(encoding="utf-8").split("\n\n"):
            header, *rows = block.strip("\n").split("\n")
            words, tags = zip(*(row.split("\t") for row in rows), strict=True)
            image = f"{header.removeprefix('IMGID:')}.jpg"
            records.append({"id": image[:-4], "image_id": image, "tokens": words, "label": tags})
            (folder / "images" / name).mkdir(exist_ok=True)
            (folder / "images" / image).rename(folder / "images" / name / image)
        (folder / "texts" / name).mkdir(parents=True)
        (folder / "texts" / name / f"{name}.json").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
        (folder / f"{split}.txt").unlink()
        rename(folder, {f"captions.{split}.jsonl": f"captions/{name}/{name}_image_captions.json"})


LAYOUTS = {
    "as it is": lambda folder: None,
    "dev": lambda folder: rename(folder, {"valid.txt": "dev.txt", "captions.valid.jsonl": "captions.dev.jsonl"}),
    "without suffix": lambda folder: rename(folder, {f"{split}.txt": split for split in ("train", "valid", "test")}),
    "images named after the set": lambda folder: rename(folder, {"images": "twitter2017_images"}),
    "the paper's": as_published_by_the_paper,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_hold_the_same_posts(twitter_folder, tmp_path, layout):
    def contents(folder):
        data = Twitter2017(folder, contexts=["caption"])
        assert all(post.image.is_file() for split in ("train", "valid", "test") for post in data.posts(split))
        return {
            split: [
                (post.id, post.words, post.tags, dict(post.contexts), post.image.name) for post in data.posts(split)
            ]
            for split in ("train", "valid", "test")
        }

    expected = contents(twitter_folder)
    assert {split: len(posts) for split, posts in expected.items()} == {"train": 20, "valid": 5, "test": 5}
    other = shutil.copytree(twitter_folder, tmp_path / "other")
    LAYOUTS[layout](other)
    assert contents(other) == expected


def test_posts_are_read_whole(twitter_folder):
    post = Twitter2017(twitter_folder, contexts=["caption"]).posts("train")[-1]
    assert (post.id, post.words, post.tags) == ("train_16_05_19", ("good", "morning"), ("O", "O"))
    assert post.image == twitter_folder / "images" / "train_16_05_19.jpg"
    assert post.contexts == {"caption": "a photo of 19 people"}


def test_without_a_test_split_all_but_the_test_works(twitter_folder):
    (twitter_folder / "test.txt").unlink()
    data = Twitter2017(twitter_folder)
    data.setup("fit")
    data.setup("validate")
    with pytest.raises(DatasetNotFoundError, match=r"no test split; looked for test\.txt.* mner validate"):
        data.setup("test")


def test_contexts_that_are_not_asked_for_are_not_read(twitter_folder):
    (twitter_folder / "captions.train.jsonl").write_text("nonsense", encoding="utf-8")
    assert not any(post.contexts for post in Twitter2017(twitter_folder).posts("train"))


def test_missing_captions_are_counted_and_said_once(twitter_folder):
    path = twitter_folder / "captions.train.jsonl"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[3:]), encoding="utf-8")
    data = Twitter2017(twitter_folder, contexts=["caption"])
    with pytest.warns(UserWarning, match="3 of 20 train posts have no caption") as caught:
        data.setup("fit")
    assert len(caught) == 1


def test_context_files_under_other_names(twitter_folder, tmp_path):
    rename(twitter_folder, {f"captions.{split}.jsonl": f"blip/{split}.json" for split in ("train", "valid", "test")})
    with pytest.raises(DataError, match="no caption for the train posts"):
        Twitter2017(twitter_folder, contexts=["caption"]).posts("train")
    for pattern in ("blip/{split}.json", str(twitter_folder / "blip" / "{split}.json")):
        data = Twitter2017(twitter_folder, contexts=["caption"], context_files={"caption": pattern})
        assert data.posts("valid")[0].contexts == {"caption": "a photo of 0 people"}
    data = Twitter2017(twitter_folder, contexts=["caption"], context_files={"caption": "blop/{split}.json"})
    with pytest.raises(DataError, match=r"no file .*blop.train\.json with a caption.*correct context_files"):
        data.posts("train")


def test_an_image_folder_under_another_name(twitter_folder):
    rename(twitter_folder, {"images": "pictures"})
    assert not Twitter2017(twitter_folder).posts("valid")[0].image.is_file()
    assert Twitter2017(twitter_folder, image_folder="pictures").posts("valid")[0].image.is_file()
    assert Twitter2017(twitter_folder, image_folder=twitter_folder / "pictures").posts("valid")[0].image.is_file()
    with pytest.raises(DataError, match=r"no image folder .*photos; correct image_folder"):
        Twitter2017(twitter_folder, image_folder="photos").posts("valid")


def test_a_tag_of_another_data_set(twitter_folder):
    with pytest.raises(LabelError, match=r"post 'train_16_05_3': .*'B-MISC'"):
        Twitter2015(twitter_folder).posts("train")


def test_no_folder(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r"no folder .*nowhere; give the data set's folder with --data"):
        Snapchat(tmp_path / "nowhere").posts("train")


def test_the_version_of_a_file_is_said(twitter_folder, caplog, monkeypatch):
    known = KnownFile("Twitter-2017", "the version of this test", "valid")
    monkeypatch.setitem(versions._KNOWN, fingerprint(twitter_folder / "valid.txt"), known)
    with caplog.at_level(logging.INFO):
        Twitter2017(twitter_folder).setup("fit")
    said = {Path(line.split(": ")[0]).name: line.split(": ")[1] for line in caplog.messages if ".txt: " in line}
    assert said["valid.txt"] == "Twitter-2017 valid, the version of this test"
    assert said["train.txt"].startswith("a version that is not known here; do not compare")


@pytest.mark.parametrize("dataset", [Twitter2015, Twitter2017, Snapchat, Twitter10000])
def test_every_data_set_takes_the_same_arguments(dataset):
    described = options_in(class_help(f"mner.data.{dataset.__name__}", "data"))
    options = {name.removeprefix("--data."): option for name, option in described.items() if name.startswith("--data.")}
    assert options.keys() - {"annotation"} == inspect.signature(FolderDataModule).parameters.keys()
    assert [name for name, option in options.items() if option.description.startswith("(type")] == []
    assert dataset().root == Path(f"data/{dataset.__name__.lower()}").absolute()
    given = {"contexts": ["ocr"], "context_files": {"ocr": "x"}, "image_folder": "y", "batch_size": 3, "max_tokens": 99}
    given |= {"train_fraction": 0.5, "seed": 4, "num_workers": 2}
    data = dataset("here", **given)
    assert {name: getattr(data, name) for name in given} == given
    assert data.root == Path("here").absolute()
    assert isinstance(data, LightningDataModule)


def test_a_text_that_several_splits_may_mean_is_refused(twitter_folder):
    as_published_by_the_paper(twitter_folder)
    shutil.rmtree(twitter_folder / "captions")
    (twitter_folder / "images/dev/1.jpg").write_bytes(b"")
    (twitter_folder / "images/train/1.JPG").write_bytes(b"")
    names = [f"{path.parent.name}/{path.name}" for path in sorted((twitter_folder / "images").glob("*/*"))]
    captions = twitter_folder / "captions.jsonl"
    captions.write_text("\n".join(json.dumps({"image_id": name, "caption": name}) for name in names), encoding="utf-8")
    data = Twitter2017(twitter_folder, contexts=["caption"])
    assert {post.contexts["caption"].split("/")[0] for post in data.posts("valid")} == {"dev"}
    bare = (json.dumps({"image_id": name.split("/")[1], "caption": name}) for name in names if "JPG" not in name)
    captions.write_text("\n".join(bare), encoding="utf-8")
    with pytest.raises(DataError, match=r"one text for '1.jpg', which is an image in .*dev and another in .*train"):
        Twitter2017(twitter_folder, contexts=["caption"]).posts("valid")
