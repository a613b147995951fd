"""Options of a tagger: the same entities however images are loaded, nearly the same in lower precision."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import mner
from mner.errors import ConfigurationError
from mner.fusion import Concatenation
from mner.images import ImageLoader, load_image
from mner.inference.tagger import Tagger
from mner.inference.tagging_options import TaggingOptions
from mner.posts import Post
from mner.text.int8_linear import Int8Linear
from mner.vision.grid_transform import GridTransform


@pytest.fixture(scope="module")
def model(trained_run):
    return mner.load_model(trained_run / "best.ckpt")


TEXTS = [f"Kevin Durant in Oslo {'again ' * (number % 7)}" for number in range(12)]


def entities_of(model, texts, **options):
    return Tagger(copy.deepcopy(model), TaggingOptions(**options)).predict_batch(texts, batch_size=4)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_lower_precision_finds_the_same_entities(model, precision):
    expected = entities_of(model, TEXTS)
    found = entities_of(model, TEXTS, precision=precision)
    assert any(expected)
    for one, other in zip(expected, found, strict=True):
        assert [entity.span for entity in one] == [entity.span for entity in other]
        assert [entity.confidence for entity in other] == pytest.approx([entity.confidence for entity in one], abs=0.1)
    assert found != expected


def test_int8_concerns_the_text_encoder(model):
    tagger = Tagger(copy.deepcopy(model), TaggingOptions(precision="int8"))
    assert {type(each) for each in tagger.model.text_encoder.modules()} & {nn.Linear, Int8Linear} == {Int8Linear}
    assert type(tagger.model.emission_layer) is nn.Linear


def test_confidences_are_optional(model):
    found = entities_of(model, TEXTS, confidences=False)
    assert [[entity.span for entity in each] for each in found] == [
        [entity.span for entity in each] for each in entities_of(model, TEXTS)
    ]
    assert all(entity.confidence is None for each in found for entity in each)


@pytest.mark.slow
def test_a_compiled_encoder_finds_the_same_entities(model):
    found = entities_of(model, TEXTS, compile=True)
    for one, other in zip(entities_of(model, TEXTS), found, strict=True):
        assert [entity.span for entity in one] == [entity.span for entity in other]


@pytest.fixture
def posts(pictures):
    """Ten posts, of which two share an image, one has none, and one has one that is not an image."""
    paths = [*pictures(8), None]
    paths[3] = paths[2]
    broken = paths[0].with_name("broken.png")
    broken.write_bytes(b"nothing")
    return [Post(f"{index}", ("in", "Oslo"), image=path) for index, path in enumerate([*paths, broken])]


def test_threads_and_stored_features_change_nothing(make_model, tiny_encoder, posts, tmp_path):
    store = tmp_path / "features.lmdb"
    model = make_model(Concatenation, image_encoder=tiny_encoder())
    expected = None
    for options in ({"num_workers": 0}, {"num_workers": 3}, {"feature_store": store}, {"feature_store": store}):
        model.image_encoder.encoded = 0
        bad = []
        found = list(
            Tagger(model, TaggingOptions(**options)).stream(posts, 4, 2, max_wait=None, on_bad_image=bad.append)
        )
        expected = expected or found
        assert found == expected
        assert len(bad) == 1
        assert "broken.png" in bad[0]
    assert model.image_encoder.encoded == 0  # by the second run with the store
    assert len({tuple(each.entities) for each in expected}) > 1 or not any(each.entities for each in expected)


def test_the_same_image_is_encoded_once(make_model, tiny_encoder, pictures, tmp_path):
    (path,) = pictures(1)
    model = make_model(Concatenation, image_encoder=tiny_encoder())
    posts = [Post(f"{index}", ("Oslo",), image=path) for index in range(9)]
    Tagger(model, TaggingOptions(feature_store=tmp_path / "features.lmdb")).predict_batch(posts, batch_size=2)
    assert model.image_encoder.encoded == 1


def test_a_jpeg_is_decoded_at_a_fraction_of_its_size(tmp_path):
    values = np.add.outer(np.linspace(0, 127, 480), np.linspace(0, 127, 640)).astype(np.uint8)
    path = tmp_path / "large.jpg"
    Image.fromarray(np.stack([values, 255 - values, values // 2], -1)).save(path, quality=95)
    whole, draft = load_image(path), load_image(path, min_side=100)
    assert (whole.size, draft.size) == ((640, 480), (160, 120))
    difference = np.asarray(whole.resize(draft.size, Image.Resampling.BOX), float) - np.asarray(draft, float)
    assert np.abs(difference).mean() < 3
    assert load_image(path, min_side=480).size == (640, 480)
    path = path.with_suffix(".png")
    whole.save(path)
    assert load_image(path, min_side=100).size == (640, 480)


def test_draft_images_are_as_large_as_the_encoder_needs(make_model, tiny_encoder):
    model = make_model(Concatenation, image_encoder=tiny_encoder())
    model.preprocessor.image_transform = GridTransform({"input_size": (3, 224, 224), "crop_pct": 0.875})
    loader = Tagger(model, TaggingOptions(draft_images=True)).preprocessor.image_loader
    assert loader == ImageLoader(min_side=256)
    assert Tagger(model).preprocessor.image_loader == ImageLoader()


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"precision": "16"}, "expected precision to be one of"),
        ({"num_workers": -1}, "at least 0"),
        ({"feature_store": "a.lmdb", "draft_images": True}, "leave draft_images out"),
        ({"precision": "int8", "compile": True}, "cannot be compiled"),
    ],
)
def test_options_that_exclude_each_other(wrong, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        TaggingOptions(**wrong)


@pytest.mark.gpu
def test_int8_needs_the_cpu(model):
    with pytest.raises(ConfigurationError, match="int8 needs the CPU"):
        Tagger(copy.deepcopy(model).to(torch.device("cuda")), TaggingOptions(precision="int8"))
