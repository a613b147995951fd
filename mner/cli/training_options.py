"""The options of ``mner fit``, ``validate``, ``test`` and ``predict``."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace
from lightning_fabric.plugins.environments.lsf import LSFEnvironment
from lightning_fabric.plugins.environments.mpi import MPIEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser

from mner import data, decoders, demo, fusion, pretraining, text, vision  # noqa: F401  (their classes are the choices)
from mner.argument_types import MAX_SEED
from mner.callbacks import BestCheckpoint
from mner.callbacks.best_checkpoint import mode_of
from mner.cli.parsing import OptionParser, accept_unused
from mner.data import PostDataModule
from mner.data.ablations import Ablation
from mner.data.overlap import OnOverlap
from mner.decoders.chain_decoder import Constraints
from mner.devices import device_of
from mner.errors import ConfigurationError
from mner.training.module import TrainingModule

TRAINER_DEFAULTS = {
    "max_epochs": 20,
    "log_every_n_steps": 10,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,  # length-grouped batches are shared among processes by their own sampler
    "enable_model_summary": False,  # mner.callbacks.EpochSummary prints it
}
AUTO = "auto"
"""The metric of the model."""
MINIMA = {
    "min_epochs": 0,
    "min_steps": 0,
    "check_val_every_n_epoch": 1,
    "accumulate_grad_batches": 1,
    "log_every_n_steps": 0,
    "num_sanity_val_steps": -1,
}
"""Minima that Lightning does not check: it ignores smaller numbers or divides by them."""
LAUNCHERS = (TorchElasticEnvironment, SLURMEnvironment, LSFEnvironment, MPIEnvironment)
LIMITS = {"fit": "train", "validate": "val", "test": "test", "predict": "predict"}
"""The batches that a command is for, as the trainer's options name them."""


class TrainingOptionParser(OptionParser, LightningArgumentParser):
    """The parser of Lightning's command line, with the messages of the other commands."""


_NAMED = "which refer to --run_folder or else to the latest folder in runs/."
SCORED_HELP = f"The checkpoint: a path, a model folder, or best, last or hpc, {_NAMED}"
CHECKPOINT_HELP = {
    "fit": f"A checkpoint to resume: a path, or last or hpc, {_NAMED}",
    "predict": f"{SCORED_HELP} Only one; mner tag averages the probabilities of several.",
}


@dataclass(frozen=True)
class EarlyStoppingOptions:
    """When training stops before its last epoch: arguments of Lightning's ``EarlyStopping``.

    Args:
        monitor: The metric; by default that of the checkpoint.
        mode: Whether the metric is minimised (``min``) or maximised (``max``); by default inferred from its name.
        patience: Number of validations without improvement after which training stops; null never stops it.
        min_delta: Minimum change that counts as an improvement.
        stopping_threshold: Training stops immediately once the metric reaches this value.
        divergence_threshold: Training stops immediately if the metric is worse than this value.
        strict: Raise an error if the metric is not logged by a validation.
        verbose: Report each improvement.
    """

    monitor: str | None = None
    mode: Literal["min", "max"] | None = None
    patience: int | None = 20
    min_delta: float = 0.0
    stopping_threshold: float | None = None
    divergence_threshold: float | None = None
    strict: bool = True
    verbose: bool = False


def add_options(parser: LightningArgumentParser, command: str) -> None:
    """Declare trainer, model and data; scoring needs no model, since the checkpoint has it."""
    parser.add_argument(
        "--run_folder",
        type=str | None,
        default=None,
        help="Folder of checkpoints, logs, config and results (default: runs/0, runs/1, ..., or that of the training "
        "that is resumed)."
        if command == "fit"
        else f"Folder of the results (default: the folder {command} next to the checkpoint).",
    )
    parser.add_argument("--ckpt_path", type=str | None, default=None, help=CHECKPOINT_HELP.get(command, SCORED_HELP))
    if command != "fit":
        parser.add_argument(
            "--region_file",
            type=str | None,
            default=None,
            help="The file of a model with PrecomputedRegions, or the boxes of DetectedCrops; a checkpoint names none.",
        )
        parser.add_argument(
            "--label_map",
            type=dict[str, str | None],
            default={},
            help="The model's type for each type of the data that it does not have, for example '{OTHER: MISC}'; null "
            "drops the entities of a type.",
        )
    if command != "predict":
        parser.add_argument(
            "--ablations",
            type=list[Ablation],
            default=[],
            help="Also score the model with ablated images or captions, for example [shuffled_images]; each ablation "
            "writes its own predictions and metrics.",
        )
    parser.add_argument(
        "--feature_store",
        type=str | None,
        default=None,
        help="File in which the features of a frozen image encoder are stored: computed once per image, then read.",
    )
    parser.add_argument(
        "--half_precision_features", type=bool, default=False, help="Store the image features in half precision."
    )
    parser.add_lightning_class_args(Trainer, "trainer")
    parser.set_defaults({f"trainer.{name}": value for name, value in TRAINER_DEFAULTS.items()})
    parser.add_lightning_class_args(PostDataModule, "data", subclass_mode=True)
    if command == "fit":
        _add_training_options(parser)
    else:
        parser.add_argument(
            "--constraints",
            type=Constraints | None,
            default=None,
            help="Where the decoder rules out transitions that the tagging scheme forbids (default: as trained).",
        )
        parser.add_argument(
            "--on_bad_image",
            type=Literal["mask", "error"] | None,
            default=None,
            help="For an image that cannot be used: mask leaves it out; error stops (default: as trained).",
        )
        accept_unused(parser, "model", "checkpoint", "early_stopping", "pretraining", "resume")
        accept_unused(parser, "extra_posts", "extra_images", "held_out", "on_overlap")
    if command == "predict":
        parser.add_argument(
            "--threshold", type=float, default=0.0, help="Leave out entities with a lower confidence, 0 to 1."
        )
        accept_unused(parser, "ablations")


def _add_training_options(parser: LightningArgumentParser) -> None:
    parser.add_argument(
        "--resume",
        type=Literal["never", "auto"],
        default="never",
        help="With auto, resume the training in RUN_FOLDER if there is one, and start it otherwise, so that a requeued "
        "job can repeat its command.",
    )
    parser.add_argument(
        "--pretraining",
        type=str | None,
        default=None,
        help="Config of a pre-training, by path or by name, run first in RUN_FOLDER/pretraining, on the same data "
        "unless it names others; the model's text encoder then starts from the pre-trained one.",
    )
    parser.add_argument(
        "--held_out",
        type=list[str],
        default=[],
        help="Data sets on which the model will be tested, files of posts or folders, of which the validation and test "
        "splits count, for example [twitter2015/test.txt, twitter2017]: training on one of their posts is an error.",
    )
    parser.add_argument(
        "--on_overlap",
        type=OnOverlap,
        default="error",
        help="What happens if training posts are held out: drop leaves them out of the training, keep trains on them.",
    )
    parser.add_lightning_class_args(TrainingModule, "model", subclass_mode=True)
    for name in ("labels", "contexts", "word_tokenizer"):
        parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")
    parser.add_argument(
        "--extra_posts",
        type=list[str],
        default=[],
        help="Files of further, unlabelled posts to pre-train on, or to align the views of a model with align_views; "
        "in any format, or one raw text per line.",
    )
    parser.add_argument(
        "--extra_images", type=str | None, default=None, help="Folder of the images of the extra posts."
    )
    parser.add_class_arguments(BestCheckpoint, "checkpoint", fail_untyped=False)
    parser.set_defaults({"checkpoint.monitor": AUTO, "checkpoint.save_last": True})
    parser.add_argument(
        "--early_stopping",
        type=EarlyStoppingOptions | Literal[False] | None,
        default=EarlyStoppingOptions(),
        help="When training stops early; null or false disables it.",
    )


def check_ranges(options: Namespace, command: str) -> None:
    """Check numbers that Lightning does not, and what it would refuse because of the defaults of the command.

    Args:
        options: The command's options.
        command: The command.

    Raises:
        ConfigurationError: If one is out of range, or leaves the command nothing to do; names the option.
    """
    trainer, seed = options.trainer, options.seed_everything
    if not isinstance(seed, bool) and not 0 <= (seed or 0) <= MAX_SEED:
        raise ConfigurationError(f"expected --seed_everything from 0 to {MAX_SEED:,}, got {seed}")
    numbers = {f"trainer.{name}": (trainer[name], minimum) for name, minimum in MINIMA.items()}
    stopping = options.get("early_stopping")  # a mapping where a checkpoint or a config of a run has it
    if stopping:
        numbers["early_stopping.patience"] = stopping.get("patience"), 0
    for name, (value, minimum) in numbers.items():
        if value is not None and value < minimum:
            raise ConfigurationError(f"expected --{name} of at least {minimum}, got {value}")
    if trainer.val_check_interval == 0:
        raise ConfigurationError(
            "expected --trainer.val_check_interval above 0, got 0; --trainer.limit_val_batches 0 disables validation"
        )
    if command == "fit" and re.search("_(spawn|fork|notebook)", str(trainer.strategy)):
        raise ConfigurationError(
            f"--trainer.strategy {trainer.strategy} trains in processes that do not report their results; use ddp"
        )
    _check_useless(options)
    _check_processes(trainer)
    if trainer.barebones:
        raise ConfigurationError(f"--trainer.barebones forbids the logs that mner {command} writes; leave it out")
    lengths = ("max_epochs", "max_steps") if command == "fit" else ()
    for name in (*lengths, f"limit_{LIMITS[command]}_batches"):
        if trainer[name] == 0:
            raise ConfigurationError(f"--trainer.{name} 0 leaves nothing to do for mner {command}; raise it")


def _check_useless(options: Namespace) -> None:
    """Reject options that do nothing without another one."""
    stopping = options.get("early_stopping")
    has_patience = not stopping or stopping.get("patience") is not None
    useless = (
        ("half_precision_features", options.half_precision_features and not options.feature_store, "--feature_store"),
        (
            "on_overlap",
            options.get("on_overlap", "error") not in (None, "error") and not options.get("held_out"),
            "--held_out",
        ),
        *(
            (f"early_stopping.{name}", not has_patience and stopping.get(name) is not None, "a patience")
            for name in ("stopping_threshold", "divergence_threshold")
        ),
        *(
            (f"checkpoint.{name}", options.trainer.enable_checkpointing is False, "--trainer.enable_checkpointing")
            for name in _chosen_checkpoints(options.get("checkpoint"))
        ),
    )
    for name, is_useless, needed in useless:
        if is_useless:
            raise ConfigurationError(f"--{name} does nothing without {needed}; add it, or leave --{name} out")


def _chosen_checkpoints(given: Namespace | Mapping[str, Any] | None) -> list[str]:
    """Name the options of checkpoints that are not the default, without those that early stopping follows.

    Scoring ignores them: from the config of a training they come as they were written.
    """
    defaults = inspect.signature(ModelCheckpoint).parameters | inspect.signature(BestCheckpoint).parameters
    options = given.as_dict() if isinstance(given, Namespace) else {}
    followed = {"monitor", "mode", "save_last"}
    return sorted(name for name in options if name not in followed and options[name] != defaults[name].default)


def _check_processes(trainer: Namespace) -> None:
    """Check that there are processors and nodes for the processes that Lightning would start or wait for."""
    if trainer.plugins or any(environment.detect() for environment in LAUNCHERS):
        return
    if (trainer.num_nodes or 1) > 1 and "MASTER_ADDR" not in os.environ:
        raise ConfigurationError(
            f"--trainer.num_nodes {trainer.num_nodes} needs a launcher on every node, such as torchrun or srun; "
            "without one, the first node would wait for the others forever"
        )
    is_cpu = trainer.accelerator in ("auto", "cpu") and device_of(trainer.accelerator).type == "cpu"
    processors = max(os.cpu_count() or 1, 2)
    if is_cpu and str(trainer.devices).isdecimal() and int(trainer.devices) > processors:
        raise ConfigurationError(
            f"--trainer.devices {trainer.devices}: on the CPU these are processes, at most {processors} on this machine"
        )


def place_options(options: Namespace, command: str, folder: Path) -> tuple[bool, bool]:
    """Direct all output to the run folder, and choose what is monitored.

    Args:
        options: The command's options; changed in place, so that the recorded config names no folder.
        command: The command.
        folder: The run folder.

    Returns:
        Whether the run has loggers of its own, and whether it writes ``last.ckpt``.
    """
    options.trainer.default_root_dir = options.trainer.default_root_dir or str(folder)
    own_loggers = options.trainer.logger is None
    if own_loggers:  # those of a training are attached when it starts
        options.trainer.logger = False
    if command != "fit":
        return own_loggers, False
    resolve_monitors(options)
    options.checkpoint.dirpath = options.checkpoint.dirpath or str(folder)
    keeps_last, options.checkpoint.save_last = bool(options.checkpoint.save_last), None  # a callback of its own
    return own_loggers, keeps_last


def resolve_monitors(config: Namespace) -> None:
    """Monitor the model's own metric unless the config names another; early stopping follows the checkpoint.

    Args:
        config: Options of ``mner fit``, changed in place.
    """
    module, _, name = config.model.class_path.rpartition(".")
    monitor, mode = getattr(import_module(module), name).monitor

    def direction(metric: str | None) -> str:
        return str(mode) if metric == monitor else mode_of(metric or "")

    checkpoint, stopping = config.checkpoint, config.early_stopping
    if checkpoint.monitor == AUTO:
        checkpoint.monitor = monitor
    checkpoint.mode = checkpoint.mode or direction(checkpoint.monitor)
    if stopping:
        stopping.monitor = stopping.monitor or checkpoint.monitor or monitor
        stopping.mode = stopping.mode or direction(stopping.monitor)
