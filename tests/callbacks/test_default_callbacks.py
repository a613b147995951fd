"""What a Python user gets by passing the callbacks: the files of ``mner fit``, written whole or not at all."""

import os

import pytest
import torch
from pytorch_lightning import Callback

import mner
from mner.callbacks import (
    AtomicCheckpointIO,
    BestCheckpoint,
    EpochSummary,
    LastCheckpoint,
    default_callbacks,
)
from mner.callbacks.best_checkpoint import mode_of
from mner.data import Twitter2017
from mner.errors import DivergenceError, OutputError
from mner.fusion import TextOnly

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def data(shared_twitter_folder, make_model):
    return Twitter2017(shared_twitter_folder, batch_size=4).using(make_model().preprocessor)


def test_a_trainer_in_python_leaves_what_the_command_leaves(make_model, make_trainer, data, tmp_path, capsys):
    folder = tmp_path / "run"
    trainer = make_trainer(max_epochs=2, callbacks=default_callbacks(folder), plugins=[AtomicCheckpointIO()])
    model = make_model(lr=0.01, ema_decay=0.9)
    trainer.fit(model, data)
    trainer.test(model, data, verbose=False)
    expected = {"best.ckpt", "last.ckpt", "metrics.json", "predictions.jsonl", "train.log"}
    assert expected <= {path.name for path in folder.iterdir()}
    assert mner.load(folder / "best.ckpt").predict("Kevin Durant enters") is not None
    lines = (folder / "train.log").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("TextOnly: ")
    assert [line.split(":")[0] for line in lines[1:]] == ["epoch 1/2, step 5", "epoch 2/2, step 10"]
    printed = capsys.readouterr().out
    assert all(line in printed for line in lines)


class Falling(TextOnly):
    """Its validation scores fall from epoch to epoch."""

    def on_validation_epoch_end(self):
        super().on_validation_epoch_end()
        self.log("val/falling", 1.0 / (1 + self.current_epoch))


def test_a_resumed_training_knows_the_best_value_of_the_last_epoch(make_model, make_trainer, data, tmp_path):
    """``last.ckpt`` is written after the validation, and has its result."""
    for epochs, checkpoint in ((1, None), (1, tmp_path / "last.ckpt"), (2, tmp_path / "last.ckpt")):
        best = BestCheckpoint(tmp_path, monitor="val/falling", mode="max")
        trainer = make_trainer(max_epochs=epochs, callbacks=[best, LastCheckpoint(tmp_path)], num_sanity_val_steps=0)
        trainer.fit(make_model(Falling, lr=0.01), data, ckpt_path=checkpoint, weights_only=False)
        assert best.best_path == tmp_path / "best.ckpt"
        assert best.best_model_score == 1.0
        assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == 0


class Poisoned(Callback):
    """Makes a weight or the loss NaN at one step."""

    def __init__(self, step, weight):
        self.step, self.weight = step, weight

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == self.step:
            poisoned = next(pl_module.parameters()) if self.weight else outputs["loss"]
            with torch.no_grad():
                poisoned.fill_(torch.nan)


@pytest.mark.parametrize(
    ("step", "weight", "complaint"),
    [
        (7, False, r"the loss is NaN or infinite at step 7; the last good checkpoint is .*last.ckpt"),
        (3, False, r"the loss is NaN or infinite at step 3; no checkpoint was saved before"),
        (10, True, r"a weight is NaN or infinite at step 10; the last good checkpoint is .*last.ckpt"),
    ],
)
def test_a_diverged_training_stops(make_model, make_trainer, data, tmp_path, step, weight, complaint):
    last = LastCheckpoint(tmp_path)
    trainer = make_trainer(max_epochs=3, callbacks=[Poisoned(step, weight), last])
    with pytest.raises(DivergenceError, match=complaint):
        trainer.fit(make_model(), data)
    if last.path.exists():
        weights = torch.load(last.path, weights_only=True)["state_dict"]
        assert all(each.isfinite().all() for each in weights.values())


class Faulty(TextOnly):
    """Returns a loss, or has a gradient, that is not finite at its third step."""

    fault = ("loss", torch.nan)

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if self.global_step != 2:
            return loss
        what, value = self.fault
        return loss + value if what == "loss" else loss + _Gradient.apply(loss, value)


class _Gradient(torch.autograd.Function):
    """The value 0 with the gradient of one's choice."""

    @staticmethod
    def forward(ctx, loss, value):
        ctx.value = value
        return loss * 0

    @staticmethod
    def backward(ctx, gradient):
        return torch.full_like(gradient, ctx.value), None


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (("loss", torch.nan), "the loss is NaN or infinite at step 3"),
        (("loss", torch.inf), "the loss is NaN or infinite at step 3"),
        (("loss", -torch.inf), "the loss is NaN or infinite at step 3"),
        (("gradient", torch.nan), "the loss is NaN or infinite at step 4"),
        (("gradient", torch.inf), "the loss is NaN or infinite at step 4"),
    ],
)
def test_a_faulty_loss_or_gradient_stops_any_trainer(
    make_model, make_trainer, data, tmp_path, monkeypatch, precision, fault, complaint
):
    monkeypatch.setattr(Faulty, "fault", fault)
    with pytest.raises(DivergenceError, match=f"{complaint}; no checkpoint was saved before"):
        make_trainer(max_epochs=1, precision=precision).fit(make_model(Faulty), data)


def test_the_best_checkpoint_is_named_if_the_last_is_not_kept(make_model, make_trainer, data, tmp_path):
    best = BestCheckpoint(tmp_path, "val/f1")
    trainer = make_trainer(max_epochs=3, callbacks=[Poisoned(7, False), best])
    with pytest.raises(DivergenceError, match=r"at step 7; the last good checkpoint is .*best\.ckpt"):
        trainer.fit(make_model(), data)


def test_the_mean_of_the_losses_is_printed(make_model, make_trainer, data, tmp_path):
    losses = []

    class Losses(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            losses.append(outputs["loss"].item() * 2)

    summary = EpochSummary(tmp_path / "log.txt")
    callbacks = [Losses(), summary]
    make_trainer(max_epochs=1, callbacks=callbacks, accumulate_grad_batches=2, enable_checkpointing=False).fit(
        make_model(), data
    )
    assert f"train/loss {sum(losses) / len(losses):.4f}, val/loss" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_scores_of_an_earlier_validation_are_not_printed_again(make_model, make_trainer, data, tmp_path):
    """The training ends within the second epoch, before its validation."""
    summary = EpochSummary(tmp_path / "log.txt")
    make_trainer(max_steps=6, callbacks=[summary], enable_checkpointing=False).fit(make_model(), data)
    _, first, second = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert ("step 5:" in first, "val/f1" in first) == (True, True)
    assert ("step 6:" in second, "val/" in second) == (True, False)


def test_the_last_checkpoint_is_of_the_last_epoch(make_model, make_trainer, data, tmp_path):
    """A learning rate of zero never gives a new best one."""
    callbacks = [BestCheckpoint(tmp_path), LastCheckpoint(tmp_path)]
    make_trainer(max_epochs=3, callbacks=callbacks).fit(make_model(lr=0.0), data)
    steps = {name: torch.load(tmp_path / f"{name}.ckpt", weights_only=True)["global_step"] for name in ("best", "last")}
    assert steps == {"best": 5, "last": 15}


def test_a_checkpoint_that_cannot_be_written_leaves_the_former_one(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    writer = AtomicCheckpointIO()
    writer.save_checkpoint({"weight": torch.ones(2)}, path)
    former = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match=r"cannot write .*last.ckpt: No space left on device"):
            writer.save_checkpoint({"weight": torch.zeros(2)}, path)
    assert path.read_bytes() == former
    assert [each.name for each in tmp_path.iterdir()] == ["last.ckpt"]
    assert torch.equal(writer.load_checkpoint(path, weights_only=True)["weight"], torch.ones(2))


@pytest.mark.parametrize(
    ("metric", "mode"),
    [("val/loss", "min"), ("val/perplexity", "min"), ("val/f1", "max"), ("val/sentence_image_accuracy", "max")],
)
def test_the_mode_follows_the_metric(metric, mode):
    assert mode_of(metric) == mode
    assert BestCheckpoint(monitor=metric).mode == mode
