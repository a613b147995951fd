"""Options and their ranges, parameter groups, optimizer and schedule, clipping, and the EMA of the weights."""

import math
from dataclasses import fields

import pytest
import torch
from pytorch_lightning import Callback
from torch import nn
from transformers import get_linear_schedule_with_warmup

from mner.data import Twitter2017
from mner.errors import ConfigurationError
from mner.text import CharacterCNN
from mner.training import Optimization
from mner.training.parameter_groups import layerwise_rates, parameter_groups


def test_groups_by_the_most_specific_part_and_by_shape():
    model = nn.ModuleDict({"encoder": nn.Linear(2, 3), "norm": nn.LayerNorm(3), "decoder": nn.Linear(3, 3)})
    model["norm"].weight.requires_grad_(False)
    rates = [
        (model["decoder"].parameters(), 1e-2, 0.0),
        (model["encoder"].parameters(), 1e-4, 0.1),
        (model.parameters(), 1e-3, 0.1),
    ]
    groups = {
        (group["lr"], group["weight_decay"]): [id(parameter) for parameter in group["params"]]
        for group in parameter_groups(rates, model.parameters())
    }
    assert groups == {
        (1e-4, 0.1): [id(model["encoder"].weight)],
        (1e-4, 0.0): [id(model["encoder"].bias)],
        (1e-3, 0.0): [id(model["norm"].bias)],
        (1e-2, 0.0): [id(model["decoder"].weight), id(model["decoder"].bias)],
    }


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf, -math.inf, True, "1e-3"])
@pytest.mark.parametrize(
    "name",
    [each.name for each in fields(Optimization) if each.type in ("float", "float | None")],
)
def test_rates_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ConfigurationError, match=rf"expected (optimization\.)?{name} .*, got "):
        Optimization(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("layer_lr_decay", 0.0), ("ema_decay", 1.0), ("ema_every_n_steps", 0), ("warmup_ratio", 1.01)]
)
def test_fractions_have_their_bounds(name, value):
    with pytest.raises(ConfigurationError, match=name):
        Optimization(**{name: value})


def test_a_rate_of_zero_is_zero():
    assert Optimization(lr=1e-3, new_layer_lr=0.0).effective_new_layer_lr == 0
    assert Optimization(lr=1e-3, new_layer_lr=0.0).effective_decoder_lr == 0
    assert Optimization(lr=1e-3).effective_decoder_lr == 1e-3


def test_layerwise_decay_of_the_learning_rate():
    """Embeddings below three layers, a norm above them: decay to the third, second, first and none."""
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)])
    encoder = nn.ModuleDict({"embeddings": nn.Embedding(4, 2), "layers": layers, "norm": nn.LayerNorm(2)})
    rates = layerwise_rates(encoder, 1.0, 0.5, 0.1)
    found = {id(parameter): lr for parameters, lr, _ in rates for parameter in parameters}
    expected = {"embeddings": 0.125, "layers.0": 0.25, "layers.1": 0.5, "layers.2": 1.0, "norm": 1.0}
    for name, parameter in encoder.named_parameters():
        assert found[id(parameter)] == expected[name.rpartition(".")[0]], name
    block = nn.ModuleDict({"parts": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])})  # like a block of T5
    single = nn.ModuleDict({"embeddings": nn.Embedding(4, 2), "layers": nn.ModuleList([block])})
    rates = layerwise_rates(single, 1.0, 0.5, 0.1)
    found = {id(parameter): lr for parameters, lr, _ in rates for parameter in parameters}
    assert {found[id(each)] for each in single["layers"].parameters()} == {1.0}
    assert found[id(single["embeddings"].weight)] == 0.5
    with pytest.raises(ConfigurationError, match="needs an encoder with a stack of layers"):
        layerwise_rates(nn.Linear(2, 2), 1.0, 0.5, 0.1)


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
        characters=CharacterCNN(), lr=1e-4, new_layer_lr=1e-3, decoder_lr=1e-2, weight_decay=0.1, warmup_ratio=0.2
    )
    rates = Rates()
    data = Twitter2017(shared_twitter_folder, batch_size=4)
    make_trainer(max_epochs=2, callbacks=[rates], enable_checkpointing=False).fit(model, data.using(model.preprocessor))
    schedule = get_linear_schedule_with_warmup(torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0), 2, 10)
    factors = [schedule.lr_lambdas[0](step) for step in range(10)]
    assert factors[:3] == [0, 0.5, 1]
    assert rates.rates == [pytest.approx(sorted({factor * lr for lr in (1e-4, 1e-3, 1e-2)})) for factor in factors]
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
    model = make_model(max_grad_norm=model_bound)
    trainer.fit(model, Twitter2017(shared_twitter_folder, batch_size=4).using(model.preprocessor))
    if expected is None:
        assert min(rates.norms) > 0.1
    else:
        assert rates.norms == pytest.approx([expected] * 2, rel=1e-3)


def test_an_endless_training_is_refused(make_model, make_trainer, shared_twitter_folder):
    model = make_model()
    with pytest.raises(ConfigurationError, match="give max_epochs or max_steps"):
        make_trainer(max_epochs=-1).fit(model, Twitter2017(shared_twitter_folder).using(model.preprocessor))


@pytest.mark.parametrize("algorithm", ["norm", "value"])
@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_a_fused_optimizer_clips(make_model, make_trainer, shared_twitter_folder, precision, algorithm):
    largest = []

    class Largest(Callback):
        def on_train_batch_end(self, trainer, pl_module, *_):
            gradients = torch.cat([each.grad.flatten() for each in pl_module.parameters() if each.grad is not None])
            largest.append((gradients.norm() if algorithm == "norm" else gradients.abs().max()).item())

    settings = {"gradient_clip_val": 1e-3, "gradient_clip_algorithm": algorithm, "precision": precision}
    trainer = make_trainer(max_steps=2, callbacks=[Largest()], enable_checkpointing=False, **settings)
    model = make_model()
    trainer.fit(model, Twitter2017(shared_twitter_folder, batch_size=4).using(model.preprocessor))
    assert trainer.optimizers[0].defaults["fused"]
    assert largest == pytest.approx([1e-3, 1e-3], rel=1e-2)


@pytest.mark.parametrize(
    ("options", "optimizer", "scheduler"),
    [
        ({}, "AdamW", "LambdaLR"),
        ({"optimizer": "SGD", "optimizer_arguments": {"momentum": 0.9}, "scheduler": "cosine"}, "SGD", "LambdaLR"),
        ({"scheduler": "StepLR", "scheduler_arguments": {"step_size": 2}}, "AdamW", "StepLR"),
        ({"optimizer": "torch.optim.NAdam", "scheduler": "constant_with_warmup"}, "NAdam", "LambdaLR"),
        ({"scheduler": "ReduceLROnPlateau", "scheduler_arguments": {"mode": "max"}}, "AdamW", "ReduceLROnPlateau"),
    ],
)
def test_optimizer_and_schedule_of_ones_own(
    make_model, make_trainer, shared_twitter_folder, tmp_path, options, optimizer, scheduler
):
    model = make_model(**options)
    trainer = make_trainer(max_epochs=2)
    trainer.fit(model, Twitter2017(shared_twitter_folder, batch_size=8).using(model.preprocessor))
    assert type(trainer.optimizers[0]).__name__ == optimizer
    assert type(trainer.lr_scheduler_configs[0].scheduler).__name__ == scheduler
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    assert type(model).load_from_checkpoint(tmp_path / "model.ckpt").optimization == model.optimization


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"optimizer": "AdmaW"}, "there is no optimizer 'AdmaW'; did you mean AdamW"),
        ({"optimizer_arguments": {"momentum": 1}}, "optimization.optimizer: .*momentum"),
        ({"scheduler": "cosin"}, "there is no scheduler 'cosin'; did you mean cosine"),
        ({"scheduler": "StepLR"}, "optimization.scheduler: .*step_size"),
        ({"scheduler": "StepLR", "warmup_ratio": 0.1}, "warmup_ratio applies to the schedules of transformers"),
        ({"optimizer": "pathlib.Path"}, "there is no optimizer 'pathlib.Path'"),
    ],
)
def test_choices_that_cannot_be_built(make_model, make_trainer, shared_twitter_folder, options, complaint):
    model = make_model(**options)
    with pytest.raises(ConfigurationError, match=complaint):
        make_trainer(max_epochs=1).fit(model, Twitter2017(shared_twitter_folder).using(model.preprocessor))
