"""Visual prefixes equal their equations; which encoders attend to one; without an image they change nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mner.components import to_config
from mner.errors import ConfigurationError
from mner.fusion import VisualPrefix
from mner.labels import labels_for
from mner.posts import Post
from mner.testing import TinyGrid, TinyRegions, tiny_text_encoder
from mner.text import HuggingFaceText, VisualBertText
from mner.text.architecture import model_settings
from mner.text.prefix import Prefix
from mner.text.prefix_probe import check_prefix
from mner.vision import DetectedCrops, Grid, PyramidGrid

SMALL = {"cells": 2, "slices": 3, "size": 5}
SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 80,
    "pad_token_id": 0,
}


def encoder_of(model_type, **settings):
    """A tiny encoder of another architecture, with the tokenizer of the tiny BERT."""
    from transformers import AutoConfig

    config = AutoConfig.for_model(model_type, **{**SIZES, **settings})
    architecture = {**tiny_text_encoder().architecture, "config": model_settings(config.to_dict())}
    return HuggingFaceText("tiny", max_length=64, architecture=architecture).eval()


def affine(w, name, x):
    return getattr(w, f"{name}_weight") @ x + getattr(w, f"{name}_bias")


def slow_prefix(w, regions, layer, softmax):
    """The keys and values of a layer, a position at a time: 8 wide, in groups of two cells, with three slices."""
    positions = []
    for start in range(0, len(regions), 2):
        cells = [affine(w, "projection_2", np.tanh(affine(w, "projection_0", r))) for r in regions[start : start + 2]]
        slices = [np.split(cell, 3) for cell in cells]
        means = [np.mean(parts, axis=0) for parts in slices] + [np.zeros(16)] * (2 - len(cells))
        scores = affine(w, "gates", np.concatenate(means))[3 * layer : 3 * layer + 3]
        gate = softmax(np.where(scores < 0, 0.01 * scores, scores))
        positions += [sum(g * part for g, part in zip(gate, parts, strict=True)) for parts in slices]
    return np.array(positions).reshape(-1, 16)


def test_the_prefix_equals_its_equations(make_fusion, features, numpy_weights, softmax):
    encoder = encoder_of("bert", hidden_size=8)
    model = make_fusion(VisualPrefix, text_encoder=encoder, **SMALL)
    torch.manual_seed(3)
    for layer in (model.projection, model.gates):
        for parameter in layer.parameters():
            parameter.data.uniform_(-1, 1)
    w, image = numpy_weights(model), features[1]
    prefix = model.prefix(image)
    assert prefix.keys.shape == prefix.values.shape == (2, 3, 2, 4, 4)
    assert prefix.mask.tolist() == [[True] * 3 + [False], [True, True, False, False], [False] * 4]
    for post in range(3):
        regions = image.regions[post][image.mask[post]].numpy()
        for layer in range(2):
            positions = slow_prefix(w, regions, layer, softmax)
            for place, position in enumerate(positions):
                keys, values = np.split(position, 2)
                for head in range(2):
                    part = slice(4 * head, 4 * head + 4)
                    assert np.allclose(prefix.keys[layer, post, head, place].detach(), keys[part])
                    assert np.allclose(prefix.values[layer, post, head, place].detach(), values[part])


@pytest.mark.parametrize("model_type", ["bert", "roberta"])
def test_a_prefix_is_what_transformers_calls_a_cache(model_type):
    """Its own cache, with the positions of the subwords given as they are without one."""
    from transformers import DynamicCache

    encoder = encoder_of(model_type)
    posts = [Post("1", ("oslo", "in", "may")), Post("2", ("hi",))]
    batch = posts_batch(encoder, posts)
    torch.manual_seed(0)
    keys, values = torch.randn(2, 2, 2, 2, 3, 8)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    found = encoder.encode_subwords(batch, prefix=Prefix(keys, values, mask))
    positions = torch.arange(batch.input_ids.shape[1])[None]
    if model_type == "roberta":  # which counts from the padding's id
        real = batch.input_ids != 0
        positions = real.cumsum(dim=1) * real
    cache = DynamicCache([*zip(keys, values, strict=True)])
    expected = encoder.model(
        input_ids=batch.input_ids,
        attention_mask=torch.cat([mask.long(), batch.attention_mask], dim=1),
        position_ids=positions,
        past_key_values=cache,
        **({"token_type_ids": batch.token_type_ids} if model_type == "bert" else {}),
    ).last_hidden_state
    torch.testing.assert_close(found, expected)


def posts_batch(encoder, posts):
    from mner.preprocessor import Preprocessor

    return Preprocessor(encoder.subword_tokenizer)(posts)


def test_a_post_without_an_image_is_read_by_the_text_encoder_itself(make_fusion, tmp_path):
    model = make_fusion(VisualPrefix)
    posts = [Post("1", ("oslo", "in", "may"), image=tmp_path / "1.png"), Post("2", ("oslo", "in", "may"))]
    batch = model.preprocessor(posts)
    words = model.encode(batch)[0].words
    plain = model.text_encoder(batch).words
    torch.testing.assert_close(words[1], plain[1], rtol=0, atol=1e-12)
    assert not torch.allclose(words[0], plain[0])


def test_every_window_of_a_long_post_sees_the_image(make_fusion, tmp_path):
    model = make_fusion(VisualPrefix)
    long = Post("1", ("oslo",) * 40, image=tmp_path / "1.png")
    batch = model.preprocessor([Post("0", ("hi",)), long])
    assert len(batch.post_of_row) > 2
    changed = (model.encode(batch)[0].words - model.text_encoder(batch).words).abs().amax(dim=2)
    assert changed[0].max() < 1e-12
    assert (changed[1] > 1e-8).all()


def test_images_and_crops_share_gates_in_groups(make_fusion, features):
    model = make_fusion(VisualPrefix, cells=2)
    image = features[1]
    twice = replace(image, regions=image.regions[:, [0, 1, 0, 1]], mask=torch.ones(3, 4, dtype=torch.bool))
    keys = model.prefix(twice).keys
    torch.testing.assert_close(keys[..., :2, :], keys[..., 2:, :])


def test_a_pyramid_and_its_crops_become_a_prefix(tmp_path):
    pyramid = PyramidGrid("test_resnet", weights=None, image_size=32)
    (tmp_path / "boxes.jsonl").write_text('{"image": "1.png", "boxes": [[0, 0, 20, 20], [5, 5, 30, 30]]}', "utf-8")
    from PIL import Image

    Image.new("RGB", (32, 32), "red").save(tmp_path / "1.png")
    crops = DetectedCrops(pyramid, box_file=tmp_path / "boxes.jsonl", regions="all")
    model = VisualPrefix(labels=labels_for(("LOC",)), text_encoder=tiny_text_encoder(), image_encoder=crops).eval()
    batch = model.preprocessor([Post("1", ("oslo",), ("B-LOC",), image=tmp_path / "1.png"), Post("2", ("hi",), ("O",))])
    prefix = model.prefix(model.encode_image(batch))
    assert prefix.mask.tolist() == [[True] * 12, [False] * 12]
    assert model.losses(batch).total.isfinite()


@pytest.mark.parametrize("model_type", ["bert", "roberta", "xlm-roberta", "camembert", "electra"])
def test_encoders_that_attend_to_a_prefix(model_type):
    encoder = encoder_of(model_type)
    assert check_prefix(encoder) is encoder
    assert encoder.prefix_shape == (2, 2, 8)


@pytest.mark.parametrize(
    ("model_type", "complaint"),
    [
        ("modernbert", r"ModernBertModel (ignores a prefix|takes no prefix).*; choose a BERT"),
        ("deberta-v2", r"DebertaV2Model takes no prefix \(.*\); choose a BERT"),
        ("mpnet", r"MPNetModel (ignores a prefix|takes no prefix)"),
        ("albert", r"AlbertModel (ignores a prefix|takes no prefix)"),
    ],
)
def test_encoders_that_do_not(model_type, complaint):
    extra = {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
    encoder = encoder_of(model_type, **(extra if model_type == "modernbert" else {}))
    with pytest.raises(ConfigurationError, match=complaint):
        VisualPrefix(labels=labels_for(("LOC",)), text_encoder=encoder, image_encoder=TinyGrid())


def test_other_unsuitable_encoders():
    visualbert = VisualBertText("tiny", architecture=to_config(tiny_text_encoder())["init_args"]["architecture"])
    with pytest.raises(ConfigurationError, match=r"expected a HuggingFaceText.*got a VisualBertText"):
        check_prefix(visualbert)
    architecture = tiny_text_encoder().architecture
    recomputing = HuggingFaceText("tiny", gradient_checkpointing=True, architecture=architecture)
    with pytest.raises(ConfigurationError, match="set gradient_checkpointing to false"):
        check_prefix(recomputing)


def test_the_probe_leaves_no_trace():
    encoder = tiny_text_encoder().train()
    state = torch.random.get_rng_state()
    check_prefix(encoder)
    assert encoder.training
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("arguments", [{"cells": 0}, {"slices": 0}, {"size": 0}])
def test_numbers_out_of_range(make_fusion, arguments):
    with pytest.raises(ConfigurationError, match=r"expected (cells|slices|size) >= 1, got"):
        make_fusion(VisualPrefix, **arguments)


def test_masked_regions_change_nothing(make_fusion):
    model = make_fusion(VisualPrefix, image_encoder=TinyRegions(6))
    torch.manual_seed(0)
    from mner.batch import ImageFeatures

    regions = torch.randn(1, 4, 6).double()
    mask = torch.tensor([[True, True, False, False]])
    first, second = (
        model.prefix(ImageFeatures(regions.masked_fill(~mask[..., None], value), mask, regions[:, 0]))
        for value in (0.0, 9.0)
    )
    assert torch.equal(first.keys, second.keys)


def test_a_pyramid_is_the_stages_pooled_to_cells():
    pyramid = PyramidGrid("test_resnet", weights=None, image_size=64)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        regions = pyramid.encode(pixels).regions
        for stage, part in zip(range(-4, 0), regions.split(stage_widths(pyramid), dim=-1), strict=True):
            last = Grid.encode(single(pyramid, stage), pixels).regions
            side = int(last.shape[1] ** 0.5)
            cells = last.unflatten(1, (side, side))
            half = side // 2
            for place, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
                rows = slice(0, half) if row == 0 else slice(half, side)
                columns = slice(0, half) if column == 0 else slice(half, side)
                torch.testing.assert_close(part[:, place], cells[:, rows, columns].mean(dim=(1, 2)))
    assert pyramid.hidden_size == regions.shape[-1]


def stage_widths(pyramid):
    return [info["num_chs"] for info in pyramid.backbone.feature_info][-4:]


def single(pyramid, stage):
    """A grid of one stage of the same network."""
    grid = Grid("test_resnet", weights=None, image_size=64, stage=len(pyramid.backbone.feature_info) + stage)
    grid.backbone.load_state_dict(pyramid.backbone.state_dict())
    return grid
