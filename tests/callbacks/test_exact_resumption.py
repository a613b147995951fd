"""A training that is interrupted anywhere and resumed ends with the weights of one that was not."""

import signal

import pytest
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint, OnExceptionCheckpoint

from mner.callbacks import LastCheckpoint
from mner.data import Twitter2017
from mner.fusion import TextOnly

EPOCHS = 2  # of five batches of four posts


class StepError(Exception):
    pass


def fail():
    raise StepError


def press_control_c():
    signal.raise_signal(signal.SIGINT)


def stop():
    signal.raise_signal(signal.SIGTERM)


def raise_interrupt():
    raise KeyboardInterrupt


class Interrupted(TextOnly):
    """Is interrupted in the middle of one step of its training or its validation."""

    stage, step, interrupt, taken = "", 0, None, 0

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.interrupt_in("train")
        return loss

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        self.interrupt_in("valid")

    def interrupt_in(self, stage):
        self.taken += stage == self.stage
        if stage == self.stage and self.taken == self.step:
            self.interrupt()


class Scores(Callback):
    """Writes down what each validation found."""

    def __init__(self):
        self.found = []

    def on_validation_end(self, trainer, pl_module):
        scores = {name: value.item() for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        self.found.append((trainer.global_step, scores))


@pytest.fixture(scope="module")
def train(make_model, shared_twitter_folder):
    """Trains, and returns the weights and the scores of each validation; cut short, the weights are None."""

    def run(
        folder, *callbacks, ckpt_path=None, interruption=None, average=0.9, num_workers=0, batch_size=4, **settings
    ):
        seed_everything(1)
        optimization = {"lr": 1e-3, "ema_decay": average, "ema_every_n_steps": 2, "warmup_ratio": 0.2}
        model = make_model(Interrupted, seed=1, dropout=0.3, **optimization)
        if interruption is not None:
            model.stage, model.step, model.interrupt = interruption
        scores = Scores()
        quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
        settings = {"max_epochs": EPOCHS, "accelerator": "cpu", "num_sanity_val_steps": 0, **quiet, **settings}
        on_exception = OnExceptionCheckpoint(folder, "interrupted")
        trainer = Trainer(default_root_dir=folder, callbacks=[*callbacks, scores, on_exception], **settings)
        data = Twitter2017(shared_twitter_folder, batch_size=batch_size, num_workers=num_workers)
        try:
            trainer.fit(model, data.using(model.preprocessor), ckpt_path=ckpt_path)
        except (StepError, SystemExit):
            return None, scores.found
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # Lightning leaves Ctrl-C switched off
        return model.state_dict(), scores.found

    return run


@pytest.fixture(scope="module")
def uninterrupted(train, tmp_path_factory):
    """Trains without an interruption, once for each setting."""
    known = {}

    def run(**settings):
        key = tuple(sorted(settings.items()))
        if key not in known:
            known[key] = train(tmp_path_factory.mktemp("whole"), **settings)
        return known[key]

    return run


def assert_equal(weights, expected):
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weight, expected[name]) for name, weight in weights.items())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("num_workers", "average", "steps"),
    [(0, 0.9, (1, 5, 6)), (0, 0.0, (2,)), (1, 0.9, (2,))],
)
def test_from_a_checkpoint_of_any_step(train, uninterrupted, tmp_path, num_workers, average, steps):
    settings = {"num_workers": num_workers, "average": average}
    expected, _ = uninterrupted(**settings)
    every = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1, auto_insert_metric_name=False)
    weights, _ = train(tmp_path / "whole", every, **settings)
    assert_equal(weights, expected)
    for step in steps:
        weights, _ = train(tmp_path / "rest", ckpt_path=tmp_path / f"{step}.ckpt", **settings)
        assert_equal(weights, expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_processes(train, uninterrupted, tmp_path):
    settings = {"devices": 2, "strategy": "ddp_fork", "use_distributed_sampler": False}
    expected, _ = uninterrupted(**settings)
    every = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1, auto_insert_metric_name=False)
    train(tmp_path / "whole", every, **settings)
    weights, _ = train(tmp_path / "rest", ckpt_path=tmp_path / "2.ckpt", **settings)
    assert_equal(weights, expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("num_workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_from_a_checkpoint_after_a_validation(train, uninterrupted, tmp_path, num_workers):
    expected, scores = uninterrupted(num_workers=num_workers)
    best = ModelCheckpoint(tmp_path, "{step}", monitor="val/loss", save_top_k=-1, auto_insert_metric_name=False)
    train(tmp_path, best, num_workers=num_workers)
    for step, left in ((5, scores[1:]), (10, [])):
        weights, found = train(tmp_path / "rest", ckpt_path=tmp_path / f"{step}.ckpt", num_workers=num_workers)
        assert_equal(weights, expected)
        assert found == left


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("stage", "step", "interrupt"),
    [
        ("train", 2, fail),
        ("train", 5, fail),
        ("train", 6, fail),
        ("valid", 1, fail),
        ("valid", 4, fail),
        ("train", 5, raise_interrupt),
        ("train", 2, press_control_c),
        ("train", 10, press_control_c),
        ("valid", 1, press_control_c),
    ],
)
def test_after_an_interruption(train, uninterrupted, tmp_path, stage, step, interrupt):
    expected, scores = uninterrupted()
    weights, before = train(tmp_path, interruption=(stage, step, interrupt))
    assert weights is None
    weights, after = train(tmp_path, ckpt_path=tmp_path / "interrupted.ckpt")
    assert_equal(weights, expected)
    assert before + after == scores


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("settings", "interruptions"),
    [
        ({"accumulate_grad_batches": 2}, [("train", 4), ("valid", 1)]),
        ({"val_check_interval": 2}, [("train", 5), ("valid", 2)]),
        ({"limit_train_batches": 3}, [("train", 3)]),
        ({"check_val_every_n_epoch": 2}, [("train", 6), ("valid", 1)]),
        ({"batch_size": 20}, [("train", 2), ("valid", 1)]),
        ({"max_steps": 7}, [("train", 6)]),
    ],
    ids=str,
)
def test_with_other_rhythms(train, uninterrupted, tmp_path, settings, interruptions):
    expected, scores = uninterrupted(**settings)
    for stage, step in interruptions:
        _, before = train(tmp_path, interruption=(stage, step, fail), **settings)
        weights, after = train(tmp_path, ckpt_path=tmp_path / "interrupted.ckpt", **settings)
        assert_equal(weights, expected)
        assert before + after == scores


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("limits", [{}, {"max_steps": 8}], ids=str)
@pytest.mark.parametrize("validation", [{"limit_val_batches": 0}, {"limit_val_batches": 1}], ids=str)
def test_from_the_end_of_an_epoch(train, uninterrupted, tmp_path, limits, validation):
    settings = {**limits, **validation}
    expected, scores = uninterrupted(**settings)
    last = LastCheckpoint(tmp_path)
    _, before = train(tmp_path, last, interruption=("train", 5, stop), **settings)
    for name in ("interrupted", "last"):
        weights, after = train(tmp_path / "rest", ckpt_path=tmp_path / f"{name}.ckpt", **settings)
        assert_equal(weights, expected)
        assert before + after == scores
    path = tmp_path / "interrupted.ckpt"
    train(tmp_path, ckpt_path=path, interruption=("train", 2, fail), **settings)  # in the epoch after it
    weights, after = train(tmp_path / "rest", ckpt_path=path, **settings)
    assert_equal(weights, expected)
    assert before + after == scores


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("settings", [{}, {"max_steps": 50}, {"max_steps": 10, "max_epochs": -1}], ids=str)
def test_a_finished_training_makes_no_further_step(train, uninterrupted, tmp_path, settings):
    expected, _ = uninterrupted(**settings)
    train(tmp_path, LastCheckpoint(tmp_path), **settings)
    weights, scores = train(tmp_path / "rest", ckpt_path=tmp_path / "last.ckpt", **settings)
    assert_equal(weights, expected)
    assert scores == []


@pytest.mark.filterwarnings("ignore")
def test_interrupted_again_before_its_first_step(train, uninterrupted, tmp_path):
    expected, _ = uninterrupted()
    for _ in range(2):
        path = tmp_path / "interrupted.ckpt"
        train(tmp_path, ckpt_path=path if path.exists() else None, interruption=("train", 3 - 2 * path.exists(), fail))
    weights, _ = train(tmp_path, ckpt_path=tmp_path / "interrupted.ckpt")
    assert_equal(weights, expected)


def test_a_second_control_c_stops_at_once(make_model, make_trainer, shared_twitter_folder):
    class Impatient(TextOnly):
        def training_step(self, batch, batch_idx):
            press_control_c()
            self.waited = True
            press_control_c()
            self.waited_twice = True

    model = make_model(Impatient)
    try:
        with pytest.raises(SystemExit):
            make_trainer(max_epochs=1).fit(model, Twitter2017(shared_twitter_folder).using(model.preprocessor))
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert model.waited
    assert not hasattr(model, "waited_twice")


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_on_a_gpu(train, tmp_path, monkeypatch, precision):
    """With deterministic kernels a GPU resumes exactly too."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    settings = {"accelerator": "gpu", "devices": 1, "deterministic": True, "precision": precision}
    expected, scores = train(tmp_path / "whole", **settings)
    for stage, step in (("train", 7), ("valid", 1)):
        _, before = train(tmp_path, interruption=(stage, step, fail), **settings)
        weights, after = train(tmp_path, ckpt_path=tmp_path / "interrupted.ckpt", **settings)
        assert_equal(weights, expected)
        assert before + after == scores
