import json

import pytest
from PIL import Image

from mner.contexts import CaptionData, UpDown, read_captions
from mner.errors import DataError, DatasetNotFoundError, FormatError
from mner.posts import Post
from mner.vision import Grid

COCO = {
    "info": {"year": 2014},
    "images": [{"id": 9, "file_name": "dog.jpg"}, {"id": 4, "file_name": "cat.jpg"}],
    "annotations": [
        {"id": 1, "image_id": 4, "caption": "A cat."},
        {"id": 2, "image_id": 9, "caption": "A dog."},
        {"id": 3, "image_id": 4, "caption": "One cat."},
    ],
}
PAIRS = [("cat.jpg", "A cat."), ("dog.jpg", "A dog."), ("cat.jpg", "One cat.")]


def pairs(posts):
    return [(post.image.name, post.contexts["caption"]) for post in posts]


@pytest.mark.parametrize("indent", [None, 2])
def test_coco_captions(tmp_path, indent):
    (tmp_path / "coco.json").write_text(json.dumps(COCO, indent=indent), encoding="utf-8")
    posts = read_captions(tmp_path / "coco.json", tmp_path / "images")
    assert pairs(posts) == PAIRS
    assert posts[0].image == tmp_path / "images" / "cat.jpg"
    assert len({post.id for post in posts}) == 3


def test_json_lines(tmp_path):
    lines = [json.dumps({"image_id": name, "caption": caption}) for name, caption in PAIRS]
    (tmp_path / "captions.jsonl").write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    assert pairs(read_captions(tmp_path / "captions.jsonl", tmp_path)) == PAIRS
    (tmp_path / "one.jsonl").write_text('{"image_id": "dog.jpg", "caption": ["A dog.", "Dogs."]}', encoding="utf-8")
    assert pairs(read_captions(tmp_path / "one.jsonl", tmp_path)) == [("dog.jpg", "A dog."), ("dog.jpg", "Dogs.")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"image_id": "dog.jpg"}', 'Write {"image_id"'),
        ('{"image_id": "dog.jpg", "caption": [3]}', 'Write {"image_id"'),
        ('{"image_id": "../dog.jpg", "caption": "a dog"}', "leads out of the image folder"),
        ('{"image_id": "dog.jpg", "caption": "a dog"}\n{"image', "line 2: invalid JSON"),
        ('{"images": [], "annotations": [{"image_id": 1, "caption": "a dog"}]}', "COCO captions in which 1 is missing"),
        ('{"images": [], "annotations": []}', "there is no caption"),
    ],
)
def test_faulty_files_say_where(tmp_path, content, message):
    (tmp_path / "captions.json").write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=message.replace("{", r"\{")):
        read_captions(tmp_path / "captions.json", tmp_path)
    with pytest.raises(DatasetNotFoundError):
        read_captions(tmp_path / "nowhere.json", tmp_path)


def test_bad_images_are_named_and_left_out(tmp_path):
    Image.new("RGB", (32, 32), "red").save(tmp_path / "good.png")
    (tmp_path / "bad.png").touch()
    posts = [
        Post(name, (), image=tmp_path / f"{name}.png", contexts={"caption": f"a {name} one"})
        for name in ("good", "bad")
    ]
    model = UpDown(["a", "good", "one"], Grid("resnet10t", weights=None, image_size=32), 8, 8, 8)
    data = CaptionData(model, posts, [], tmp_path / "features.lmdb")
    with pytest.warns(UserWarning, match=r"1 unusable\n.*bad.png"):
        data.setup("fit")
    ((features, words),) = data.train_dataloader()
    assert features.regions.shape == (1, 1, 512)
    assert words.tolist() == [[3, 4, 5, 0]]
    with pytest.raises(DataError, match="none of the 1 valid posts"), pytest.warns(UserWarning, match="bad.png"):
        CaptionData(model, posts[:1], posts[1:], tmp_path / "features.lmdb").setup("fit")
