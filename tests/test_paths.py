"""Names that no file can have, too long or with a NUL in them, are names of files that are not there."""

from pathlib import Path

import pytest

import mner
from mner.analysis.published import read_published
from mner.analysis.results import read_results
from mner.contexts.folder import image_names
from mner.data import PostFiles, Snapchat, Twitter2015, Twitter2017
from mner.data.context_files import read_contexts
from mner.data.readers import read_posts
from mner.data.writers import write_conll
from mner.errors import MNERError
from mner.paths import is_file, is_folder, is_there
from mner.posts import Post
from mner.predictions import read_predictions
from mner.testing import TinyGrid
from mner.text import HuggingFaceText
from mner.vision import DetectedCrops, Grid, PrecomputedRegions, lmdb_file

NAMES = ["a" * 300, "a\0b", "a" * 300 + "/b", "a/" * 3000]
TAKING_A_PATH = {
    "PostFiles": PostFiles,
    "PostFiles images": lambda name: PostFiles(write(), images=name),
    "PostFiles contexts": lambda name: PostFiles(write(), contexts=["caption"], context_files={"caption": name}).read(
        "train"
    ),
    "Twitter2015": lambda name: Twitter2015(name).read("train"),
    "Twitter2017": lambda name: Twitter2017(name).read("train"),
    "Snapchat": lambda name: Snapchat(name).read("train"),
    "read_posts": read_posts,
    "read_contexts": read_contexts,
    "write_conll": lambda name: write_conll([Post("1", ["a"], ["O"])], name),
    "read_predictions": read_predictions,
    "read_results": read_results,
    "read_published": read_published,
    "image_names": lambda name: image_names(Path(name)),
    "load": mner.load,
    "HuggingFaceText": HuggingFaceText,
    "Grid": Grid,
    "PrecomputedRegions": PrecomputedRegions,
    "DetectedCrops": lambda name: DetectedCrops(TinyGrid(), box_file=name),
    "a new feature store": lambda name: lmdb_file.write(Path(name), [(b"key", b"value")]),
}


def write():
    Path("posts.conll").write_text("a\tO\n\n", encoding="utf-8")
    return "posts.conll"


@pytest.mark.parametrize("name", NAMES, ids=["long", "NUL", "in a long folder", "deep"])
@pytest.mark.parametrize("what", TAKING_A_PATH)
def test_a_name_that_no_file_can_have_is_an_error_of_mner(what, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MNERError) as caught:
        TAKING_A_PATH[what](name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES, ids=["long", "NUL", "in a long folder", "deep"])
def test_an_image_of_such_a_name_is_missing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_file(name)
    assert not is_folder(name)
    assert not is_there(name)
    (post,) = read_posts(write(), images=name)
    assert post.image is None
    features = TinyGrid().image_transform.load(Post("1", ["a"], ["O"], image=Path(name)), lambda path: None)
    assert features.shape == (4, 3)


def test_what_is_there_is_there(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    assert [is_file(tmp_path / "file"), is_folder(tmp_path / "file"), is_there(tmp_path / "file")] == [1, 0, 1]
    assert [is_file(tmp_path), is_folder(tmp_path), is_there(tmp_path)] == [0, 1, 1]
    assert not is_there(tmp_path / "link")
