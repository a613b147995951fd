"""Ensembles, thresholds, alternative readings and calibration of trained models."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

import mner
from mner.cli import main
from mner.data import read_posts
from mner.data.writers import write_json_lines
from mner.errors import ConfigurationError, DataError
from mner.fusion import CoAttention
from mner.grounding import RegionPointer
from mner.inference.calibrate import fit_temperature
from mner.inference.ensemble import Ensemble
from mner.inference.n_best import n_best
from mner.inference.tagger import Tagger
from mner.inference.tagging_options import TaggingOptions
from mner.predictions import read_predictions
from mner.testing import TinyRegions
from mner.vision import Grid, PrecomputedRegions
from mner.word_tokenizers import WhitespaceTokenizer

TEXT = "Kevin Durant is in Oslo"


@pytest.fixture(scope="module")
def checkpoint(trained_run):
    return trained_run / "best.ckpt"


def test_an_ensemble_of_equal_models_is_the_model(checkpoint):
    one, three = mner.load(checkpoint), mner.load([checkpoint] * 3)
    texts = [TEXT, "good morning", "", "Letter to Nike from Serena"]
    for alone, together in zip(one.predict_batch(texts), three.predict_batch(texts), strict=True):
        assert [entity.span for entity in alone] == [entity.span for entity in together]
        assert [entity.confidence for entity in together] == pytest.approx(
            [entity.confidence for entity in alone], abs=1e-5
        )
    assert type(mner.load([checkpoint])) is type(one)


def test_marginals_are_averaged_whatever_the_order_of_the_labels(make_model, sample_posts):
    first = make_model(seed=1, labels=["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]).eval()
    second = make_model(seed=2, labels=["B-LOC", "I-LOC", "O", "I-PER", "B-PER"]).eval()
    words = ["Kevin", "Durant", "in", "Oslo"]
    (entities,) = Ensemble([first, second]).predict_batch([words])
    averaged = torch.zeros(4, 5)
    with torch.no_grad():
        for model in (first, second):
            batch = model.preprocessor([mner.Post("", tuple(words))])
            order = [model.labels.index(label) for label in first.labels]
            averaged += model.decoder.marginals(model(batch), batch.word_mask)[0][:, order] / 2
    legal = [0, 1, 2, 3, 4]
    best = max(
        (sequence for sequence in torch.cartesian_prod(*[torch.tensor(legal)] * 4).tolist() if is_legal(sequence)),
        key=lambda sequence: sum(averaged[word, tag].log() for word, tag in enumerate(sequence)),
    )
    from mner.labels import spans

    assert [entity.span for entity in entities] == [each.span for each in spans([first.labels[tag] for tag in best])]


def is_legal(sequence):
    return all(right not in (2, 4) or left in (right, right - 1) for left, right in zip([0, *sequence], sequence))  # noqa: B905


def test_an_ensemble_grounds_by_the_mean_probability_of_regions(make_model):
    def grounded(seed, **arguments):
        parts = {"image_encoder": TinyRegions(), "grounding": RegionPointer(), **arguments}
        return make_model(CoAttention, seed=seed, labels=["O", "B-LOC", "I-LOC"], **parts).eval()

    models = [grounded(seed) for seed in range(3)]
    boxes = torch.tensor([[0.0, 0.0, corner / 8, 1.0] for corner in (1, 2, 4, 8)])
    for model in models:
        model.image_encoder.region_boxes = lambda image: boxes.expand(*image.mask.shape, 4)
    with torch.no_grad():
        for model in models:
            model.image_encoder.load_state_dict(models[0].image_encoder.state_dict())
            model.emission_layer.bias[1] = 100  # every word is a place
            torch.nn.init.normal_(model.grounding.query.weight)
    post = mner.Post("1", ("Oslo", "Rome", "Bonn"), image=Path("some.png"))
    (found,) = Ensemble(models).predict_batch([post])
    total = 0
    with torch.no_grad():
        for model in models:
            text, image = model.encode(model.preprocessor([post]))
            model.emissions(text, image)
            spans = torch.tensor([[[word, word + 1] for word in range(3)]])
            total = total + model.grounding(text, image, spans).softmax(-1)
    candidates = [*((tuple(box),) for box in boxes.tolist()), ()]
    expected = [candidates[index] for index in total.argmax(-1)[0].tolist()]
    assert [entity.boxes for entity in found] == expected
    alone = Tagger(models[0]).predict_batch([post])[0]
    assert [each.boxes for each in Ensemble(models[:1] * 2).predict_batch([post])[0]] == [each.boxes for each in alone]
    with pytest.raises(ConfigurationError, match="some of the models ground entities and others do not"):
        Ensemble([models[0], grounded(4, grounding=None)])
    with pytest.raises(ConfigurationError, match="choose among different regions of an image"):
        Ensemble([models[0], grounded(5)]).predict_batch([post])


def test_options_of_an_ensemble(checkpoint, tmp_path):
    (entities,) = mner.load([checkpoint] * 2, options=TaggingOptions(confidences=False)).predict_batch([TEXT])
    assert entities
    assert {entity.confidence for entity in entities} == {None}
    with pytest.raises(ConfigurationError, match="a feature store has the features of one image encoder"):
        mner.load([checkpoint] * 2, options=TaggingOptions(feature_store=tmp_path / "store"))


def test_several_checkpoints_on_the_command_line(checkpoint, tmp_path, capsys):
    (tmp_path / "posts.txt").write_text(TEXT + "\n", encoding="utf-8")
    posts, paths = str(tmp_path / "posts.txt"), [str(checkpoint)] * 2
    written = []
    for command in (
        [posts, "--ckpt_path", *paths],
        ["--ckpt_path", *paths, posts],
        ["--ckpt_path", paths[0], posts],
        ["--ckpt_path", paths[0], posts, "--batch_size", "2"],
    ):
        assert main(["tag", "--accelerator", "cpu", *command]) == 0
        written.append([entity["text"] for entity in json.loads(capsys.readouterr().out)["predicted"]])
    assert written == [["Kevin Durant", "Oslo"]] * 4
    command = ["tag", posts, "--ckpt_path", *paths, "--engine", "ray", "--output", str(tmp_path / "out")]
    assert main(command) == 1
    assert "--engine ray tags with one model" in capsys.readouterr().err


def test_models_that_do_not_belong_together(make_model):
    with pytest.raises(ConfigurationError, match="expected models with the same labels"):
        Ensemble([make_model(), make_model(labels=["O", "B-PER", "I-PER"])])
    with pytest.raises(ConfigurationError, match="same contexts and word tokenizer"):
        Ensemble([make_model(), make_model(word_tokenizer=WhitespaceTokenizer())])
    with pytest.raises(ConfigurationError, match="expected at least one model"):
        mner.load([])


def test_a_threshold_leaves_out_uncertain_entities(checkpoint, tmp_path, capsys):
    tagger = mner.load(checkpoint)
    found = tagger.predict(TEXT)
    limit = max(entity.confidence for entity in found)
    assert tagger.predict(TEXT, threshold=limit) == [entity for entity in found if entity.confidence >= limit]
    assert len(tagger.predict(TEXT, threshold=limit)) < len(found)
    assert tagger.predict_batch([TEXT], threshold=1.0) == [[]]
    (tmp_path / "posts.txt").write_text(TEXT + "\n", encoding="utf-8")
    command = ["tag", str(tmp_path / "posts.txt"), "--accelerator", "cpu", "--ckpt_path", str(checkpoint)]
    assert main([*command, "--threshold", str(limit)]) == 0
    assert len(json.loads(capsys.readouterr().out)["predicted"]) <= 1
    assert main([*command, "--threshold", "2"]) == 1
    assert "expected a confidence threshold from 0 to 1, got 2.0" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match="threshold from 0 to 1"):
        tagger.predict(TEXT, threshold=-0.1)


def test_predict_leaves_out_uncertain_entities(checkpoint, shared_twitter_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["predict", "--data", "Twitter2017", "--data.root", str(shared_twitter_folder), "--ckpt_path"]
    found = {}
    for threshold in (0.0, 0.9):
        folder = tmp_path / str(threshold)
        assert main([*command, str(checkpoint), "--threshold", str(threshold), "--run_folder", str(folder)]) == 0
        found[threshold] = [each.entities for each in read_predictions(folder / "predictions.jsonl")]
    kept = [tuple(each for each in entities if each.confidence >= 0.9) for entities in found[0.0]]
    assert found[0.9] == kept
    assert found[0.9] != found[0.0]


def test_readings_are_different_and_in_order(checkpoint):
    tagger = mner.load(checkpoint)
    readings = n_best(tagger, TEXT, n=4)
    probabilities = [reading.scores["probability"] for reading in readings]
    assert len(readings) == 4
    assert len({tuple(entity.span for entity in reading) for reading in readings}) == 4
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) <= 1 + 1e-5
    assert [entity.span for entity in readings[0]] == [entity.span for entity in tagger.predict(TEXT)]
    assert n_best(tagger, "", n=3)[0].scores["probability"] == pytest.approx(1)
    with pytest.raises(ConfigurationError, match="expected n of at least 1"):
        n_best(tagger, TEXT, n=0)


@torch.no_grad()
def losses(model, posts, temperature):
    """The negative log-likelihoods of the gold tags, by the forward algorithm in NumPy."""
    batch, decoder = model.preprocessor(posts), model.decoder
    start, steps, end = (part.numpy().astype(float) / temperature for part in decoder.chain())
    found = []
    for emissions, tags, mask in zip(model(batch).numpy(), batch.tags.numpy(), batch.word_mask.numpy(), strict=True):
        emissions, tags = emissions[mask].astype(float) / temperature, tags[mask]
        forward = start + emissions[0]
        for each in emissions[1:]:
            forward = logsumexp(forward[:, None] + steps, axis=0) + each
        gold = (
            start[tags[0]] + emissions[range(len(tags)), tags].sum() + steps[tags[:-1], tags[1:]].sum() + end[tags[-1]]
        )
        found.append(logsumexp(forward + end) - gold)
    return np.array(found)


def test_images_that_a_calibration_lacks_are_reported(make_model, tmp_path):
    model = make_model(CoAttention, image_encoder=Grid("test_resnet", None, image_size=32))
    lacking = mner.Post("1", ("Oslo", "is"), ("B-LOC", "O"), image=tmp_path / "missing.jpg")
    with pytest.warns(UserWarning, match="'1' is used without an image: .*missing.jpg: no such file"):
        fit_temperature(model, [lacking])
    with pytest.warns(UserWarning, match="none of the 1 annotated posts has an image"):
        fit_temperature(model, [replace(lacking, image=None)])


def test_a_temperature_is_fitted_and_saved(checkpoint, shared_twitter_folder, tmp_path, capsys):
    model = mner.load_model(checkpoint)
    posts = read_posts(shared_twitter_folder / "valid.txt")
    with pytest.raises(DataError, match="correctly, so that they do not determine a temperature"):
        fit_temperature(model, posts)  # the best one would be zero
    posts[1] = replace(posts[1], tags=("O",) * len(posts[1].words))
    write_json_lines(posts, tmp_path / "valid.jsonl")
    found = fit_temperature(model, posts)
    assert found.after <= found.before
    assert model.decoder.temperature == found.temperature

    best = minimize_scalar(lambda rate: losses(model, posts, np.exp(rate)).mean(), bounds=(-3, 3), method="bounded")
    assert found.temperature == pytest.approx(np.exp(best.x), rel=1e-3)
    assert found.before == pytest.approx(losses(model, posts, 1.0).mean(), rel=1e-5)
    assert found.after == pytest.approx(best.fun, rel=1e-5)
    command = ["calibrate", str(tmp_path / "valid.jsonl"), "--ckpt_path", str(checkpoint)]
    assert main([*command, "--output", str(tmp_path / "calibrated"), "--accelerator", "cpu"]) == 0
    assert f"temperature: {found.temperature:g}\n" in capsys.readouterr().out
    assert mner.load_model(tmp_path / "calibrated").decoder.temperature == pytest.approx(found.temperature)
    with pytest.raises(DataError, match="fitted on annotated posts"):
        fit_temperature(model, [mner.Post("1", ("a",))])
    with pytest.raises(ConfigurationError, match="batch_size of at least 1, got -1"):
        fit_temperature(model, [mner.Post("1", ("a",), ("O",))], batch_size=-1)


def test_n_best_readings_are_of_one_model(checkpoint):
    with pytest.raises(ConfigurationError, match="an ensemble has no n best sequences"):
        n_best(mner.load([checkpoint] * 2), TEXT)


def test_an_image_that_only_the_second_model_cannot_use_is_reported(make_model, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    np.savez(tmp_path / "regions.npz", **{"another.png": np.ones((1, 4), dtype=np.float32)})
    encoders = [Grid("test_resnet", None, image_size=32), PrecomputedRegions(tmp_path / "regions.npz")]
    errors = []
    posts = [{"text": TEXT, "image": str(tmp_path / "image.png")}] * 2
    ensemble = Ensemble([make_model(CoAttention, image_encoder=encoder) for encoder in encoders])
    list(ensemble.stream(posts, max_wait=None, on_bad_image=errors.append))
    assert len(errors) == 1
    assert "regions.npz has no features" in errors[0]


@pytest.mark.parametrize("sees", [(False, True), (True, False)])
def test_bad_images_are_reported_if_any_model_sees_images(make_model, tmp_path, sees):
    """Whatever the order of the models, and without a claim that the ensemble reads text only."""
    encoder = Grid("test_resnet", None, image_size=32)
    models = [make_model(CoAttention, image_encoder=encoder) if seen else make_model() for seen in sees]
    errors = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        post = {"text": TEXT, "image": str(tmp_path / "missing.png")}
        list(Ensemble(models).stream([post], max_wait=None, on_bad_image=errors.append))
    assert len(errors) == 1
    assert "missing.png" in errors[0]
