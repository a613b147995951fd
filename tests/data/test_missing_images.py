"""Images that are not there are told before a training, without opening one."""

import json
import warnings
from pathlib import Path

import pytest

from mner.data import PostFiles, Twitter2017
from mner.data.missing_images import check_images
from mner.errors import DataError
from mner.fusion import Concatenation
from mner.labels import labels_for
from mner.posts import Post
from mner.testing import TinyGrid


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images" / "sub").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg", "33.png", "sub/34.jpg"):
        (tmp_path / "images" / name).touch()  # never opened, so no image
    return tmp_path / "images"


def posts(folder, *names):
    return [Post(str(number), ("a",), image=folder / name) for number, name in enumerate(names)]


def test_few_missing_images_are_counted_and_named(folder):
    with pytest.warns(UserWarning, match="2 of the 4 images that the posts name are not in") as caught:
        check_images([*posts(folder, "1.jpg", "2.jpg", "33.jpg", "34.jpg"), Post("n", ("a",))], folder, 0.5)
    message = str(caught[0].message)
    assert f"not in {folder} (which has 4 files: 1.jpg, 2.jpg, 33.png, ...)" in message
    assert "33.jpg (there is 33.png), 34.jpg (there is sub/34.jpg)" in message


def test_many_missing_images_are_an_error(folder):
    named = posts(folder, "1.jpg", "2.jpg", *(f"{number}.jpg" for number in range(100, 103)))
    with pytest.raises(
        DataError, match=r"3 of the 5 images .*Correct the image folder.*0\.5 with .*max_missing_images"
    ):
        check_images(named, folder, 0.5)
    with pytest.warns(UserWarning, match="3 of the 5 images"):
        check_images(named, folder, 0.6)
    with pytest.raises(DataError, match="3 of the 5"):
        check_images(named, folder, 0.0)


def test_ten_at_most_are_named(folder):
    with pytest.raises(DataError) as caught:
        check_images(posts(folder, *(f"{number}.jpg" for number in range(100, 200))), folder, 0.5)
    assert str(caught.value).count(".jpg, ") == 10 + 2  # and two of the files that are there
    assert "100 of the 100 images" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "place"),
    [("empty", "which is empty"), ("none", "which is not a folder"), ("file", "which is not a folder")],
)
def test_a_wrong_folder(tmp_path, name, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=f"not in {tmp_path / name}, {place}"):
        check_images(posts(tmp_path / name, "1.jpg"), tmp_path / name)


def test_without_a_folder_nothing_is_listed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"the working directory, since no image folder is known: 1\.jpg"):
        check_images(posts(Path(), "1.jpg"), None)
    (tmp_path / "1.jpg").touch()
    check_images(posts(Path(), "1.jpg"), None)


def test_nothing_is_said_where_nothing_is_missing(folder):
    (folder / "link").symlink_to(folder / "sub")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_images(posts(folder, "1.jpg", "sub/34.jpg", "link/34.jpg"), folder)
        check_images([Post("1", ("a",))], folder)


def test_names_that_no_file_can_have(folder):
    with pytest.raises(DataError, match="1 of the 1 images"):
        check_images(posts(folder, "x" * 5000 + ".jpg"), folder)


@pytest.fixture
def data(folder, tmp_path):
    def make(names, **arguments):
        records = [{"id": name, "image": name, "tokens": ["Ana"], "label": ["B-PER"]} for name in names]
        (tmp_path / "posts.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
        return PostFiles(
            train=tmp_path / "posts.jsonl", valid=tmp_path / "posts.jsonl", images=folder, batch_size=2, **arguments
        )

    return make


@pytest.fixture
def image_model(make_model):
    encoder = TinyGrid()
    encoder.image_transform.reads_files = True
    return make_model(Concatenation, labels=labels_for(["PER"]), image_encoder=encoder)


@pytest.mark.parametrize("stage", ["fit", "validate"])
def test_before_the_training_of_a_model_that_looks_at_images(data, image_model, make_model, trainer, stage):
    wrong = data(["7.jpg", "8.jpg", "1.jpg"])
    with pytest.raises(DataError, match=r"2 of the 3 images that the (train|valid) posts name"):
        getattr(trainer(max_epochs=1), stage)(image_model, datamodule=wrong.using(image_model.preprocessor))
    text_model = make_model(labels=labels_for(["PER"]))
    wrong.preprocessor = text_model.preprocessor
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*images that.*")
        getattr(trainer(max_epochs=1), stage)(text_model, datamodule=wrong)


def test_a_split_is_reported_once(data, image_model, trainer):
    some = data(["7.jpg", "1.jpg", "2.jpg"]).using(image_model.preprocessor)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer(max_epochs=1).fit(image_model, datamodule=some)
        trainer().validate(image_model, datamodule=some)
    counted = [str(each.message) for each in caught if "images that" in str(each.message)]
    assert [message.split(" name ")[0] for message in counted] == [
        f"1 of the 3 images that the {split} posts" for split in ("train", "valid")
    ]


@pytest.mark.parametrize("ablation", ["blank_images", "shuffled_images"])
def test_an_ablation_of_images_that_are_not_there(data, image_model, trainer, ablation):
    none = data(["7.jpg", "8.jpg"], max_missing_images=1.0)
    none.ablation = ablation
    none.preprocessor = image_model.preprocessor
    with pytest.raises(DataError, match=f"{ablation} of the valid posts changes nothing: none of the images"):
        trainer().validate(image_model, datamodule=none)


@pytest.mark.filterwarnings("ignore:.*are not in")
def test_the_images_of_a_data_set(twitter_folder):
    Twitter2017(twitter_folder).check_images("fit")
    (twitter_folder / "images").rename(twitter_folder / "pictures")
    with pytest.raises(DataError, match=r"20 of the 20 images that the train posts name .*no image folder is known"):
        Twitter2017(twitter_folder).check_images("fit")
    with pytest.warns(UserWarning, match="20 of the 20"):
        Twitter2017(twitter_folder, max_missing_images=1).check_images("fit")
