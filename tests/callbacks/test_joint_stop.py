"""SIGTERM or Ctrl-C to one of several processes stops them all after the same step, with a checkpoint."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from pytorch_lightning.utilities.exceptions import SIGTERMException

from mner.callbacks import JointStop

STOPPED = '''
import os, signal
from mner.fusion import TextOnly

class Stopped(TextOnly):
    """Is told to stop in the middle of its second step, in the second of two processes."""

    def training_step(self, batch, batch_idx):
        if self.global_step == 1 and self.global_rank == 1:
            signal.raise_signal(signal.SIGTERM)
        return super().training_step(batch, batch_idx)
'''


@pytest.mark.slow
def test_two_processes_save_a_checkpoint_and_stop(experiment, tmp_path):
    (tmp_path / "stopped.py").write_text(STOPPED, encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "mner"]
    options = ["--model", "stopped.Stopped", "--trainer.devices", "2", "--run_folder", str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    done = subprocess.run([*launch, "fit", "--config", str(experiment), *options], env=environment, timeout=300)
    assert done.returncode != 0
    assert (tmp_path / "run" / "interrupted.ckpt").exists()


@pytest.fixture
def trainer():
    """One of two processes; ``asked`` is whether the other one was asked to stop."""

    def any_of_two(decision, all):
        assert not all
        return decision or made.asked

    made = SimpleNamespace(world_size=2, asked=False, strategy=SimpleNamespace(reduce_boolean_decision=any_of_two))
    return made


@pytest.mark.parametrize("is_asked", [True, False])
def test_whichever_process_is_asked(trainer, is_asked):
    callback, before = JointStop(), signal.getsignal(signal.SIGTERM)
    callback.on_train_start(trainer, None)
    callback.on_train_batch_start(trainer, None, None, 0)
    if is_asked:
        signal.raise_signal(signal.SIGTERM)
    else:
        trainer.asked = True
    with pytest.raises(SIGTERMException):
        callback.on_train_batch_start(trainer, None, None, 1)
    callback.on_exception(trainer, None, None)
    assert signal.getsignal(signal.SIGTERM) == before


def test_after_the_last_batch(trainer):
    callback, before = JointStop(), signal.getsignal(signal.SIGTERM)
    callback.on_train_start(trainer, None)
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(SIGTERMException):
        callback.on_train_end(trainer, None)
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_first_control_c_waits_for_the_batch(trainer):
    callback = JointStop()
    callback.on_train_start(trainer, None)
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        callback.on_train_batch_start(trainer, None, None, 1)
    callback.on_exception(trainer, None)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_one_process_keeps_its_handler(trainer):
    trainer.world_size = 1
    before = signal.getsignal(signal.SIGTERM)
    JointStop().on_train_start(trainer, None)
    assert signal.getsignal(signal.SIGTERM) == before
