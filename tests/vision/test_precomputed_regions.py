"""Region features of others, in each of their formats, as an image encoder."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from mner.components import from_config, to_config
from mner.data import Twitter2017
from mner.errors import ConfigurationError, DatasetNotFoundError, FormatError, ImageError
from mner.fusion import Concatenation
from mner.posts import Post
from mner.vision.precomputed_regions import PrecomputedRegions, use_region_file

FEATURES = {
    "12": np.arange(12, dtype=np.float32).reshape(3, 4),
    "13.jpg": np.ones((5, 4), dtype=np.float16),
    "nan": np.full((2, 4), np.nan),
    "none": np.zeros((0, 4)),
    "wide": np.zeros((2, 9)),
}


def write(folder, suffix):
    path = folder / f"regions{suffix}"
    if suffix == ".npz":
        np.savez(path, **FEATURES)
    elif suffix == ".pt":
        torch.save({name: torch.from_numpy(value) for name, value in FEATURES.items()}, path)
    else:
        with pytest.importorskip("h5py").File(path, "w") as file:
            for name, value in FEATURES.items():
                file[name] = value
    return path


def no_pixels(path):
    raise AssertionError("an image was read")


def post(image, name="p"):
    return Post(name, ("a",), image=None if image is None else Path("images") / image)


@pytest.mark.parametrize("suffix", [".npz", ".pt", ".h5"])
def test_every_format(suffix, tmp_path):
    encoder = PrecomputedRegions(write(tmp_path, suffix))
    assert encoder.hidden_size == 4
    assert encoder.frozen
    images = [encoder.image_transform.load(post(name), no_pixels) for name in ("12.jpg", None, "13.jpg")]
    features = encoder(encoder.image_transform.collate(images), torch.tensor([True, False, True]))
    assert features.regions.shape == (3, 5, 4)
    assert features.mask.sum(1).tolist() == [3, 0, 5]
    assert torch.equal(features.regions[0, :3], torch.from_numpy(FEATURES["12"]))
    assert not features.regions[0, 3:].any()
    assert torch.equal(features.pooled[0], torch.from_numpy(FEATURES["12"]).mean(0))
    assert features.regions.dtype == torch.float32
    assert encoder.image_transform.collate([None]) is None
    copy = pickle.loads(pickle.dumps(encoder))
    assert torch.equal(copy.image_transform.load(post("12.png"), no_pixels)["regions"], images[0]["regions"])


@pytest.mark.parametrize("suffix", [".npz", ".pt", ".h5"])
def test_regions_that_cannot_be_used(suffix, tmp_path):
    encoder = PrecomputedRegions(write(tmp_path, suffix))
    for name, message in (
        ("absent", "no features for 'absent'"),
        ("nan", "nan"),
        ("none", r"\(0, 4\)"),
        ("wide", r"\(2, 9\)"),
    ):
        with pytest.raises(ImageError, match=message):
            encoder.image_transform.load(post(f"{name}.jpg"), no_pixels)


def test_by_post_and_the_first_regions(tmp_path):
    encoder = PrecomputedRegions(write(tmp_path, ".npz"), key="post", max_regions=2)
    assert encoder.image_transform.load(post(None, "12"), no_pixels)["regions"].shape == (2, 4)
    assert encoder.image_transform.load(post(None, "absent"), no_pixels) is None
    with pytest.raises(ImageError):
        encoder.image_transform.load(post("12.jpg", "absent"), no_pixels)


def test_regions_by_post_are_seen_without_an_image_and_not_ablated(make_model, twitter_folder, sample_posts):
    path = twitter_folder / "regions.npz"
    np.savez(path, **{post.id: np.ones((1, 4), np.float32) for post in sample_posts})
    model = make_model(Concatenation, image_encoder=PrecomputedRegions(path, key="post"))
    assert all(map(model.preprocessor.has_views, sample_posts))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.preprocessor.check(sample_posts, "train")
    data = Twitter2017(twitter_folder).using(model.preprocessor)
    for ablation in ("blank_images", "shuffled_images"):
        data.ablation = ablation
        with pytest.raises(ConfigurationError, match=f"{ablation} changes nothing: .* by the id of a post.*key: image"):
            data.setup("test")


def test_a_checkpoint_names_no_file(tmp_path):
    path = write(tmp_path, ".npz")
    config = to_config(PrecomputedRegions(path, max_regions=2))
    assert config["init_args"] == {"path": None, "key": "image", "max_regions": 2, "hidden_size": 4, "boxes": False}
    again = from_config(config)
    assert again.hidden_size == 4
    with pytest.raises(ConfigurationError, match=r"--region_file FILE"):
        again.image_transform.load(post("12.jpg"), no_pixels)
    use_region_file(again, path)
    assert again.image_transform.load(post("12.jpg"), no_pixels)["regions"].shape == (2, 4)
    with pytest.raises(ConfigurationError, match="image encoder is NoneType"):
        use_region_file(None, path)
    use_region_file(None, None)
    use_region_file(again, tmp_path / "absent.npz")
    assert again.image_transform.load(post(None), no_pixels) is None
    with pytest.raises(DatasetNotFoundError, match="no region features at"):
        again.image_transform.load(post("12.jpg"), no_pixels)


def test_what_is_no_file_of_regions(tmp_path):
    pytest.importorskip("h5py")
    with pytest.raises(DatasetNotFoundError):
        PrecomputedRegions(tmp_path / "absent.npz")
    for name in ("broken.npz", "broken.pt", "broken.h5", "broken.csv"):
        (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(FormatError, match=name):
            PrecomputedRegions(tmp_path / name)
    np.savez(tmp_path / "flat.npz", a=np.zeros(4))
    with pytest.raises(FormatError, match=r"the shape \(4,\)"):
        PrecomputedRegions(tmp_path / "flat.npz")
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(FormatError):
        PrecomputedRegions(tmp_path / "empty.npz")
    with pytest.raises(ConfigurationError, match="'image' or 'post'"):
        PrecomputedRegions(tmp_path / "flat.npz", key="tweet")
    with pytest.raises(ConfigurationError, match="cannot encode an image"):
        PrecomputedRegions(write(tmp_path, ".pt")).image_transform(None)


def test_each_image_has_its_own_regions(tmp_path):
    names = ["33", "33.png", "a/34.jpg", "b/34.jpg", "17.06.1", "17.06"]
    np.savez(tmp_path / "regions.npz", **{name: np.full((1, 4), index) for index, name in enumerate(names)})
    transform = PrecomputedRegions(tmp_path / "regions.npz").image_transform
    for image, index in {
        "33.jpg": 0,
        "33.png": 1,
        "a/34.jpg": 2,
        "b/34.jpg": 3,
        "17.06.1.jpg": 4,
        "17.06.1": 4,
    }.items():
        assert transform.load(post(image), no_pixels)["regions"][0, 0] == index
    for image in ("c/34.jpg", "17.06.2"):
        with pytest.raises(ImageError, match="no features"):
            transform.load(post(image), no_pixels)


def test_boxes_beside_the_regions(tmp_path):
    boxes = np.array([[0.0, 0.1, 0.5, 1.0], [0.2, 0.2, 0.4, 0.4], [0.0, 0.0, 1.0, 1.0]])
    arrays = {f"{name}.boxes": boxes for name in ("12", "13")}  # 13 has five regions
    arrays |= {"12": FEATURES["12"], "13": FEATURES["13.jpg"], "14": FEATURES["12"], "14.boxes": boxes * 640}
    np.savez(tmp_path / "regions.npz", **arrays, **{"15": FEATURES["12"]})
    encoder = PrecomputedRegions(tmp_path / "regions.npz", boxes=True, max_regions=2)
    assert encoder.gives_boxes
    assert encoder.hidden_size == 4
    loaded = [encoder.image_transform.load(post(name), no_pixels) for name in ("12.jpg", None)]
    features = encoder(encoder.image_transform.collate(loaded), torch.tensor([True, False]))
    assert features.boxes[0].tolist() == pytest.approx(boxes[:2])
    assert not features.boxes[1].any()
    encoder.image_transform.max_regions = None
    for name, message in (("13", r"its 5 regions .* under '13.boxes', .* the shape \(3, 4\)"), ("15", "got none")):
        with pytest.raises(ImageError, match=message):
            encoder.image_transform.load(post(f"{name}.jpg"), no_pixels)
    with pytest.raises(ImageError, match="as fractions of width and height"):
        encoder.image_transform.load(post("14.jpg"), no_pixels)
    assert not PrecomputedRegions(tmp_path / "regions.npz").gives_boxes


def test_tensors_of_other_types_and_arrays_of_no_numbers(tmp_path):
    torch.save(
        {
            "half": torch.ones(2, 4, dtype=torch.bfloat16),
            "trained": torch.ones(2, 4, requires_grad=True),
            "one": torch.tensor(1.0),
            "ragged": [[1.0], [1.0, 2.0]],
        },
        tmp_path / "a.pt",
    )
    transform = PrecomputedRegions(tmp_path / "a.pt").image_transform
    for name in ("half", "trained"):
        regions = transform.load(post(f"{name}.jpg"), no_pixels)["regions"]
        assert torch.equal(regions, torch.ones(2, 4))
        assert not regions.requires_grad
    for name in ("one", "ragged"):
        with pytest.raises(ImageError, match=f"{name}.jpg: expected finite regions of shape"):
            transform.load(post(f"{name}.jpg"), no_pixels)
    np.savez(tmp_path / "a.npz", a=np.array([{}, 1], dtype=object))
    with pytest.raises(FormatError, match="array of numbers"):
        PrecomputedRegions(tmp_path / "a.npz")


@pytest.mark.parametrize(("name", "value"), [("max_regions", 0), ("hidden_size", -1)])
def test_numbers_out_of_range(tmp_path, name, value):
    with pytest.raises(ConfigurationError, match=f"expected {name} >= 1, got {value}"):
        PrecomputedRegions(write(tmp_path, ".npz"), **{name: value})
