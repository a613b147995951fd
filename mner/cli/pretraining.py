"""Pre-training and fine-tuning in one command, in one process."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from pytorch_lightning import Trainer

from mner.cli.messages import is_first_process, say
from mner.errors import ConfigurationError
from mner.files import atomic_write

ENCODER_FOLDER = "encoder"
"""Where a pre-training leaves its encoder, inside its run folder."""
MACHINE_OPTIONS = ("accelerator", "devices", "strategy", "precision", "enable_progress_bar", "enable_model_summary")
"""Options of the trainer that a pre-training shares with the fine-tuning after it, unless its config has them."""


def pretrained_encoder(
    config: str, fine_tuning: Namespace, folder: Path, command_line: Callable[[list[str], Path], Any]
) -> Path:
    """Pre-train the text encoder of a fine-tuning, unless that is done.

    The pre-training takes the text encoder of the fine-tuning, the image encoder if both have one, and the data if its
    config names no others. One that was interrupted is resumed.

    Args:
        config: The config of the pre-training.
        fine_tuning: The options of the fine-tuning.
        folder: The run folder of the pre-training.
        command_line: Runs ``mner fit`` from its arguments in a run folder; each process of a distributed training
            comes here, and all run both trainings together.

    Returns:
        The folder of the encoder.

    Raises:
        ConfigurationError: If there is no such config, or the pre-training leaves no encoder.
    """
    encoder = folder / ENCODER_FOLDER
    if not Path(config).is_file():
        raise ConfigurationError(f"no config of a pre-training at {config}; correct --pretraining")
    if encoder.is_dir():
        say(f"pre-training: {encoder} exists already and is used")
        return encoder
    shared = folder / "shared_with_fine_tuning.yaml"
    options = yaml.safe_dump(_shared(config, fine_tuning))
    if is_first_process():
        with atomic_write(shared) as file:
            file.write(options)
    say(f"pre-training: mner fit --config {config} --config {shared} --run_folder {folder} --resume auto")
    # The options themselves, since other processes may come here before the file is written.
    command_line(["fit", "--config", config, "--config", options, "--resume", "auto"], folder)
    if not encoder.is_dir():
        raise ConfigurationError(f"the pre-training in {folder} left no encoder; see what it printed")
    say("fine-tuning")
    return encoder


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
