"""Image encoders by name: registered ones, timm's, and clear answers to all others."""

import pytest

from mner.errors import RegistryError
from mner.vision import registry
from mner.vision.grid import Grid
from mner.vision.registry import create_image_encoder, list_image_encoders, register


@pytest.fixture(autouse=True)
def clean_registry(monkeypatch):
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))


def test_registered_names_as_decorator_and_function(tiny_encoder):
    assert register("mine", tiny_encoder) is tiny_encoder

    @register("mine_heavier")
    def heavier(**options):
        return tiny_encoder(weight=5.0, **options)

    assert create_image_encoder("mine", weight=3.0).weight.item() == 3.0
    assert create_image_encoder("mine_heavier").weight.item() == 5.0
    assert list_image_encoders("mine*") == ["mine", "mine_heavier"]


def test_a_duplicate_raises(tiny_encoder):
    with pytest.raises(RegistryError, match=r"'faster_rcnn' is registered already, by mner\.vision\.faster_rcnn"):
        register("faster_rcnn", tiny_encoder)


def test_any_timm_name(monkeypatch):
    encoder = create_image_encoder("test_resnet.r160_in1k", weights=None)
    assert isinstance(encoder, Grid)
    assert encoder.hidden_size == 96
    assert {"resnet152", "resnet50", "efficientnet_lite0", "faster_rcnn"} <= set(list_image_encoders())
    assert list_image_encoders("resnet15?") == ["resnet152"]


def test_an_unknown_name_answers_with_close_ones():
    with pytest.raises(RegistryError, match=r"'resnet_152'; did you mean .*resnet152"):
        create_image_encoder("resnet_152")
    with pytest.raises(RegistryError, match=r"class_path"):
        create_image_encoder("qqqqqqqqqqqq")


def test_a_broken_plugin_is_named_where_a_name_is_missing(monkeypatch):
    monkeypatch.setattr(registry, "load_plugins", lambda: {"theirs": "ImportError: no"})
    with pytest.raises(RegistryError, match="plugins that failed to load: theirs"):
        create_image_encoder("theirs_encoder")
