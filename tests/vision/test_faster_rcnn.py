"""The detector's regions are torchvision's detections, whatever the batch."""

import numpy as np
import pytest
import torch
from PIL import Image

from mner.components import from_config, to_config
from mner.errors import ConfigurationError, WeightsNotFoundError
from mner.vision.faster_rcnn import FasterRCNN
from mner.vision.timm_detector import create_timm_detector

SMALL = {"name": "fasterrcnn_mobilenet_v3_large_320_fpn", "weights": None, "image_size": 64}


@pytest.fixture(scope="module")
def encoder():
    """A random detector whose scores spread as a trained one's do."""
    torch.manual_seed(0)
    encoder = FasterRCNN(**SMALL, score_threshold=0.05, num_classes=5)
    predictor = encoder.detector.roi_heads.box_predictor
    torch.nn.init.normal_(predictor.cls_score.weight, std=0.3)
    torch.nn.init.normal_(encoder.detector.rpn.head.cls_logits.weight, std=0.3)
    torch.nn.init.normal_(encoder.detector.rpn.head.bbox_pred.weight, std=0.1)
    torch.nn.init.normal_(predictor.bbox_pred.weight, std=0.05)
    # An untrained backbone gives nearly the same features everywhere, with which all scores would be equal.
    for norm in (each for each in encoder.detector.backbone.modules() if hasattr(each, "running_var")):
        torch.nn.init.constant_(norm.running_var, 0.2)
    return encoder


def picture(seed, size=(64, 64)):
    noise = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BILINEAR)


def test_regions_are_torchvisions_detections(encoder):
    images = [encoder.image_transform(picture(seed)) for seed in range(3)]
    features = encoder(encoder.image_transform.collate(images), torch.ones(3, dtype=torch.bool))
    detector = encoder.detector
    detector.transform.min_size, detector.transform.max_size = (64,), 64
    detector.roi_heads.score_thresh, detector.roi_heads.detections_per_img = 0.05, 10
    with torch.no_grad():
        expected = detector(images)
    for row, detections in enumerate(expected):
        count = len(detections["scores"])
        assert count == features.mask[row].sum() > 0
        assert torch.allclose(features.scores[row, :count], detections["scores"], atol=1e-5)
        # Detections with the same score have any order, and with the lowest one any of them may be left out.
        close = (detections["scores"][:, None] - detections["scores"]).abs() < 1e-6
        single = (close.sum(dim=1) == 1) & ~close[-1]
        assert single.sum() >= 3
        assert torch.equal(features.classes[row, :count][single], detections["labels"][single])
        boxes = features.boxes[row, :count] * 64
        assert torch.allclose(boxes[single], detections["boxes"][single], atol=1e-2)


def test_a_region_is_the_vector_that_its_class_and_score_were_read_from(encoder):
    features = encoder(encoder.image_transform.collate([encoder.image_transform(picture(0))]), torch.tensor([True]))
    assert features.regions.shape == (1, 10, encoder.hidden_size) == (1, 10, 1024)
    probabilities = encoder.detector.roi_heads.box_predictor(features.regions[0])[0].softmax(-1)
    read = probabilities.gather(1, features.classes[0][:, None])[:, 0]
    assert torch.allclose(read[features.mask[0]], features.scores[features.mask], atol=1e-5)
    assert torch.allclose(features.pooled[0], features.regions[0][features.mask[0]].mean(0), atol=1e-5)


def test_the_batch_changes_nothing(encoder):
    sizes = [(64, 64), (90, 30), (20, 70), (400, 25)]
    images = [encoder.image_transform(picture(seed, size)) for seed, size in enumerate(sizes)]
    together = encoder(encoder.image_transform.collate([None, *images]), torch.tensor([False, True, True, True, True]))
    assert together.present.tolist() == [False, True, True, True, True]
    for row, image in enumerate(images, start=1):
        alone = encoder(encoder.image_transform.collate([image]), torch.tensor([True]))
        assert torch.equal(alone.classes[0], together.classes[row])
        for part in ("regions", "pooled", "boxes", "scores"):
            assert torch.allclose(getattr(alone, part)[0], getattr(together, part)[row], atol=1e-4)
    assert together.boxes.min() >= 0
    assert together.boxes.max() <= 1


def test_nothing_proposed_is_masked(encoder, monkeypatch):
    monkeypatch.setattr(encoder.detector.rpn, "min_size", 1000.0)
    images = [encoder.image_transform(picture(seed)) for seed in range(2)]
    features = encoder(encoder.image_transform.collate(images), torch.tensor([True, True]))
    assert not features.mask.any()
    assert not features.regions.any()


def test_nothing_found_is_masked(encoder):
    encoder.score_threshold = 1.0
    features = encoder(encoder.image_transform.collate([encoder.image_transform(picture(0))]), torch.tensor([True]))
    encoder.score_threshold = 0.05
    assert features.regions.shape == (1, 10, 1024)
    assert not features.present.any()
    assert not features.pooled.any()
    assert encoder.image_transform.collate([None, None]) is None


def test_frozen_and_built_again_from_its_config(encoder, tmp_path):
    torch.save(encoder.detector.state_dict(), tmp_path / "detector.pth")
    loaded = FasterRCNN(**{**SMALL, "weights": str(tmp_path / "detector.pth")}, max_regions=3, num_classes=5)
    config = to_config(loaded)
    (tmp_path / "detector.pth").unlink()
    again = from_config(config)
    again.load_state_dict(loaded.state_dict())
    assert config["init_args"]["weights"] is None
    assert again.frozen
    assert not any(parameter.requires_grad for parameter in again.train().parameters())
    assert not any(module.training for module in again.modules())
    pixels, one = encoder.image_transform.collate([encoder.image_transform(picture(0))]), torch.tensor([True])
    assert torch.equal(again(pixels, one).regions, encoder(pixels, one).regions[:, :3])


def test_class_names():
    encoder = FasterRCNN.__new__(FasterRCNN)
    encoder.name, encoder.classes = "fasterrcnn_resnet50_fpn_v2", None
    assert encoder.class_names[:2] == ["__background__", "person"]
    assert len(encoder.class_names) == 91


def test_what_is_no_detector_or_no_weights(tmp_path, monkeypatch):
    with pytest.raises(ConfigurationError, match="expected a Faster R-CNN, got 'ssdlite320_mobilenet_v3_large'"):
        FasterRCNN("ssdlite320_mobilenet_v3_large", weights=None)
    with pytest.raises(ConfigurationError, match="cannot build 'faster'"):
        FasterRCNN("faster", weights=None)
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ConfigurationError, match="does not fit fasterrcnn_mobilenet"):
        FasterRCNN(**{**SMALL, "weights": str(tmp_path / "other.pth")})
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", _offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", _offline)
    with pytest.raises(WeightsNotFoundError, match="download them where there is a network"):
        FasterRCNN(SMALL["name"])


def _offline(*args, **kwargs):
    raise OSError("no network")


def test_a_detector_of_ones_own_on_a_network_of_timm(tmp_path, monkeypatch):
    detector = create_timm_detector("tf_efficientnet_lite0", None, 3, 64)
    images = [torch.rand(3, 64, 48), torch.rand(3, 40, 64)]
    targets = [{"boxes": torch.tensor([[4.0, 4.0, 30.0, 30.0]]), "labels": torch.tensor([1])}] * 2
    losses = detector.train()(images, targets)
    assert sum(losses.values()).isfinite()
    torch.save(detector.state_dict(), tmp_path / "detector.pth")
    options = {"weights": str(tmp_path / "detector.pth"), "image_size": 64, "classes": ["PER", "LOC"]}
    encoder = FasterRCNN("tf_efficientnet_lite0", **options, score_threshold=0.0)
    assert encoder.class_names == ["__background__", "PER", "LOC"]
    assert encoder.gives_boxes
    pixels = encoder.image_transform.collate([encoder.image_transform(picture(0))])
    found = encoder(pixels, torch.tensor([True]))
    assert found.regions.shape == (1, 10, encoder.hidden_size) == (1, 10, 256)
    with torch.no_grad():
        detector.eval().roi_heads.score_thresh = 0.0
        (expected,) = detector([encoder.image_transform(picture(0))])
    assert torch.allclose(found.boxes[0] * 64, expected["boxes"][:10], atol=1e-2)
    again = from_config(to_config(encoder))
    again.load_state_dict(encoder.state_dict())
    assert again.class_names == encoder.class_names
    assert torch.equal(again(pixels, torch.tensor([True])).boxes, found.boxes)
    with pytest.raises(ConfigurationError, match=r"no detector on timm's .* examples/train_detector.py"):
        FasterRCNN("tf_efficientnet_lite0")
    with pytest.raises(ConfigurationError, match=r"with 91 classes.*: expected \S+ of shape \(91, 256\), got [^\n]+$"):
        FasterRCNN("tf_efficientnet_lite0", weights=options["weights"])
    with pytest.raises(ConfigurationError, match=r"'test_vit' reads images of one size only"):
        create_timm_detector("test_vit", None, 3, 64)
    monkeypatch.setattr("mner.vision.timm_detector.create_backbone", lambda *_: torch.nn.Identity())
    with pytest.raises(ConfigurationError, match="has no 3 stages"):
        create_timm_detector("resnet18", None, 3, 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_regions": 0}, "expected max_regions >= 1, got 0"),
        ({"score_threshold": 1.5}, r"expected score_threshold in \[0, 1\), got 1.5"),
        ({"image_size": -3}, "expected image_size >= 1, got -3"),
        ({"num_classes": 1}, "expected num_classes >= 2, got 1"),
        ({"classes": []}, "expected at least one class"),
        ({"classes": ["PER", "PER"]}, "each once"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        FasterRCNN(**{**SMALL, **arguments})
