"""Crops are the boxes of a detector or of a file, best first, each encoded as an image of its own."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mner.batch import ImageFeatures
from mner.components import from_config, to_config
from mner.errors import ConfigurationError, DataError, DatasetNotFoundError, ImageError
from mner.images import ImageLoader
from mner.posts import Post
from mner.vision import DetectedCrops, FasterRCNN, FeatureStore, Grid, PrecomputedRegions, use_region_file
from mner.vision.box_file import read_box_file
from mner.vision.detector_transform import DetectorTransform
from mner.vision.encoder import ImageEncoder
from mner.vision.grid_transform import GridTransform

PREPROCESSING = {"input_size": (3, 8, 8), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "crop_mode": "squash"}
QUADRANTS = {"red": (0, 0, 0.5, 0.5), "lime": (0.5, 0, 1, 0.5), "blue": (0, 0.5, 0.5, 1), "white": (0.5, 0.5, 1, 1)}


class MeanColour(Grid):
    """The mean colour of an image; two regions, of which one is doubled, as pooled vector the colour."""

    def __init__(self, trained=False):
        torch.nn.Module.__init__(self)
        self.preprocessing, self.hidden_size, self.frozen = PREPROCESSING, 3, not trained
        self.image_transform = GridTransform({**PREPROCESSING, "crop_pct": 1.0})
        self.scale = torch.nn.Parameter(torch.ones(()), requires_grad=trained)

    def train(self, mode=True):
        return ImageEncoder.train(self, mode)

    def encode(self, pixels):
        mean, deviation = (torch.tensor(PREPROCESSING[name]).view(3, 1, 1).to(pixels) for name in ("mean", "std"))
        colour = self.scale * (pixels * deviation + mean).mean(dim=(2, 3))
        regions = torch.stack([colour, 2 * colour], dim=1)
        return ImageFeatures(regions, torch.ones_like(regions[..., 0], dtype=torch.bool), colour)


class Quadrants(ImageEncoder):
    """Finds the quadrants of an image, the last one best, and one region fewer in the second image."""

    def __init__(self, boxes=True, scores=True):
        super().__init__()
        self.hidden_size, self.frozen, self.boxes, self.scores = 1, True, boxes, scores
        self.image_transform = DetectorTransform(32, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
        self.class_names = ["nothing", "a quadrant"]

    def encode(self, pixels):
        count = len(pixels["sizes"])
        mask = torch.ones(count, 4, dtype=torch.bool)
        mask[1:2, 3] = False
        return ImageFeatures(
            torch.zeros(count, 4, 1),
            mask,
            torch.zeros(count, 1),
            boxes=torch.tensor(list(QUADRANTS.values())).expand(count, 4, 4) if self.boxes else None,
            classes=torch.ones(count, 4, dtype=torch.long),
            scores=torch.tensor([0.1, 0.2, 0.3, 0.4]).expand(count, 4) if self.scores else None,
        )


def drawing(width=60, height=40):
    image = Image.new("RGB", (width, height))
    for colour, box in QUADRANTS.items():
        corners = [round(part * side) for part, side in zip(box, (width, height) * 2, strict=True)]
        image.paste(colour, tuple(corners))
    return image


def colours(*names):
    return torch.tensor(np.array([Image.new("RGB", (1, 1), name).getpixel((0, 0)) for name in names]) / 255).float()


def run(encoder, images):
    transform = encoder.image_transform
    return encoder(transform.collate([transform(image) for image in images]), torch.ones(len(images), dtype=torch.bool))


@pytest.fixture
def folder(tmp_path):
    """Three drawings, and a file of boxes for them, the third without boxes."""
    for index in range(3):
        drawing().save(tmp_path / f"{index}.png")
    lines = [
        {"image": "0.png", "boxes": [[0, 0, 30, 20], [30, 0, 60, 20], [0, 20, 30, 40]], "scores": [0.1, 0.9, 0.5]},
        {"image": "1", "boxes": [[30, 20, 90, 50]]},
        {"image": "2.png", "boxes": []},
    ]
    (tmp_path / "boxes.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n", encoding="utf-8")
    return tmp_path


def load(encoder, folder, names):
    transform = encoder.image_transform
    posts = [Post(name, ("hi",), image=folder / name) for name in names]
    return transform.collate([transform.load(post, ImageLoader()) for post in posts])


def test_the_best_boxes_of_a_detector_become_regions():
    encoder = DetectedCrops(MeanColour(), Quadrants(), max_crops=2, whole_image=False)
    features = run(encoder, [drawing(), drawing(90, 33)])
    expected = torch.stack([colours("white", "blue"), colours("blue", "lime")])
    torch.testing.assert_close(features.regions, expected, atol=0.07, rtol=0)
    assert features.mask.all()
    assert features.scores.tolist() == [pytest.approx([0.4, 0.3]), pytest.approx([0.3, 0.2])]
    assert features.boxes[1].tolist() == [[0, 0.5, 0.5, 1], [0.5, 0, 1, 0.5]]
    torch.testing.assert_close(features.pooled, features.regions.mean(dim=1))
    assert [encoder.class_names[index] for index in features.classes[0].tolist()] == ["a quadrant"] * 2


def test_the_whole_image_is_first_and_missing_boxes_are_masked():
    encoder = DetectedCrops(MeanColour(), Quadrants(), max_crops=9)
    features = run(encoder, [drawing(), drawing()])
    assert features.mask.tolist() == [[True] * 5, [True] * 4 + [False]]
    assert not features.regions[1, 4].any()
    assert features.boxes[0, 0].tolist() == [0, 0, 1, 1]
    assert features.classes[0].tolist() == [0, 1, 1, 1, 1]
    torch.testing.assert_close(features.regions[0, 0], colours(*QUADRANTS).mean(dim=0), atol=0.03, rtol=0)
    assert torch.equal(features.pooled, features.regions[:, 0])
    missing = encoder(
        encoder.image_transform.collate([encoder.image_transform(drawing()), None]), torch.tensor([True, False])
    )
    assert missing.mask.any(dim=1).tolist() == [True, False]


def test_without_scores_the_order_is_the_detectors():
    features = run(DetectedCrops(MeanColour(), Quadrants(scores=False), max_crops=1), [drawing()])
    torch.testing.assert_close(features.regions[0, 1], colours("red")[0], atol=0.07, rtol=0)


def test_all_regions_of_each_crop():
    pooled = run(DetectedCrops(MeanColour(), Quadrants(), regions="pooled"), [drawing(), drawing()])
    every = run(DetectedCrops(MeanColour(), Quadrants(), regions="all"), [drawing(), drawing()])
    assert torch.equal(every.regions[:, 0::2], pooled.regions)
    assert torch.equal(every.regions[:, 1::2], 2 * pooled.regions)
    for name in ("mask", "boxes", "scores", "classes"):
        assert torch.equal(getattr(every, name), getattr(pooled, name).repeat_interleave(2, dim=1))


def test_boxes_of_a_file(folder):
    encoder = DetectedCrops(MeanColour(), box_file=folder / "boxes.jsonl", max_crops=2)
    features = encoder(load(encoder, folder, ["0.png", "1.png", "2.png"]), torch.ones(3, dtype=torch.bool))
    assert features.mask.tolist() == [[True] * 3, [True, True, False], [True, False, False]]
    torch.testing.assert_close(features.regions[0, 1:], colours("lime", "blue"))  # exact: at full resolution
    torch.testing.assert_close(features.regions[1, 1], colours("white")[0])
    torch.testing.assert_close(features.boxes[1, 1], torch.tensor([0.5, 0.5, 1, 1]))  # clipped to the image
    torch.testing.assert_close(features.scores[0], torch.tensor([1, 0.9, 0.5]))
    torch.testing.assert_close(features.pooled, colours(*QUADRANTS).mean(dim=0).expand(3, 3), atol=0.02, rtol=0)


def test_an_image_without_crops_is_masked(folder):
    encoder = DetectedCrops(MeanColour(), box_file=folder / "boxes.jsonl", whole_image=False)
    assert load(encoder, folder, ["2.png"]) is None
    features = encoder(load(encoder, folder, ["2.png", "1.png"]), torch.ones(2, dtype=torch.bool))
    assert features.mask.tolist() == [[False], [True]]
    assert not features.pooled[0].any()


def test_an_image_that_is_not_in_the_file(folder):
    encoder = DetectedCrops(MeanColour(), box_file=folder / "boxes.jsonl")
    drawing().save(folder / "3.png")
    with pytest.raises(ImageError, match=r"3\.png: .*boxes\.jsonl has no line for it"):
        load(encoder, folder, ["3.png"])
    with pytest.raises(ConfigurationError, match="by its name"):
        encoder.image_transform(drawing())


BOXES = {"image": "0.png", "boxes": [[0, 0, 30, 20]]}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nothing", "not JSON"),
        (b"\xff", "not JSON"),
        ("[1]", "an object without image and boxes"),
        (json.dumps({"image": "0.png"}), "an object without image and boxes"),
        (json.dumps({**BOXES, "boxes": [[0, 0, 30]]}), "a box that is not four finite numbers"),
        (json.dumps({**BOXES, "boxes": {"a": 1}}), "a box that is not four finite numbers"),
        ('{"image": "0.png", "boxes": [[0, 0, 1e999, 20]]}', "not JSON"),
        (json.dumps({**BOXES, "boxes": [[0, 0, 10**400, 20]]}), "a box that is not four finite numbers"),
        (json.dumps({**BOXES, "boxes": [[0, 0, "30", 20]]}), "a box that is not four finite numbers"),
        (json.dumps({**BOXES, "boxes": [[30, 20, 10, 10]]}), "has no area.*not the width and height"),
        (json.dumps({**BOXES, "scores": [0.1, 0.2]}), "scores that are not 1 numbers"),
        (json.dumps({**BOXES, "image": "1.png"}), "a second line for the image '1.png', after line 1"),
    ],
)
def test_a_bad_file_of_boxes_names_its_line(tmp_path, line, problem):
    path = tmp_path / "boxes.jsonl"
    first = json.dumps({**BOXES, "image": "1.png"}).encode()
    path.write_bytes(first + b"\n\n" + (line if isinstance(line, bytes) else line.encode()))
    with pytest.raises(DataError, match=f"{re.escape(str(path))}, line 3: .*{problem}") as error:
        DetectedCrops(MeanColour(), box_file=path)
    assert "Expected" in str(error.value) or "Write" in str(error.value)


def test_a_box_outside_of_its_image(tmp_path):
    drawing().save(tmp_path / "0.png")
    for box in ([100, 100, 130, 120], [0.1, 0.2, 0.5, 0.9]):
        (tmp_path / "boxes.jsonl").write_text(json.dumps({"image": "0.png", "boxes": [box]}), encoding="utf-8")
        encoder = DetectedCrops(MeanColour(), box_file=tmp_path / "boxes.jsonl")
        with pytest.raises(DataError, match=r"line 1: the box .* is not in the image of 60x40 pixels.*not fractions"):
            load(encoder, tmp_path, ["0.png"])


def test_files_that_are_absent_or_empty(tmp_path):
    with pytest.raises(DatasetNotFoundError, match="no file of boxes at"):
        read_box_file(tmp_path / "absent.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="no boxes"):
        read_box_file(tmp_path / "empty.jsonl")


def test_a_checkpoint_names_no_file(folder):
    encoder = DetectedCrops(Grid("test_resnet", weights=None, image_size=32), box_file=folder / "boxes.jsonl")
    kept = to_config(encoder)
    assert str(folder) not in json.dumps(kept)
    loaded = from_config(kept)
    loaded.load_state_dict(encoder.state_dict())
    with pytest.raises(ConfigurationError, match="--region_file FILE"):
        load(loaded, folder, ["0.png"])
    use_region_file(loaded, folder / "boxes.jsonl")
    present = torch.ones(2, dtype=torch.bool)
    first, second = (each(load(each, folder, ["0.png", "1.png"]), present) for each in (encoder, loaded))
    assert torch.equal(first.regions, second.regions)


def test_a_checkpoint_contains_encoder_and_detector():
    detector = FasterRCNN("fasterrcnn_mobilenet_v3_large_320_fpn", weights=None, image_size=64, num_classes=3)
    encoder = DetectedCrops(Grid("test_resnet", weights=None, image_size=32), detector, max_crops=2)
    loaded = from_config(to_config(encoder))
    loaded.load_state_dict(encoder.state_dict())
    first, second = run(encoder, [drawing()]), run(loaded, [drawing()])
    assert torch.equal(first.regions, second.regions)
    assert first.regions.shape[2] == encoder.hidden_size


def test_stored_features_are_those_of_the_file(folder):
    grid = Grid("test_resnet", weights=None, image_size=32)
    encoder = DetectedCrops(grid, box_file=folder / "boxes.jsonl", max_crops=2)
    images = [folder / f"{index}.png" for index in range(2)]
    drawing(61, 40).save(images[1])
    store = FeatureStore.of(encoder, folder / "store")
    store.fill(encoder, images)
    stored = store.features(images)
    computed = encoder(load(encoder, folder, ["0.png", "1.png"]), torch.ones(2, dtype=torch.bool))
    for name in ("regions", "mask", "boxes", "scores", "pooled"):
        assert torch.equal(getattr(stored, name), getattr(computed, name))
    (folder / "other.jsonl").write_text(json.dumps(BOXES), encoding="utf-8")
    use_region_file(encoder, folder / "other.jsonl")
    assert FeatureStore.of(encoder, folder / "store").key_of(images[0]) is None


def test_a_trained_encoder_of_crops():
    encoder = DetectedCrops(MeanColour(trained=True), Quadrants()).train()
    assert encoder.image_encoder.training
    assert not encoder.frozen
    run(encoder, [drawing()]).regions.sum().backward()
    assert encoder.image_encoder.scale.grad != 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions(dtype):
    encoder = DetectedCrops(MeanColour().to(dtype), Quadrants())
    assert run(encoder, [drawing()]).regions.dtype == dtype


def test_unsuitable_parts(tmp_path):
    with pytest.raises(ConfigurationError, match="got neither"):
        DetectedCrops(MeanColour())
    with pytest.raises(ConfigurationError, match="got both"):
        DetectedCrops(MeanColour(), Quadrants(), tmp_path / "boxes.jsonl")
    with pytest.raises(ConfigurationError, match=r"image_transform is a DetectorTransform.*got a MeanColour"):
        DetectedCrops(MeanColour(), MeanColour())
    with pytest.raises(ConfigurationError, match="expected a network of timm as the encoder of crops, got a Quadrants"):
        DetectedCrops(Quadrants(), Quadrants())
    with pytest.raises(ConfigurationError, match="which returns no boxes"):
        run(DetectedCrops(MeanColour(), Quadrants(boxes=False)), [drawing()])
    with pytest.raises(ConfigurationError, match="max_crops of at least 1"):
        DetectedCrops(MeanColour(), Quadrants(), max_crops=0, whole_image=False)
    with pytest.raises(ConfigurationError, match="'pooled' or 'all'"):
        DetectedCrops(MeanColour(), Quadrants(), regions="some")


def test_an_encoder_that_reads_no_crops_is_refused(folder):
    np.savez(folder / "regions.npz", **{"0.png": np.zeros((1, 3), dtype=np.float32)})
    boxes = folder / "boxes.jsonl"
    for encoder in (
        Quadrants(),
        DetectedCrops(MeanColour(), box_file=boxes),
        PrecomputedRegions(folder / "regions.npz"),
    ):
        with pytest.raises(ConfigurationError, match=f"images scaled to one size.*got a {type(encoder).__name__}"):
            DetectedCrops(encoder, box_file=boxes)


def test_what_reads_no_file_is_given_none():
    with pytest.raises(ConfigurationError, match="read by PrecomputedRegions and by DetectedCrops without a detector"):
        use_region_file(DetectedCrops(MeanColour(), Quadrants()), Path("boxes.jsonl"))
