"""What every model has from its base: arguments, steps, metrics, and what a checkpoint must fit."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from mner.callbacks.predictions_writer import PredictionsWriter
from mner.components import from_config, to_config
from mner.data import Twitter2017
from mner.decoders import CRF, Softmax
from mner.errors import CheckpointError, ConfigurationError, DataError, LabelError, ShapeError
from mner.fusion import Concatenation, FusionModule, TextOnly
from mner.inference.tagger import Tagger
from mner.labels import labels_for
from mner.posts import Post
from mner.predictions import read_predictions
from mner.testing import TinyGrid, tiny_text_encoder
from mner.text import CharacterCNN

pytestmark = pytest.mark.filterwarnings("ignore")


class NeedsImage(TextOnly):
    needs_image = True


class Halved(TextOnly):
    """Has an auxiliary loss, a layer that is never used, and half of a word's vector."""

    @property
    def fused_size(self):
        return self.text_encoder.hidden_size // 2

    def fuse(self, text, image):
        return text.words[..., : text.words.shape[-1] // 2]

    def auxiliary_loss(self, batch, text, image, emissions):
        return text.words.square().mean()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"labels": ["B-PER", "I-PER"]}, "expected distinct labels with 'O' among them"),
        ({"labels": ["O", "B-PER", "B-PER"]}, "expected distinct labels"),
        ({"labels": ["O", "O"]}, "expected distinct labels"),
        ({"labels": ["O", *(f"B-{index}" for index in range(5000))]}, "expected at most 4096 labels, got 5001"),
        ({"dropout": 1.0}, r"expected dropout in \[0, 1\), got 1.0"),
        ({"warmup_ratio": 1.5}, r"expected optimization.warmup_ratio in \[0, 1\], got 1.5"),
        ({"ema_decay": 1.0}, "ema_decay in .*, got 1.0"),
        ({"max_grad_norm": -1.0}, "max_grad_norm >= 0, got -1.0"),
        ({"cls": NeedsImage}, "NeedsImage fuses text with images: give it an image_encoder"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make_model, arguments, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        make_model(**arguments)


def test_labels_of_no_scheme_and_a_bound_decoder_are_refused(make_model):
    with pytest.raises(LabelError, match="no post has an entity: training needs posts with tags"):
        make_model(labels=["O"])
    with pytest.raises(LabelError, match="expected O or a BIO or BIOES tag"):
        make_model(labels=["O", "PER"])
    for label, visible in {"B-PER\x1b[31m": r"B-PER\[31m", "B-PER\n": "B-PER", "B-\u200bPER": "B-PER"}.items():
        with pytest.raises(LabelError, match=f"expected the label '{visible}', without invisible characters"):
            make_model(labels=["O", label])
    decoder = CRF()
    make_model(decoder=decoder)
    with pytest.raises(ConfigurationError, match="build one decoder for each model"):
        make_model(decoder=decoder)


def test_the_base_is_abstract_and_a_foreign_argument_is_named(make_model):
    with pytest.raises(TypeError, match="abstract"):
        make_model(FusionModule)

    class Foreign(TextOnly):
        def __init__(self, activation=None, **kwargs):
            super().__init__(**kwargs)

    with pytest.raises(
        TypeError, match=r"Foreign\(activation=\.\.\.\) contains a ReLU, which a checkpoint cannot keep"
    ):
        make_model(Foreign, activation=nn.ReLU())


def test_defaults_are_kept_as_what_they_stand_for(make_model):
    config = to_config(make_model())["init_args"]
    assert config["decoder"]["class_path"] == "mner.decoders.crf.CRF"
    assert config["text_encoder"]["init_args"]["architecture"]["config"]["hidden_size"] == 16


class Chosen(TextOnly):
    """Chooses parts itself, and leaves others to its caller."""

    def __init__(self, **kwargs):
        super().__init__(decoder=Softmax(), characters=CharacterCNN(8), dropout=0.3, **kwargs)


class Closed(TextOnly):
    """Leaves nothing but the labels and the text encoder to its caller."""

    def __init__(self, labels, text_encoder):
        super().__init__(labels=labels, text_encoder=text_encoder)


def test_a_subclass_without_further_arguments_is_built_again(make_model):
    model = make_model()
    closed = Closed(model.labels, model.text_encoder)
    assert to_config(from_config(to_config(closed))) == to_config(closed)


def test_what_a_subclass_chooses_is_chosen_again(make_model, sample_posts):
    model = make_model(Chosen, lr=1e-3).eval()
    again = from_config(to_config(model)).eval()
    again.load_state_dict(model.state_dict())
    assert type(again.decoder) is Softmax
    assert (again.dropout.p, again.optimization.lr) == (0.3, 1e-3)
    batch = model.preprocessor(sample_posts)
    assert torch.equal(again(batch), model(batch))


@pytest.mark.parametrize("arguments", [{}, {"characters": CharacterCNN}, {"decoder": Softmax}, {"cls": Halved}])
def test_emissions_are_a_score_for_every_label_of_every_word(make_model, sample_posts, arguments):
    parts = {name: part if name == "cls" else part() for name, part in arguments.items()}
    model = make_model(**parts).eval()
    emissions = model(model.preprocessor(sample_posts))
    assert emissions.shape == (5, 7, 9)
    assert emissions.isfinite().all()


@pytest.mark.parametrize("cls", [TextOnly, Halved])
def test_memorises_four_posts(make_model, make_trainer, sample_posts, cls):
    model = make_model(cls, lr=1e-2, dropout=0.0, characters=CharacterCNN())
    batches = DataLoader(sample_posts[:4], batch_size=4, collate_fn=model.preprocessor)
    trainer = make_trainer(max_steps=40, max_epochs=-1)
    trainer.fit(model, train_dataloaders=batches)
    trainer.validate(model, batches, verbose=False)
    assert trainer.callback_metrics["val/f1"] == 1


def test_logs_the_losses_and_the_scores(make_model, make_trainer, shared_twitter_folder):
    trainer = make_trainer(max_epochs=1)
    model = make_model(Halved)
    trainer.fit(model, Twitter2017(shared_twitter_folder, batch_size=4).using(model.preprocessor))
    logged = set(trainer.callback_metrics)
    kinds = ("", *(f"_{kind}" for kind in ("PER", "LOC", "ORG", "MISC")))
    scores = {
        f"val/{name}{kind}{convention}"
        for name in ("f1", "precision", "recall")
        for kind in kinds
        for convention in ("", "_strict")
    }
    assert scores | {"train/loss", "train/auxiliary_loss", "val/auxiliary_loss", "val/loss", "val/macro_f1"} <= logged


def test_the_validation_loss_contains_what_the_training_loss_does(make_model, make_trainer, sample_posts):
    """Without dropout and on the same posts, both losses of one set of weights are equal."""
    model = make_model(Halved, dropout=0.0, lr=0.0).eval()
    batches = DataLoader(sample_posts, batch_size=5, collate_fn=model.preprocessor)
    trainer = make_trainer(max_epochs=1)
    trainer.fit(model, batches, batches)
    metrics = trainer.callback_metrics
    assert metrics["val/loss"] == pytest.approx(metrics["train/loss"].item(), rel=1e-5)
    assert metrics["val/auxiliary_loss"] == pytest.approx(metrics["train/auxiliary_loss"].item(), rel=1e-5)


def test_a_model_is_validated_and_then_trained(make_model, make_trainer, shared_twitter_folder):
    model, data = make_model(), Twitter2017(shared_twitter_folder)
    make_trainer().validate(model, data.using(model.preprocessor), verbose=False)
    make_trainer(max_epochs=1).fit(model.train(), data.using(model.preprocessor))
    make_trainer().test(model, data.using(model.preprocessor), verbose=False)


def test_posts_without_tags_cannot_be_trained_on(make_model, make_trainer, sample_posts):
    model = make_model()
    untagged = [type(post)(post.id, post.words) for post in sample_posts]
    with pytest.raises(DataError, match=r"post 'post_0' has no tags, but training and validation need them"):
        make_trainer(max_epochs=1).fit(model, DataLoader(untagged, collate_fn=model.preprocessor))


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0]])
def test_a_test_set_is_annotated_whole_or_not_at_all(make_model, make_trainer, sample_posts, order):
    model, trainer = make_model(), make_trainer()
    posts = [replace(sample_posts[index], tags=None) if index == 3 else sample_posts[index] for index in order]
    for batch_size in (1, 4):
        loader = DataLoader(posts, batch_size=batch_size, collate_fn=model.preprocessor)
        with pytest.raises(DataError, match=f"post '{posts[order.index(3)].id}' has no tags but post .* has"):
            trainer.test(model, loader, verbose=False)
    untagged = [replace(post, tags=None) for post in posts]
    trainer.test(model, DataLoader(untagged, collate_fn=model.preprocessor), verbose=False)
    whole = DataLoader(sample_posts, collate_fn=model.preprocessor)
    assert trainer.test(model, whole, verbose=False)[0]["test/support"] > 0


@pytest.mark.parametrize("labels", [labels_for(("LOC", "PER", "ORG", "MISC")), labels_for(("PER", "LOC"))])
def test_a_checkpoint_of_other_labels_is_not_resumed(make_model, make_trainer, shared_twitter_folder, tmp_path, labels):
    data = Twitter2017(shared_twitter_folder).using(make_model().preprocessor)
    trainer = make_trainer(max_epochs=1)
    trainer.fit(make_model(), data)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match=r"was trained with the labels \['O', 'B-PER', .*, in this order, but"):
        make_trainer(max_epochs=2).fit(make_model(labels=labels), data, ckpt_path=tmp_path / "model.ckpt")


def test_a_checkpoint_of_another_model_is_not_resumed(make_model, make_trainer, shared_twitter_folder, tmp_path):
    data = Twitter2017(shared_twitter_folder).using(make_model().preprocessor)
    trainer = make_trainer(max_epochs=1)
    trainer.fit(make_model(), data)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match=r"4 weights of the checkpoint do not fit .* expected \(.*\), got none"):
        make_trainer(max_epochs=2).fit(make_model(characters=CharacterCNN()), data, ckpt_path=tmp_path / "model.ckpt")


def test_every_post_counts_once_in_the_metric(make_model, make_trainer, shared_twitter_folder):
    """The scores do not depend on how posts fall into batches."""
    model = make_model().eval()
    found = []
    for batch_size in (1, 2, 5):
        trainer = make_trainer()
        trainer.test(
            model, Twitter2017(shared_twitter_folder, batch_size=batch_size).using(model.preprocessor), verbose=False
        )
        found.append({name: value.item() for name, value in trainer.callback_metrics.items()})
    assert found[0] == found[1] == found[2]
    assert found[0]["test/support"] == 6


@pytest.mark.slow
def test_two_processes_validate_what_they_trained(make_model, make_trainer, shared_twitter_folder):
    data = Twitter2017(shared_twitter_folder, batch_size=2)
    model = make_model(ema_decay=0.9, lr=1e-2)
    trainer = make_trainer(max_epochs=3, devices=2, strategy="ddp_fork")
    trainer.fit(model, data.using(model.preprocessor))
    scores = {name: value for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
    alone = make_trainer()
    alone.validate(model, data.using(model.preprocessor), verbose=False)
    assert scores["val/support"] == 6
    assert scores == {name: pytest.approx(alone.callback_metrics[name].item(), rel=1e-4) for name in scores}


def test_the_emissions_do_not_depend_on_the_batch(make_model, sample_posts):
    model = make_model(characters=CharacterCNN()).eval()
    together = model(model.preprocessor(sample_posts))
    for index, post in enumerate(sample_posts):
        alone = model(model.preprocessor([post]))[0]
        torch.testing.assert_close(together[index, : len(post.words)], alone, rtol=1e-4, atol=1e-5)


class Counting(TextOnly):
    def post_scores(self, text, image):
        return {"words": text.mask.sum(dim=1).float()}


def test_scores_of_a_post_reach_predictions_files_and_the_tagger(
    make_model, make_trainer, shared_twitter_folder, tmp_path
):
    model = make_model(Counting)
    data = Twitter2017(shared_twitter_folder, batch_size=2).using(model.preprocessor)
    for name in ("test", "validate", "predict"):
        folder = tmp_path / name
        getattr(make_trainer(callbacks=[PredictionsWriter(folder)]), name)(model, data)
        for prediction in read_predictions(folder / "predictions.jsonl"):
            assert prediction.scores == {"words": len(prediction.post.words)}
    texts = ["good", "a b c d", "a b"]
    tagger = Tagger(model)
    assert [entities.scores["words"] for entities in tagger.predict_batch(texts)] == [1, 4, 2]
    assert [prediction.scores["words"] for prediction in tagger.stream(texts)] == [1, 4, 2]
    assert tagger.predict("a b").scores == {"words": 2}
    assert make_model().eval().predict_step(model.preprocessor([Post("1", ("a",))]), 0)[0].scores == {}


class Wide(TextOnly):
    """Says no width."""

    def fuse(self, text, image):
        return text.words.repeat(1, 1, 2)


class Early(TextOnly):
    """Needs for its width what is assigned too late."""

    def __init__(self, size=3, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    @property
    def fused_size(self):
        return self.size


def test_a_wrong_width_names_the_remedy(make_model, sample_posts):
    model = make_model(Wide)
    with pytest.raises(ShapeError, match=r"expected fuse\(\) of Wide .*\(5, 7, 16\), got \(5, 7, 32\); .*fused_size"):
        model(model.preprocessor(sample_posts))
    with pytest.raises(ConfigurationError, match=r"assign it before super\(\)\.__init__"):
        make_model(Early)


def test_an_encoder_without_a_required_attribute_is_refused_at_once():
    text_encoder, image_encoder = tiny_text_encoder(8), TinyGrid(6)
    del image_encoder.image_transform
    with pytest.raises(ConfigurationError, match="TinyGrid has no image_transform; set it in its constructor"):
        Concatenation(labels=labels_for(["PER"]), text_encoder=text_encoder, image_encoder=image_encoder)
    del text_encoder.hidden_size
    with pytest.raises(ConfigurationError, match="has no hidden_size; set it in its constructor"):
        TextOnly(labels=labels_for(["PER"]), text_encoder=text_encoder)
