"""Exact resumption: resumed training ends with the weights of uninterrupted training."""

from __future__ import annotations

import signal
import threading
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from mner.callbacks.gathering import gathered

RandomState = dict[str, Tensor]


class ExactResumption(Callback):
    """Makes resumed training end with the weights of uninterrupted training, bit for bit on a CPU.

    Lightning's checkpoints contain weights, optimizer, schedule and progress; :class:`mner.data.loader.PostLoader`
    derives its position in the data from the progress. This callback adds:

    * The random state of dropout before the first unfinished optimizer step, of each process. An exception in the
      middle of a step leaves a later state, yet the whole step is repeated.
    * An interrupted validation is repeated from its first batch, since its counts are lost.
    * With ``max_steps``, a training that ended with an epoch is resumed with the next one; Lightning would count an
      epoch without a batch, so that the data came in another order and ``max_epochs`` was reached an epoch early.
    * The first Ctrl-C waits for the current batch, since half an optimizer step cannot be undone; a second does not.
      That of several processes is handled by :class:`JointStop`.
    """

    def __init__(self) -> None:
        self._restored: RandomState | None = None
        self._step_start: RandomState = {}
        self._validation_open = False
        self._stop_asked = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Install the handler of Ctrl-C."""
        self._stop_asked = False
        main = threading.current_thread() is threading.main_thread()
        if main and trainer.world_size == 1 and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._ask_to_stop)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Restore the random state of the interrupted run, and record where an optimizer step begins."""
        self._stop_if_asked()
        epochs = trainer.fit_loop.epoch_progress
        for counts in (epochs.total, epochs.current):  # which lag behind after some resumptions
            counts.ready = counts.started = counts.processed + 1  # type: ignore[attr-defined]
        if self._restored is not None:
            _set_random_state(self._restored, pl_module.device)
            self._restored = None
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._step_start = _random_state(pl_module.device)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Mark the validation as unfinished in checkpoints from here on."""
        self._validation_open = not trainer.sanity_checking

    def on_validation_batch_start(self, *_: Any) -> None:
        """Stop if Ctrl-C was pressed."""
        self._stop_if_asked()

    def on_validation_end(self, *_: Any) -> None:
        """Mark the validation as finished."""
        self._validation_open = False

    def on_train_end(self, *_: Any) -> None:
        """Give Ctrl-C back."""
        self._give_back()
        self._stop_if_asked()

    def on_exception(self, *_: Any) -> None:
        """Give Ctrl-C back."""
        self._give_back()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the random states, and set the progress back to the beginning of the unfinished step or validation."""
        loops = checkpoint["loops"]["fit_loop"]
        batches = loops["epoch_loop.batch_progress"]
        done = batches["current"]["processed"]
        excess = done % trainer.accumulate_grad_batches
        unfinished = batches["current"]["started"] > done or (excess > 0 and not batches["is_last_batch"])
        if unfinished:
            batches["is_last_batch"] = False
            if excess:
                for counts in (batches["total"], batches["current"]):
                    counts.update(dict.fromkeys(counts, counts["processed"] - excess))
        if self._validation_open:
            validation = loops["epoch_loop.val_loop.batch_progress"]
            validation["current"] = dict.fromkeys(validation["current"], 0)
            # From these counts Lightning recognises an interrupted validation.
            validation["total"] = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
        now = self._step_start if unfinished else _random_state(pl_module.device)
        checkpoint["random_states"] = gathered([self._restored or now])

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Store the random state until the first step."""
        states = checkpoint.get("random_states")
        self._restored = states[trainer.global_rank % len(states)] if states else None
        if trainer.max_steps != -1 and "loops" in checkpoint:
            _end_epoch(checkpoint["loops"]["fit_loop"])

    def _ask_to_stop(self, *_: Any) -> None:
        self._stop_asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def _stop_if_asked(self) -> None:
        if self._stop_asked:
            self._stop_asked = False
            raise KeyboardInterrupt

    def _give_back(self) -> None:
        if signal.getsignal(signal.SIGINT) == self._ask_to_stop:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_epoch(loops: dict[str, Any]) -> None:
    """Describe an epoch that is over as it was after its last batch: Lightning then continues with the next one."""
    epochs, batches = loops["epoch_progress"], loops["epoch_loop.batch_progress"]
    if epochs["current"]["processed"] < epochs["current"]["started"] or not batches["is_last_batch"]:
        return
    for counts in (epochs["total"], epochs["current"]):
        counts["processed"] = counts["completed"] = counts["started"] - 1
    for counts in (batches["total"], batches["current"]):
        counts["completed"] = counts["processed"] - 1
    loops["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1  # Lightning adds the last one


def _random_state(device: torch.device) -> RandomState:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_random_state(state: RandomState, device: torch.device) -> None:
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
