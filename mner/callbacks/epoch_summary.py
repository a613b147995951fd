"""One line per epoch, on the screen and in a log file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from mner.callbacks.best_checkpoint import BestCheckpoint
from mner.output_paths import output_errors


class EpochSummary(Callback):
    """Prints the model size and losses and metrics after each validation or epoch.

    ``(best)`` marks a line whose weights are the new ``best.ckpt``.

    Args:
        file: A file to which the lines are appended, or ``None``.
    """

    def __init__(self, file: str | Path | None = None) -> None:
        self.file = None if file is None else Path(file)
        self._sum: Tensor | None = None
        self._count = 0
        self._printed_step = -1
        self._best: dict[str, float] = {}
        self._start = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the size of the model, and forget the losses of a training that did not reach its end."""
        self._sum, self._count, self._printed_step = None, 0, -1
        counts = [(each.numel(), each.requires_grad) for each in pl_module.parameters()]
        total, trained = (sum(count for count, used in counts if used or not only) for only in (False, True))
        self._start = time.monotonic()
        self._line(trainer, f"{type(pl_module).__name__}: {_short(total)} parameters, {_short(trained)} trained")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Accumulate the losses on the device."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor):
            # Lightning divides the loss by the number of accumulated batches.
            value = loss.detach().float() * trainer.accumulate_grad_batches
            self._sum = value if self._sum is None else self._sum + value
            self._count += 1

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print, if the validation is part of training."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._summarise(trainer, pl_module, validated=True)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print, if nothing was validated."""
        if trainer.global_step != self._printed_step and self._count:
            self._summarise(trainer, pl_module, validated=False)

    def state_dict(self) -> dict[str, Any]:
        """Save the best value so far, by the metric that selects it."""
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the best value of the checkpoint, if the metric is the same."""
        self._best = state_dict["best"]

    def _summarise(self, trainer: Trainer, model: LightningModule, validated: bool) -> None:
        shown = getattr(model, "monitor", ("val/loss", "min"))
        best = next((each for each in trainer.checkpoint_callbacks if isinstance(each, BestCheckpoint)), None)
        name, mode = shown if best is None else (best.monitor, best.mode)
        values = {} if self._sum is None else {"train/loss": float(self._sum) / self._count}
        self._sum, self._count, self._printed_step = None, 0, trainer.global_step
        metrics = trainer.callback_metrics
        for each in dict.fromkeys(("val/loss", shown[0], name)):
            if each in metrics and (validated or not each.startswith("val/")):  # those of another step are kept
                values[each] = float(metrics[each])
        end = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
        line = f"epoch {trainer.current_epoch + 1}{end}, step {trainer.global_step}: "
        line += ", ".join(f"{each} {value:.4f}" for each, value in values.items())
        if best is not None and name in values:
            value, former = values[name], self._best.get(name)
            if former is None or (value < former if mode == "min" else value > former):
                self._best = {name: value}
                line += " (best)"
        self._line(trainer, f"{line}, {_clock(time.monotonic() - self._start)}")

    def _line(self, trainer: Trainer, line: str) -> None:
        if not trainer.is_global_zero:
            return
        trainer.print(line)
        if self.file is not None and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            with output_errors(self.file, always=True):
                self.file.parent.mkdir(parents=True, exist_ok=True)
                with self.file.open("a", encoding="utf-8") as log:
                    log.write(f"{line}\n")


def _short(count: int) -> str:
    return f"{count / 1e6:.1f} million" if count >= 1e5 else f"{count:,}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
