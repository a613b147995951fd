"""The EMA is what is validated and saved, spans the trainable weights only, and survives a resumption."""

import torch
from pytorch_lightning import Callback

from mner.callbacks.ema import KEY
from mner.data import Twitter2017
from mner.fusion import TextOnly


class Weights(Callback):
    """Writes down the weights after each step, as the optimizer left them."""

    def __init__(self):
        self.steps = []

    def on_train_batch_end(self, trainer, pl_module, *_):
        self.steps.append([parameter.detach().clone() for parameter in pl_module.parameters()])


def weights_by_step_and_in_validation(make_model, make_trainer, folder, **optimization):
    """The weights after each step, in each validation, and at the end."""
    weights = Weights()
    validated = {}

    class Validated(Callback):
        def on_validation_batch_start(self, trainer, pl_module, *_):
            validated[trainer.global_step] = [parameter.detach().clone() for parameter in pl_module.parameters()]

    model = make_model(lr=1e-2, **optimization)
    trainer = make_trainer(
        max_epochs=1, callbacks=[weights, Validated()], enable_checkpointing=False, val_check_interval=5
    )
    trainer.fit(model, Twitter2017(folder, batch_size=2).using(model.preprocessor))
    return weights.steps, validated, list(model.parameters())


def test_the_average_of_the_weights_is_what_is_validated_and_left(make_model, make_trainer, shared_twitter_folder):
    steps, validated, left = weights_by_step_and_in_validation(
        make_model, make_trainer, shared_twitter_folder, ema_decay=0.6
    )
    average = steps[0]
    for step, current in enumerate(steps[1:], start=1):
        decay = min(0.6, (1 + step) / (10 + step))
        average = [decay * old + (1 - decay) * new for old, new in zip(average, current, strict=True)]
        if step + 1 in validated:
            torch.testing.assert_close(validated[step + 1], average, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(left, average, rtol=1e-5, atol=1e-6)


def test_an_average_every_three_steps_decays_by_three(make_model, make_trainer, shared_twitter_folder):
    steps, validated, left = weights_by_step_and_in_validation(
        make_model, make_trainer, shared_twitter_folder, ema_decay=0.6, ema_every_n_steps=3
    )
    assert len(steps) > 7
    assert 5 in validated
    average, last = steps[0], 1  # the first update, by hand: the weights after the first step
    for step in range(2, len(steps) + 1):
        if step % 3 == 0:
            decay = 1.0
            for each in range(last, step):
                decay *= min(0.6, (1 + each) / (10 + each))
            average = [decay * old + (1 - decay) * new for old, new in zip(average, steps[step - 1], strict=True)]
            last = step
        if step in validated:
            torch.testing.assert_close(validated[step], average, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(left, average, rtol=1e-5, atol=1e-6)


def test_a_checkpoint_of_weights_alone_holds_the_average(make_model, make_trainer, shared_twitter_folder, tmp_path):
    saved = {}

    class Saving(Callback):
        def on_validation_end(self, trainer, pl_module):
            trainer.save_checkpoint(tmp_path / "weights.ckpt", weights_only=True)

        def on_validation_batch_start(self, trainer, pl_module, *_):
            saved.update({name: weight.clone() for name, weight in pl_module.state_dict().items()})
            trainer.save_checkpoint(tmp_path / "amid.ckpt", weights_only=True)

    trainer = make_trainer(max_epochs=1, callbacks=[Saving()], enable_checkpointing=False)
    model = make_model(ema_decay=0.6)
    trainer.fit(model, Twitter2017(shared_twitter_folder, batch_size=4).using(model.preprocessor))
    for name in ("weights.ckpt", "amid.ckpt"):
        weights = torch.load(tmp_path / name, weights_only=True)["state_dict"]
        assert all(torch.equal(weight, saved[key]) for key, weight in weights.items())


class Frozen(TextOnly):
    """Its text encoder is not trained."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.text_encoder.requires_grad_(False)


def test_frozen_weights_are_saved_once(make_model, make_trainer, shared_twitter_folder, tmp_path):
    model = make_model(Frozen, ema_decay=0.6, lr=1e-2)

    class Saving(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.save_checkpoint(tmp_path / "last.ckpt")

    trainer = make_trainer(max_epochs=1, callbacks=[Saving()], enable_checkpointing=False)
    trainer.fit(model, Twitter2017(shared_twitter_folder, batch_size=4).using(model.preprocessor))
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    trained = {name for name, each in model.named_parameters() if each.requires_grad}
    assert checkpoint[KEY].keys() == trained
    assert not any(name.startswith("text_encoder") for name in trained)
    assert any(not torch.equal(checkpoint[KEY][name], checkpoint["state_dict"][name]) for name in trained)


def test_an_average_in_half_precision_moves(make_model, make_trainer, shared_twitter_folder):
    """A decay near 1 adds less than the resolution of bfloat16 to the average at each step."""
    model = make_model(Frozen, lr=0.1)
    from mner.callbacks import EMA

    ema = EMA(0.999)
    model.to(torch.bfloat16)
    weight = next(each for each in model.parameters() if each.requires_grad)

    class OneStep:
        strategy, global_step = None, 1

    trainer = OneStep()
    ema.on_fit_start(trainer, model)
    ema.on_train_batch_end(trainer)
    with torch.no_grad():
        weight.fill_(1.0)
    before = ema._average[0].clone()
    ema._step = 10000
    for trainer.global_step in range(10001, 10004):
        ema.on_train_batch_end(trainer)
    expected = before + (1 - before) * (1 - 0.999**3)
    torch.testing.assert_close(ema._average[0], expected)
