"""Parameter groups, the schedule, clipping, and the average of the weights."""

from itertools import pairwise

import pytest
import torch
from pytorch_lightning import Callback
from torch import nn

from mner.data import Twitter2017
from mner.errors import ConfigurationError
from mner.text import CharacterCNN
from mner.training.optimization import linear, parameter_groups


def test_groups_by_the_most_specific_part_and_by_shape():
    model = nn.ModuleDict({"encoder": nn.Linear(2, 3), "norm": nn.LayerNorm(3), "decoder": nn.Linear(3, 3)})
    model["norm"].weight.requires_grad_(False)
    parts = [(model["decoder"], 1e-2, 0.0), (model["encoder"], 1e-4, 0.1), (model, 1e-3, 0.1)]
    groups = {
        (group["lr"], group["weight_decay"]): [id(parameter) for parameter in group["params"]]
        for group in parameter_groups(parts, model.named_parameters())
    }
    assert groups == {
        (1e-4, 0.1): [id(model["encoder"].weight)],
        (1e-4, 0.0): [id(model["encoder"].bias)],
        (1e-3, 0.0): [id(model["norm"].bias)],
        (1e-2, 0.0): [id(model["decoder"].weight), id(model["decoder"].bias)],
    }


@pytest.mark.parametrize(("warmup", "steps"), [(0.0, 10), (0.3, 10), (0.1, 7), (1.0, 4), (0.0, 1)])
def test_the_rate_rises_and_falls_in_straight_lines(warmup, steps):
    factor = linear(warmup, steps)
    values = [factor(step) for step in range(steps + 1)]
    rising = int(warmup * steps)
    assert all(0 < value <= 1 for value in values[:-1])
    assert values[-1] == 0
    for part in (values[: min(rising + 1, steps)], values[rising:]):
        assert len({round(right - left, 9) for left, right in pairwise(part)}) <= 1
    if rising < steps:
        assert max(values) == values[rising] == 1


class Rates(Callback):
    """Writes down the learning rates and, as the optimizer saw it, the norm of the gradient at each step."""

    def __init__(self):
        self.rates, self.norms = [], []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.groups = optimizer.param_groups
        self.rates.append(sorted({group["lr"] for group in optimizer.param_groups}))

    def on_train_batch_end(self, trainer, pl_module, *_):
        gradients = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
        self.norms.append(torch.stack([gradient.norm() for gradient in gradients]).norm().item())


def test_a_model_trains_with_the_rates_it_was_given(make_model, make_trainer, shared_twitter_folder):
    model = make_model(
        characters=CharacterCNN(), lr=1e-4, new_layer_lr=1e-3, decoder_lr=1e-2, weight_decay=0.1, warmup=0.2
    )
    rates = Rates()
    data = Twitter2017(shared_twitter_folder, batch_size=4)
    make_trainer(max_epochs=2, callbacks=[rates], enable_checkpointing=False).fit(model, data)
    factors = [1 / 3, 2 / 3, *(step / 8 for step in range(8, 0, -1))]
    assert rates.rates == [pytest.approx([factor * lr for lr in (1e-4, 1e-3, 1e-2)]) for factor in factors]
    decays = {
        id(parameter): (group["initial_lr"], group["weight_decay"])
        for group in rates.groups
        for parameter in group["params"]
    }
    for name, parameter in model.named_parameters():
        lr = {"text_encoder": 1e-4, "decoder": 1e-2}.get(name.split(".")[0], 1e-3)
        decayed = parameter.ndim > 1 and not name.startswith("decoder")
        assert decays[id(parameter)] == (lr, 0.1 if decayed else 0.0), name


@pytest.mark.parametrize(
    ("model_bound", "trainer_bound", "expected"), [(0.01, None, 0.01), (0.01, 0.02, 0.02), (0.0, None, None)]
)
def test_clips_to_the_trainers_bound_or_else_to_the_models(
    make_model, make_trainer, shared_twitter_folder, model_bound, trainer_bound, expected
):
    rates = Rates()
    trainer = make_trainer(
        max_steps=2, gradient_clip_val=trainer_bound, callbacks=[rates], enable_checkpointing=False, limit_val_batches=0
    )
    trainer.fit(make_model(gradient_clip=model_bound), Twitter2017(shared_twitter_folder, batch_size=4))
    if expected is None:
        assert min(rates.norms) > 0.1
    else:
        assert rates.norms == pytest.approx([expected] * 2, rel=1e-3)


def test_an_endless_training_is_refused(make_model, make_trainer, shared_twitter_folder):
    with pytest.raises(ConfigurationError, match="give max_epochs or max_steps"):
        make_trainer(max_epochs=-1).fit(make_model(), Twitter2017(shared_twitter_folder))


class Weights(Callback):
    """Writes down the weights after each step, as the optimizer left them."""

    def __init__(self):
        self.steps = []

    def on_train_batch_end(self, trainer, pl_module, *_):
        self.steps.append([parameter.detach().clone() for parameter in pl_module.parameters()])


def test_the_average_of_the_weights_is_what_is_validated_and_left(make_model, make_trainer, shared_twitter_folder):
    weights = Weights()
    validated = []

    class Validated(Callback):
        def on_validation_batch_start(self, trainer, pl_module, *_):
            validated.append([parameter.detach().clone() for parameter in pl_module.parameters()])

    model = make_model(ema_decay=0.6, lr=1e-2)
    trainer = make_trainer(max_epochs=1, callbacks=[weights, Validated()], enable_checkpointing=False)
    trainer.fit(model, Twitter2017(shared_twitter_folder, batch_size=4))
    average = weights.steps[0]
    for step, current in enumerate(weights.steps[1:], start=1):
        decay = min(0.6, (1 + step) / (10 + step))
        average = [decay * old + (1 - decay) * new for old, new in zip(average, current, strict=True)]
    for result in (validated[-1], list(model.parameters())):
        torch.testing.assert_close(result, average, rtol=1e-5, atol=1e-6)


def test_a_checkpoint_of_weights_alone_holds_the_average(make_model, make_trainer, shared_twitter_folder, tmp_path):
    saved = {}

    class Saving(Callback):
        def on_validation_end(self, trainer, pl_module):
            trainer.save_checkpoint(tmp_path / "weights.ckpt", weights_only=True)

        def on_validation_batch_start(self, trainer, pl_module, *_):
            saved.update({name: weight.clone() for name, weight in pl_module.state_dict().items()})
            trainer.save_checkpoint(tmp_path / "amid.ckpt", weights_only=True)

    trainer = make_trainer(max_epochs=1, callbacks=[Saving()], enable_checkpointing=False)
    trainer.fit(make_model(ema_decay=0.6), Twitter2017(shared_twitter_folder, batch_size=4))
    for name in ("weights.ckpt", "amid.ckpt"):
        weights = torch.load(tmp_path / name, weights_only=True)["state_dict"]
        assert all(torch.equal(weight, saved[key]) for key, weight in weights.items())
