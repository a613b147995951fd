"""On a GPU a training step never makes the host wait, every precision trains, and the weights are those of a CPU."""

import os
import subprocess
import sys

import pytest
import torch
from pytorch_lightning import Callback

import mner
from mner.data import Twitter2017
from mner.fusion import CoAttention, TextOnly
from mner.testing import TinyGrid

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore")]
WARM_UP = 2  # steps in which kernels are chosen and the optimizer makes its state


class NoWaiting(Callback):
    """Makes it an error that a step, from its batch on the device to the changed weights, waits for the device.

    The text encoder is that of transformers, which looks once per batch whether there is padding.
    """

    def __init__(self, encoder):
        self.steps = 0
        encoder.register_forward_pre_hook(lambda *_: torch.cuda.set_sync_debug_mode("default"))
        encoder.register_forward_hook(lambda *_: self.watch(encoder.training))

    def watch(self, training=True):
        torch.cuda.set_sync_debug_mode("error" if training and self.steps >= WARM_UP else "default")

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.watch()

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        self.steps += 1

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        torch.cuda.set_sync_debug_mode("default")

    def on_exception(self, trainer, pl_module, exception):
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true"])
@pytest.mark.parametrize(("fusion", "arguments"), [(TextOnly, {}), (CoAttention, {"image_encoder": TinyGrid()})])
def test_a_step_of_the_trainer_never_waits(
    fusion, arguments, precision, make_model, make_trainer, shared_twitter_folder
):
    model = make_model(fusion, characters=mner.text.CharacterCNN(), ema_decay=0.9, max_grad_norm=0.1, **arguments)
    data = Twitter2017(shared_twitter_folder, batch_size=4).using(model.preprocessor)
    watch = NoWaiting(model.text_encoder.model)
    make_trainer(accelerator="gpu", devices=1, max_epochs=2, precision=precision, callbacks=[watch]).fit(model, data)
    assert watch.steps >= 10


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true"])
def test_every_precision_trains(precision, make_model, make_trainer, shared_twitter_folder):
    model = make_model(CoAttention, image_encoder=TinyGrid(), lr=1e-3)
    data = Twitter2017(shared_twitter_folder, batch_size=4).using(model.preprocessor)
    trainer = make_trainer(accelerator="gpu", devices=1, precision=precision)
    (before,) = trainer.validate(model, data, verbose=False)
    trainer = make_trainer(accelerator="gpu", devices=1, precision=precision, max_epochs=4)
    trainer.fit(model, data)
    assert trainer.callback_metrics["val/loss"] < 0.9 * before["val/loss"]


def test_a_gpu_learns_what_a_cpu_does(make_model, make_trainer, shared_twitter_folder):
    weights = {}
    for accelerator in ("cpu", "gpu"):
        model = make_model(lr=1e-2, ema_decay=0.9, max_grad_norm=0.05, optimizer="SGD")
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        data = Twitter2017(shared_twitter_folder, batch_size=4).using(model.preprocessor)
        make_trainer(accelerator=accelerator, devices=1, max_epochs=2).fit(model, data)
        weights[accelerator] = {name: weight.cpu() for name, weight in model.state_dict().items()}
    torch.testing.assert_close(weights["gpu"], weights["cpu"], rtol=1e-3, atol=1e-4)


def test_a_gpu_named_by_its_uuid_trains(tiny_text_encoder_folder, shared_twitter_folder, tmp_path):
    uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
    options = f"--data.init_args.root {shared_twitter_folder} --trainer.max_epochs 1 --trainer.accelerator gpu"
    options += f" --model.init_args.text_encoder.init_args.name {tiny_text_encoder_folder}"
    command = [sys.executable, "-m", "mner", "fit", "--config=1.0_bert_crf", "--data=Twitter2017", *options.split()]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": uuid}
    subprocess.run([*command, "--run_folder", tmp_path / "run"], check=True, env=environment)
    assert (tmp_path / "run" / "best.ckpt").exists()
