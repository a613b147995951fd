"""``mner fit``, ``validate``, ``test`` and ``predict``: Lightning's command line with a run folder."""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import warnings
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from pytorch_lightning.utilities import rank_zero_only

import mner.data
import mner.decoders
import mner.demo
import mner.fusion
import mner.pretraining
import mner.text
import mner.vision  # noqa: F401  (the classes of all these are the choices)
from mner.checkpoints import load_checkpoint
from mner.cli.interruption import InterruptionCheckpoint
from mner.cli.parsing import OptionParser, accept_unused
from mner.cli.pretraining import ENCODER_FOLDER, PrintedMetrics, pretrained_encoder
from mner.components import import_class
from mner.data.ablations import Ablation
from mner.data.datamodule import PostDataModule
from mner.errors import CheckpointError, ConfigurationError, DatasetNotFoundError
from mner.fusion.base import FusionModule
from mner.inference.load import load_model
from mner.inference.results import ResultsWriter
from mner.plugins import load_plugins
from mner.posts import Post
from mner.pretraining.base import PretrainingModule
from mner.training.module import TrainingModule
from mner.vision import PrecomputedRegions

RUN_FOLDER_VARIABLE = "MNER_RUN_FOLDER"
MONITOR = FusionModule.monitor  # the default; where it stands, a model of another kind sets its own
# Said at every start, and nothing a user of the command line can act on.
SILENCED_MESSAGES = ("💡 Tip", "Loading `train_dataloader`")
SILENCED_WARNINGS = (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    ".*exists and is not empty.*",
    ".*Couldn't infer the batch indices.*",
    ".*args parameter is intended to run from within Python.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*You have overridden `on_before_batch_transfer` in.*",
    ".*in eval mode at the start of training.*",  # a frozen image encoder, which is to be so
)


def run(arguments: Sequence[str], command_line: type[TrainingCommandLine] | None = None) -> None:
    """Run one of the four commands, or one that ``command_line`` makes of them."""
    load_plugins()
    logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(_is_of_use)
    for message in SILENCED_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    usual = warnings.formatwarning
    warnings.formatwarning = _in_one_line
    try:
        (command_line or TrainingCommandLine)(list(arguments))
    finally:
        warnings.formatwarning = usual
        os.environ.pop(RUN_FOLDER_VARIABLE, None)


def _in_one_line(message: Warning | str, category: type[Warning], filename: str, *_: Any, **__: Any) -> str:
    """A warning of mner without the line of source that gave it, which tells a user of the command line nothing."""
    own = Path(filename).is_relative_to(Path(__file__).parent.parent)
    return f"warning: {message}\n" if own else f"{filename}: {category.__name__}: {message}\n"


class TrainingCommandLine(LightningCLI):
    """Assembles model, data and trainer from configs and options, and keeps everything of a run in one folder.

    Args:
        arguments: Command and options.
    """

    def __init__(self, arguments: list[str]) -> None:
        self.command = arguments[0]
        super().__init__(
            TrainingModule,
            PostDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=TrainingConfig,
            save_config_kwargs={"overwrite": True},
            trainer_defaults={"max_epochs": 20, "log_every_n_steps": 10, "num_sanity_val_steps": 0},
            seed_everything_default=0,
            parser_class=OptionParser,
            auto_configure_optimizers=False,
            args=arguments,
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """The command at hand: to declare the options of all four takes a second."""
        return {self.command: LightningCLI.subcommands()[self.command]}

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand != "fit":
            parser.set_defaults({"return_predictions": False} if subcommand == "predict" else {"verbose": False})
        return parser

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare trainer, model and data; to score a checkpoint needs no model, for the checkpoint holds it."""
        parser.add_argument(
            "--run_folder",
            type=str | None,
            default=None,
            help="Where checkpoints, logs, the config and the results go (default: runs/0, runs/1, ..., or where the "
            "training lies that is gone on with)."
            if self.command == "fit"
            else f"Where the results go (default: the folder {self.command} beside the checkpoint).",
        )
        if self.command != "predict":
            parser.add_argument(
                "--ablations",
                type=list[Ablation],
                default=[],
                help="Score the model also with images or captions taken away or exchanged, for example "
                "[shuffled_images]; each leaves predictions and metrics of its own.",
            )
        parser.add_lightning_class_args(Trainer, "trainer")
        parser.set_defaults({f"trainer.{name}": value for name, value in self.trainer_defaults.items()})
        parser.add_lightning_class_args(PostDataModule, "data", subclass_mode=True)
        if self.command == "fit":
            parser.add_argument(
                "--pretraining",
                type=str | None,
                default=None,
                help="Config of a pre-training, run first in RUN_FOLDER/pretraining on the same data, unless it names "
                "others; the model's text encoder then starts from the encoder that it leaves.",
            )
            parser.add_lightning_class_args(TrainingModule, "model", subclass_mode=True)
            for name in ("labels", "word_tokenizer"):
                parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")
            parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
            parser.set_defaults(
                {
                    "checkpoint.monitor": MONITOR[0],
                    "checkpoint.mode": MONITOR[1],
                    "checkpoint.filename": "best",
                    "checkpoint.save_last": True,
                    "checkpoint.enable_version_counter": False,
                    "checkpoint.auto_insert_metric_name": False,
                }
            )
            parser.add_lightning_class_args(EarlyStopping, "early_stopping")
            parser.set_defaults(
                {
                    "early_stopping.monitor": MONITOR[0],
                    "early_stopping.mode": MONITOR[1],
                    "early_stopping.patience": 20,
                }
            )
        else:
            accept_unused(parser, "model", "checkpoint", "early_stopping", "pretraining")
        if self.command == "predict":
            accept_unused(parser, "ablations")

    def _parse_ckpt_path(self) -> None:
        """Leave the model's options as they were given: Lightning would let the checkpoint's override them."""

    def before_instantiate_classes(self) -> None:
        """Choose the run folder.

        Raises:
            ConfigurationError: If a new training would overwrite another one.
        """
        config = self.config[self.command]
        self.folder = Path(
            os.environ.get(RUN_FOLDER_VARIABLE) or config.run_folder or self._new_folder(config.ckpt_path)
        )
        # Processes that Lightning starts for further devices run this again and must find the same folder.
        os.environ[RUN_FOLDER_VARIABLE] = str(self.folder)
        if self.command != "fit":
            self.save_config_callback = None
        elif not config.ckpt_path and any(self.folder.glob("*.ckpt")):
            raise ConfigurationError(
                f"{self.folder} holds the checkpoints of a training; give another --run_folder, "
                f"or go on with it: --ckpt_path {self.folder / 'last.ckpt'}"
            )
        if self.command == "fit":
            self.choose_monitor(config)
            self.pretrain(config)

    def choose_monitor(self, config: Namespace) -> None:
        """Monitor what the model is judged by, unless a config says otherwise."""
        monitor = import_class(config.model.class_path).monitor  # type: ignore[attr-defined]
        for section in (config.checkpoint, config.early_stopping):
            if (section.monitor, section.mode) == MONITOR:
                section.monitor, section.mode = monitor

    def pretrain(self, config: Namespace) -> None:
        """Run the pre-training that is asked for, and let the text encoder start from the encoder it leaves."""
        if config.pretraining and not config.trainer.fast_dev_run:  # which would leave no encoder
            encoder = pretrained_encoder(config.pretraining, config, self.folder / "pretraining")
            config.model.init_args.text_encoder.init_args.name = str(encoder)

    def _new_folder(self, checkpoint: str | None) -> Path:
        """The folder of the training that is gone on with, a folder beside the checkpoint scored, or a new one."""
        if checkpoint:
            return Path(checkpoint).parent / ("" if self.command == "fit" else self.command)
        taken = [int(path.name) for path in Path("runs").glob("*") if path.name.isdigit()]
        return Path("runs") / str(max(taken, default=-1) + 1)

    def instantiate_classes(self) -> None:
        """Build everything; for a scoring command take the model from its checkpoint."""
        placed = self._placed()
        path = placed[self.command].ckpt_path
        if self.command != "fit":
            if not path:
                raise CheckpointError(f"mner {self.command} needs a checkpoint: --ckpt_path runs/0/best.ckpt")
            self.model = TrainingModule.load_from_checkpoint(path).eval()
            if isinstance(self.model, FusionModule):
                say(f"model: {type(self.model).__name__} from {path}, labels {', '.join(self.model.labels)}")
            elif self.command != "validate":
                raise CheckpointError(
                    f"{path} holds a pre-training, which finds no entities; fine-tune the encoder beside it, with "
                    f"--model.init_args.text_encoder.init_args.name {Path(path).parent / ENCODER_FOLDER}"
                )
            if placed[self.command].model is not None:
                say("the model of the configs is ignored: a checkpoint holds its own")
        elif path:
            load_checkpoint(path)  # a fault shows here, before anything is built
        self.config_init = self.parser.instantiate_classes(placed)
        self.datamodule = self._get(self.config_init, "data")
        if self.command == "fit":
            self.model = self._get(self.config_init, "model")
        self.trainer = self.instantiate_trainer()

    def _placed(self) -> Namespace:
        """The config with all that is written sent to the run folder; the config that is saved names no folder."""
        placed: Namespace = self.config.clone()
        config = placed[self.command]
        config.trainer.default_root_dir = config.trainer.default_root_dir or str(self.folder)
        if self.command == "fit":
            config.checkpoint.dirpath = config.checkpoint.dirpath or str(self.folder)
            if config.trainer.logger is None:
                _keep_metrics(self.folder)
                config.trainer.logger = _loggers(self.folder)
        elif config.trainer.logger is None:
            config.trainer.logger = False
        return placed

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with a writer of results, and a checkpoint of what an interruption leaves."""
        trainer: Trainer = super().instantiate_trainer(**kwargs)
        self.interruption = InterruptionCheckpoint(self.folder / "interrupted.ckpt")
        writer = ResultsWriter(self.folder) if isinstance(self.model, FusionModule) else PrintedMetrics()
        trainer.callbacks += [writer, self.interruption]  # type: ignore[attr-defined]
        return trainer

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs: dict[str, Any] = super()._prepare_subcommand_kwargs(subcommand)
        if subcommand != "fit":
            kwargs["ckpt_path"] = None  # loaded already
        return kwargs

    def fit(self, **kwargs: Any) -> None:
        """Train; an interruption leaves a checkpoint and says how to go on."""
        try:
            self.trainer.fit(**kwargs)
        except SystemExit as stop:  # what Lightning makes of Ctrl-C and of SIGTERM, with a status of success
            raise KeyboardInterrupt from stop
        finally:
            if self.interruption.saved:
                say(f"interrupted; to go on, repeat the command with --ckpt_path {self.interruption.path}")

    def after_fit(self) -> None:
        """Score the best weights on the test split, or on the validation split where there is no test.

        Of a pre-training, write the encoder.
        """
        if self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        best = getattr(self.trainer.checkpoint_callback, "best_model_path", "")
        if not best:
            say(f"nothing was validated, so no checkpoint is the best one; the last is in {self.folder}")
            return
        if isinstance(self.model, PretrainingModule):
            self._export(best)
            return
        model = load_model(best)
        given, loaded = self.model.image_encoder, model.image_encoder
        if isinstance(given, PrecomputedRegions) and isinstance(loaded, PrecomputedRegions):
            # A checkpoint names no file of regions; the one of this training is the user's own.
            loaded.image_transform.path = given.image_transform.path
        try:
            self.datamodule.posts("test")
        except DatasetNotFoundError:
            say("no test split: scoring the validation split, on which the checkpoint was chosen")
            self._score("validate", model)
        else:
            self._score("test", model)
        say(f"checkpoint: {best}")
        say(f"tag a post: {self._example(model)} --checkpoint {shlex.quote(best)}")

    @rank_zero_only
    def _export(self, best: str) -> None:
        folder = self.folder / ENCODER_FOLDER
        if folder.exists():  # that of the training before it was resumed
            shutil.rmtree(folder)
        PretrainingModule.load_from_checkpoint(best).export(folder)
        name, _ = self.model.monitor
        print(f"encoder with the best {name}, {self.trainer.checkpoint_callback.best_model_score:.4f}: {folder}")  # type: ignore[union-attr]
        print(f"fine-tune it: mner fit --model.init_args.text_encoder.init_args.name {shlex.quote(str(folder))} ...")

    def after_validate(self) -> None:
        """Score under the ablations."""
        self._score_under_controls("validate", self.model)

    def after_test(self) -> None:
        """Score under the ablations."""
        self._score_under_controls("test", self.model)

    def _score(self, command: str, model: FusionModule) -> None:
        getattr(self.trainer, command)(model, datamodule=self.datamodule, verbose=False)
        self._score_under_controls(command, model)

    def _score_under_controls(self, command: str, model: FusionModule) -> None:
        for ablation in self.config[self.command].ablations:
            self.datamodule.ablation = ablation
            getattr(self.trainer, command)(model, datamodule=self.datamodule, verbose=False)
        self.datamodule.ablation = None

    def _example(self, model: FusionModule) -> str:
        """A command that tags a validation post with entities, and with its image if the model looks at images."""
        posts = [post for post in self.datamodule.posts("valid") if any(tag != "O" for tag in post.tags or ())]
        if model.images is not None:
            for post in posts:
                if post.image is not None and post.image.is_file():
                    record = {"text": _text(post), "image_id": post.image.name}
                    line = json.dumps(record, ensure_ascii=False)
                    return f"echo {shlex.quote(line)} | mner tag - --images {shlex.quote(str(post.image.parent))}"
        return f"echo {shlex.quote(_text(posts[0]) if posts else 'Meet me in Paris')} | mner tag -"


class TrainingConfig(SaveConfigCallback):
    """Saves the config of a training without where it was run, so that it can be given to any command."""

    def __init__(self, parser: LightningArgumentParser, config: Namespace, **kwargs: Any) -> None:
        config = config.clone()
        for name in ("ckpt_path", "run_folder", "weights_only", "pretraining", "ablations"):
            config.pop(name, None)
        super().__init__(parser, config, **kwargs)


@rank_zero_only
def say(message: str) -> None:
    """Print a line, in the first process alone."""
    print(message)


def _text(post: Post) -> str:
    return post.text or " ".join(post.words)


def _is_of_use(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(SILENCED_MESSAGES)


@rank_zero_only
def _keep_metrics(folder: Path) -> None:
    """Put aside the curves of an earlier part of the training, which the logger would delete."""
    file = folder / "metrics.csv"
    if file.exists():
        names = (folder / f"metrics.part_{part}.csv" for part in count(1))
        kept = file.rename(next(name for name in names if not name.exists()))
        print(f"the metrics logged before are in {kept}")


def _loggers(folder: Path) -> list[dict[str, Any]]:
    place = {"save_dir": str(folder), "name": "", "version": ""}
    return [
        {"class_path": f"pytorch_lightning.loggers.{name}", "init_args": dict(place)}
        for name in ("CSVLogger", "TensorBoardLogger")
    ]
