"""Stored image features: what a model trains on and is scored on is what its encoder computes."""

import pytest
import torch

from mner.callbacks import StoredImageFeatures
from mner.data import Twitter2017
from mner.errors import ConfigurationError
from mner.fusion import Concatenation, TextOnly
from mner.vision import Grid


@pytest.fixture
def data(shared_twitter_folder):
    return Twitter2017(root=str(shared_twitter_folder), batch_size=4)


def grid(seed):
    torch.manual_seed(seed)
    return Grid("test_resnet", None, image_size=32)


class Seen(Concatenation):
    """Remembers the image features of its last batch."""

    def encode_image(self, batch):
        self.seen, self.given = super().encode_image(batch), batch
        return self.seen


def live(model):
    """The features of the last batch, computed now."""
    batch = model.given
    transform = model.image_encoder.image_transform
    pixels = transform.collate([transform.load(post, model.preprocessor.image_loader) for post in batch.posts])
    return model.image_encoder.float()(pixels, batch.image_mask).regions


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true", "16-true", "64-true"])
def test_training_reads_what_the_encoder_computes(make_model, make_trainer, data, tmp_path, precision):
    model = make_model(Seen, image_encoder=grid(0))
    callback = StoredImageFeatures(tmp_path / "features.lmdb")
    data.preprocessor = model.preprocessor
    make_trainer(max_steps=2, precision=precision, callbacks=[callback]).fit(model, datamodule=data)
    assert model.given.image is not None
    assert model.given.pixels is None
    expected = live(model)
    tolerance = 1e-4 if precision in ("32-true", "64-true") else 0.02 * expected.abs().max()
    assert (model.seen.regions.float() - expected).abs().max() < tolerance


def test_weights_that_a_checkpoint_brings_are_followed(make_model, make_trainer, data, tmp_path):
    trained = make_model(Seen, image_encoder=grid(1))
    data.preprocessor = trained.preprocessor
    trainer = make_trainer(max_steps=1)
    trainer.fit(trained, datamodule=data)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    model = make_model(Seen, image_encoder=grid(2))
    before = model.image_encoder.backbone.state_dict()["conv1.0.weight"].clone()
    data.preprocessor = model.preprocessor
    trainer = make_trainer(callbacks=[StoredImageFeatures(tmp_path / "features.lmdb")])
    trainer.test(model, datamodule=data, ckpt_path=tmp_path / "model.ckpt")
    assert not torch.equal(before, model.image_encoder.backbone.state_dict()["conv1.0.weight"])
    assert model.given.image is not None
    assert torch.allclose(model.seen.regions, live(model), atol=1e-4)


def test_a_model_without_a_frozen_image_encoder_is_refused(make_model, make_trainer, data, tmp_path):
    trained = Grid("test_resnet", None, image_size=32, trainable_stages=1)
    for model in (make_model(TextOnly), make_model(Concatenation, image_encoder=trained)):
        data.preprocessor = model.preprocessor
        trainer = make_trainer(callbacks=[StoredImageFeatures(tmp_path / "features.lmdb")])
        with pytest.raises(ConfigurationError, match=r"leave --feature_store out|without a feature store"):
            trainer.fit(model, datamodule=data)
