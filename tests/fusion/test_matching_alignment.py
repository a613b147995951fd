"""Matching and alignment equal their equations, computed one post at a time; what is shuffled, and when."""

from dataclasses import replace
from math import erf, exp, log, sqrt
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from mner.batch import ImageFeatures
from mner.errors import ConfigurationError
from mner.fusion import MatchingAlignment
from mner.fusion.shuffled_images import shuffle_images
from mner.posts import Post
from mner.training import Optimization


def affine(w, name, x):
    return getattr(w, f"{name}_weight") @ x + getattr(w, f"{name}_bias")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def layer_norm(w, name, x):
    normal = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return getattr(w, f"{name}_weight") * normal + getattr(w, f"{name}_bias")


def cross(w, query, regions, softmax):
    """A layer of BERT with one head, for one query."""
    attended = np.zeros(8)
    if len(regions):
        keys = [affine(w, "project_image", region) for region in regions]
        k, v = np.split(np.array([affine(w, "cross_layer_key_value", key) for key in keys]), 2, axis=1)
        attended = softmax(k @ affine(w, "cross_layer_query", query) / sqrt(8)) @ v
        attended = affine(w, "cross_layer_output", attended)
    hidden = layer_norm(w, "cross_layer_norm", query + attended)
    inner = affine(w, "cross_layer_feedforward_in", hidden)
    inner = inner * np.array([0.5 * (1 + erf(value / sqrt(2))) for value in inner])
    return layer_norm(w, "cross_layer_last_norm", hidden + affine(w, "cross_layer_feedforward_out", inner))


def match(w, words, regions, softmax):
    """What the words see, and the logit of a match."""
    seen = [cross(w, word, regions, softmax) for word in words]
    return seen, affine(w, "matching", np.concatenate([np.mean(words, axis=0), np.mean(seen, axis=0)]))[0]


@pytest.fixture
def model(make_fusion):
    """A small model with larger weights than those of the start, without dropout, so that it can be in training."""
    model = make_fusion(MatchingAlignment, heads=1, layer_dropout=0.0)
    torch.manual_seed(3)
    for parameter in model.parameters():
        parameter.data.uniform_(-0.7, 0.7)
    return model


@pytest.fixture
def batch(model, tmp_path):
    """Three posts of 4, 2 and 3 words, as in ``features``, the third without an image."""
    images = (tmp_path / "a.png", tmp_path / "b.png", None)
    posts = [
        Post(f"{i}", ("oslo",) * count, ("B-LOC",) * count, image=image)
        for i, (count, image) in enumerate(zip((4, 2, 3), images, strict=True))
    ]
    return model.preprocessor(posts)


def test_it_equals_its_equations(model, features, numpy_weights, each_word, softmax):
    text, image = features
    fused, w = model.fuse(model.match(text, image), image).detach().numpy(), numpy_weights(model)
    for post, place, state, words, regions in each_word():
        seen, logit = match(w, words, regions, softmax)
        weighted = sigmoid(logit) * seen[place] if len(regions) else np.zeros(8)
        gate = sigmoid(affine(w, "gate", np.concatenate([state, weighted])))
        assert np.allclose(fused[post, place], np.concatenate([state, gate * weighted]))


def test_the_losses_equal_their_equations(model, batch, features, numpy_weights, softmax):
    text, image = features
    w = numpy_weights(model)
    words = [text.words[post][text.mask[post]].numpy() for post in range(3)]
    regions = [image.regions[post][image.mask[post]].numpy() for post in range(3)]
    matching = [
        log(1 + exp(-sign * match(w, words[post], regions[shown], softmax)[1]))
        for post, shown, sign in ((0, 0, 1), (1, 1, 1), (0, 1, -1), (1, 0, -1))
    ]

    def project(name, x):
        found = affine(w, f"{name}_2", np.maximum(affine(w, f"{name}_0", x), 0))
        return found / np.linalg.norm(found)

    texts = [project("align_text", text.pooled[post].numpy()) for post in (0, 1)]
    images = [project("align_image", image.pooled[post].numpy()) for post in (0, 1)]
    alignment = 0.0
    for i in (0, 1):
        to_image = exp(texts[i] @ images[i] / 0.179) / sum(exp(texts[i] @ other / 0.179) for other in images)
        to_text = exp(texts[i] @ images[i] / 0.179) / sum(exp(other @ images[i] / 0.179) for other in texts)
        alignment -= (0.7 * log(to_image) + 0.3 * log(to_text)) / 2
    model.train()
    found = model.auxiliary_loss(batch, model.match(text, image), image, None)
    assert found.item() == pytest.approx(0.38 / 0.62 * (np.mean(matching) + alignment))


def test_a_post_without_an_image_has_only_its_words(model, features):
    text, image = features
    fused = model.fuse(model.match(text, image), image)[2]
    torch.testing.assert_close(fused, torch.cat([text.words[2], torch.zeros(4, 8).double()], dim=-1), rtol=0, atol=0)


def test_the_probability_of_a_match_is_reported(model, features):
    text, image = features
    matched = model.match(text, image)
    expected = [*matched.match[:2].sigmoid().tolist(), 0.0]
    assert model.post_scores(matched, image)["match"].tolist() == expected


def test_only_other_images_are_a_mismatch():
    posts = [Post(f"{i}", ("hi",), image=None if i == 1 else Path(f"{min(i, 3)}.png")) for i in range(5)]
    has_image = torch.tensor([True, False, True, True, True])
    batch = SimpleNamespace(posts=posts, has_image=has_image)
    own = torch.arange(5)
    regions = own[:, None, None].float()
    image = ImageFeatures(regions, has_image[:, None], regions[:, 0], boxes=torch.rand(5, 1, 4))
    seen = set()
    for seed in range(20):
        shuffled = shuffle_images(batch, image, seed)
        sources = shuffled.image.regions.flatten().long()
        assert sorted(sources.tolist()) == own.tolist()
        assert ((sources == own) == ~has_image).all()
        assert shuffled.image.boxes.equal(image.boxes[sources])
        assert shuffled.image.present.equal(has_image)
        assert shuffled.names.tolist() == [0, 1, 2, 3, 3]
        assert shuffled.mismatch.tolist() == [
            posts[post].image is not None and posts[source].image != posts[post].image
            for post, source in enumerate(sources.tolist())
        ]
        assert shuffle_images(batch, image, seed).image.regions.equal(shuffled.image.regions)
        seen.add(tuple(sources.tolist()))
    assert len(seen) > 3


def test_an_image_without_regions_is_no_mismatch():
    """Detectors find nothing in some images."""
    posts = [Post(f"{i}", ("hi",), image=Path(f"{i}.png")) for i in range(2)]
    batch = SimpleNamespace(posts=posts, has_image=torch.tensor([True, True]))
    image = ImageFeatures(torch.zeros(2, 1, 3), torch.tensor([[True], [False]]), torch.zeros(2, 3))
    assert not shuffle_images(batch, image, 0).mismatch.any()


@pytest.mark.parametrize("image", [None, Path("a.png")])
def test_fewer_than_two_images_have_no_mismatch(make_fusion, image):
    model = make_fusion(MatchingAlignment).train()
    batch = model.preprocessor([Post("1", ("hi",), ("O",), image=image), Post("2", ("oslo",), ("B-LOC",))])
    losses = model.losses(batch)
    losses.total.backward()
    assert (losses.parts["auxiliary_loss"] > 0) == (image is not None)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_posts_with_the_same_image_are_no_mismatch(model, batch, features):
    text, image = features
    model.train()
    posts = [replace(post, image=batch.posts[0].image) for post in batch.posts[:2]] + batch.posts[2:]
    same = batch.replace(posts=posts)
    matched = model.match(text, image)
    own = -torch.nn.functional.logsigmoid(matched.match[:2]).mean()
    torch.testing.assert_close(model.auxiliary_loss(same, matched, image, None), 0.38 / 0.62 * own)


def test_shuffled_images_teach_matching_only(model, batch):
    model.dropout.p = 0.0
    model.text_encoder.eval()
    emissions = model.eval()(batch)
    model.train()
    model.text_encoder.eval()
    torch.testing.assert_close(model.losses(batch).emissions, emissions)
    assert "auxiliary_loss" not in model.eval().losses(batch).parts


def test_training_is_reproducible_and_resumes(trainable_fusion, make_trainer, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    images = [folder / f"{i}.png" for i in range(6)]
    for i, path in enumerate(images):
        Image.new("RGB", (8, 8), (40 * i, 0, 0)).save(path)
    posts = [Post(f"{i}", ("oslo", "hi"), ("B-LOC", "O"), image=path) for i, path in enumerate(images)]

    def fit(**options):
        model = trainable_fusion(MatchingAlignment, optimization=Optimization(scheduler="constant"))
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        trainer = make_trainer(max_epochs=options.pop("epochs"))
        trainer.fit(model, DataLoader(posts, batch_size=3, collate_fn=model.preprocessor), **options)
        return model, trainer

    whole, _ = fit(epochs=4)
    _, trainer = fit(epochs=2)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    resumed, _ = fit(epochs=4, ckpt_path=tmp_path / "half.ckpt")
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"tagging_weight": 0.0}, r"expected tagging_weight in \(0, 1\]"),
        ({"temperature": 0.0}, "temperature > 0"),
        ({"text_to_image_weight": 1.5}, r"text_to_image_weight in \[0, 1\]"),
        ({"layer_dropout": 1.0}, r"expected layer_dropout in \[0, 1\)"),
        ({"heads": 3}, "expected heads to divide"),
    ],
)
def test_numbers_out_of_range(make_fusion, arguments, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        make_fusion(MatchingAlignment, **arguments)
