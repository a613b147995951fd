"""Pre-training on the command line: in a row with a fine-tuning, and what a validation prints of it."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import yaml
from filelock import FileLock
from jsonargparse import Namespace
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_only

from mner.errors import ConfigurationError
from mner.files import atomic_write

ENCODER_FOLDER = "encoder"
"""Where a pre-training leaves its encoder, inside its run folder."""
MACHINE_OPTIONS = ("accelerator", "devices", "strategy", "precision", "enable_progress_bar", "enable_model_summary")
"""Options of the trainer that a pre-training shares with the fine-tuning behind it, unless its config has them."""
PROCESS_VARIABLES = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "MNER_RUN_FOLDER")


class PrintedMetrics(Callback):
    """Prints what a validation of a pre-training found, unless it is part of a training."""

    @rank_zero_only
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One line a value."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            ablation = getattr(getattr(trainer, "datamodule", None), "ablation", None)
            for name, value in sorted(trainer.callback_metrics.items()):
                print(f"{name}: {float(value):.4f}{f' ({ablation})' if ablation else ''}")


def pretrained_encoder(config: str, fine_tuning: Namespace, folder: Path) -> Path:
    """Pre-train the text encoder of a fine-tuning, unless that is done.

    The pre-training is an ``mner fit`` of its own. It takes the text encoder of the fine-tuning, the image encoder, if
    both have one, and the data, if its config names no others.

    Args:
        config: The config of the pre-training.
        fine_tuning: The options of the fine-tuning.
        folder: The run folder of the pre-training. One that was interrupted goes on.

    Returns:
        The folder of the encoder.

    Raises:
        ConfigurationError: If there is no such config, or the pre-training fails.
        KeyboardInterrupt: If this process was told to stop, by Ctrl-C or by SIGTERM; the pre-training has saved itself.
    """
    encoder = folder / ENCODER_FOLDER
    if not Path(config).is_file():
        raise ConfigurationError(f"no config of a pre-training at {config}; correct --pretraining")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "pretraining.lock"):  # of several processes one trains, the others wait for its encoder
        if encoder.is_dir():
            print(f"pre-training: {encoder} is there already and is used")
            return encoder
        shared = folder / "shared_with_fine_tuning.yaml"
        with atomic_write(shared) as file:
            file.write(yaml.safe_dump(_shared(config, fine_tuning)))
        command = [sys.executable, "-m", "mner", "fit", "--config", config, "--config", str(shared)]
        command += ["--run_folder", str(folder)]
        checkpoints = [folder / name for name in ("last.ckpt", "interrupted.ckpt") if (folder / name).is_file()]
        if checkpoints:
            command += ["--ckpt_path", str(max(checkpoints, key=lambda path: path.stat().st_mtime))]
        environment = {name: value for name, value in os.environ.items() if name not in PROCESS_VARIABLES}
        print(f"pre-training: {' '.join(command[2:])}", flush=True)
        status = _run(command, environment)
    if not encoder.is_dir():
        raise ConfigurationError(f"the pre-training in {folder} left no encoder (status {status}); see what it said")
    return encoder


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run a command to its end; what tells this process to stop is handed on to it, and it has time to save its state.

    Returns:
        Its exit status.

    Raises:
        KeyboardInterrupt: If this process was told to stop, once the command has ended.
    """
    # In a session of its own it gets each signal once, from here, though Ctrl-C goes to all processes of a terminal.
    child = subprocess.Popen(command, env=environment, start_new_session=True)

    def stop(number: int, _: FrameType | None) -> NoReturn:
        child.send_signal(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return child.wait()
    except KeyboardInterrupt:
        child.wait()
        print("pre-training: stopped; the same command goes on with it", flush=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _shared(config: str, fine_tuning: Namespace) -> dict[str, Any]:
    own = yaml.safe_load(Path(config).read_text(encoding="utf-8")) or {}
    given = fine_tuning.as_dict()
    model = given["model"]["init_args"]
    parts = {"text_encoder": model["text_encoder"]}
    if "image_encoder" in own.get("model", {}).get("init_args", {}):
        names = ("image_encoder", "feature_cache")
        parts |= {name: model[name] for name in names if model.get(name) is not None}
    shared: dict[str, Any] = {"model": {"init_args": parts}}
    if "data" not in own:
        shared["data"] = given["data"]
    if "seed_everything" not in own:
        shared["seed_everything"] = given["seed_everything"]
    trainer = own.get("trainer") or {}
    defaults = inspect.signature(Trainer.__init__).parameters
    options = {name: given["trainer"][name] for name in MACHINE_OPTIONS if name not in trainer}
    shared["trainer"] = {name: value for name, value in options.items() if value != defaults[name].default}
    return shared
