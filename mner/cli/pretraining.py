"""Pre-training and fine-tuning in one command, in one process."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from pytorch_lightning import Trainer, seed_everything

from mner.cli.messages import is_first_process, say
from mner.data import PostDataModule
from mner.data.unlabelled import read_unlabelled
from mner.errors import ConfigurationError
from mner.files import atomic_write
from mner.paths import is_folder
from mner.pretraining.base import PretrainingModule
from mner.shipped_configs import find_config
from mner.training.module import TrainingModule

ENCODER_FOLDER = "encoder"
"""Subfolder of a run folder to which a pre-training writes its encoder."""
MACHINE_OPTIONS = (
    "accelerator",
    "devices",
    "strategy",
    "precision",
    "enable_progress_bar",
    "enable_model_summary",
    "fast_dev_run",
)
"""Options of the trainer that a pre-training shares with the fine-tuning after it, unless its config has them."""


def add_extra_posts(model: TrainingModule, data: PostDataModule, files: Sequence[str], images: str | None) -> None:
    """Add unlabelled posts to the training posts, of a pre-training or of a model that aligns its views.

    Args:
        model: The model that is trained.
        data: Its data module.
        files: Files of posts, in any format.
        images: Folder of their images, or ``None``.

    Raises:
        ConfigurationError: If the model learns nothing from unlabelled posts, or there are images but no posts.
    """
    if not files and not images:
        return
    if not files or not (isinstance(model, PretrainingModule) or model.preprocessor.text_only_view):
        raise ConfigurationError(
            "extra_posts are unlabelled posts to train on, and extra_images the folder of their images; "
            "give both to a pre-training, or to a model with align_views"
        )
    data.extra_posts = read_unlabelled(files, images)
    reader = model.preprocessor.using(quiet=True)
    if reader.text_only_view and not any(map(reader.has_views, data.extra_posts)):
        raise ConfigurationError(
            "expected extra_posts with contexts or images that the model reads, from which the text-only view learns; "
            f"none of these {len(data.extra_posts)} posts has any"
        )
    data.extra_images = None if images is None else Path(images)
    say(f"{len(data.extra_posts)} more train posts from {', '.join(files)}")


def pretrain(
    options: Namespace, folder: Path, checkpoint: Path | None, command_line: Callable[[list[str], Path], Any]
) -> None:
    """Pre-train the text encoder of a fine-tuning, unless that has been done, and let the fine-tuning start from it.

    The pre-training uses the text encoder of the fine-tuning, the image encoder if both have one, and the same data
    unless its config names others. An interrupted pre-training is resumed. Under ``fast_dev_run`` it is tried, and
    writes no encoder. The random seed is reset.

    Args:
        options: The options of the fine-tuning, changed in place; ``pretraining`` is the config of the pre-training: a
            path, or the name of a shipped one.
        folder: The run folder of the pre-training.
        checkpoint: The checkpoint from which the fine-tuning is resumed, or ``None``.
        command_line: Runs ``mner fit`` from its arguments in a run folder; each process of a distributed training
            calls this function, and all run both trainings together.

    Raises:
        ConfigurationError: If there is no such config, the pre-training leaves no encoder, or a fine-tuning is resumed
            that had no pre-training, since the weights of its checkpoint would replace the encoder.
    """
    encoder = folder / ENCODER_FOLDER
    if not is_folder(encoder):
        if checkpoint is not None:
            raise ConfigurationError(
                f"--pretraining does nothing for a training that is resumed from {checkpoint}; leave it out"
            )
        _run(options, folder, command_line)
    else:
        say(f"pre-training: {encoder} exists already and is used")
    if not options.trainer.fast_dev_run or is_folder(encoder):
        options.model.init_args.text_encoder.init_args.name = str(encoder)
    seed_everything(options.seed_everything, workers=True)


def _run(fine_tuning: Namespace, folder: Path, command_line: Callable[[list[str], Path], Any]) -> None:
    config = str(find_config(fine_tuning.pretraining))
    shared = folder / "shared_with_fine_tuning.yaml"
    options = yaml.safe_dump(_shared(config, fine_tuning))
    is_trial = bool(fine_tuning.trainer.fast_dev_run)
    if is_first_process() and not is_trial:
        with atomic_write(shared) as file:
            file.write(options)
    say(f"pre-training: mner fit --config {config} --config {shared} --run_folder {folder} --resume auto")
    # The options themselves, since other processes may get here before the file is written.
    command_line(["fit", "--config", config, "--config", options, "--resume", "auto"], folder)
    if not is_trial and not is_folder(folder / ENCODER_FOLDER):
        raise ConfigurationError(f"the pre-training in {folder} wrote no encoder; see its output")
    say("fine-tuning")


def _shared(config: str, fine_tuning: Namespace) -> dict[str, Any]:
    own = yaml.safe_load(Path(config).read_text(encoding="utf-8")) or {}
    given = fine_tuning.as_dict()
    model = given["model"]["init_args"]
    parts = {"text_encoder": model["text_encoder"]}
    if "image_encoder" in own.get("model", {}).get("init_args", {}):
        parts |= {"image_encoder": model["image_encoder"]} if model.get("image_encoder") is not None else {}
    shared: dict[str, Any] = {"model": {"init_args": parts}}
    if "data" not in own:
        shared["data"] = given["data"]
    for name in ("seed_everything", "feature_store", "half_precision_features", "held_out", "on_overlap"):
        if name not in own and given.get(name) is not None:
            shared[name] = given[name]
    trainer = own.get("trainer") or {}
    defaults = inspect.signature(Trainer.__init__).parameters
    options = {name: given["trainer"][name] for name in MACHINE_OPTIONS if name not in trainer}
    shared["trainer"] = {name: value for name, value in options.items() if value != defaults[name].default}
    return shared
