"""``mner fit``, ``validate``, ``test`` and ``predict``: Lightning's command line with a run folder."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, OnExceptionCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities.rank_zero import rank_zero_only

import mner.data
import mner.decoders
import mner.fusion
import mner.text  # noqa: F401
from mner.data.datamodule import PostDataModule
from mner.errors import CheckpointError, DatasetNotFoundError
from mner.fusion.base import FusionModule
from mner.inference.load import load_model
from mner.inference.results import ResultsWriter

RUN_FOLDER_VARIABLE = "MNER_RUN_FOLDER"
INTERRUPTED = "interrupted"


def run(arguments: Sequence[str]) -> None:
    """Run one of the four commands."""
    for plugin in entry_points(group="mner.plugins"):
        plugin.load()
    # Said at every start, and nothing a user of the command line can act on.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*Couldn't infer the batch indices.*")
    TrainingCommandLine(list(arguments))


class TrainingCommandLine(LightningCLI):
    """Assembles model, data and trainer from configs and options, and keeps everything of a run in one folder.

    Args:
        arguments: Command and options.
    """

    def __init__(self, arguments: list[str]) -> None:
        self.command = arguments[0]
        super().__init__(
            FusionModule,
            PostDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_kwargs={"overwrite": True},
            trainer_defaults={"max_epochs": 20, "log_every_n_steps": 10, "num_sanity_val_steps": 0},
            seed_everything_default=0,
            auto_configure_optimizers=False,
            args=arguments,
        )

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        self.preparing = subcommand
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand != "fit":
            parser.set_defaults({"return_predictions": False} if subcommand == "predict" else {})
        return parser

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare trainer, model and data; to score a checkpoint needs no model, for the checkpoint holds it."""
        parser.add_argument(
            "--run_folder",
            type=str | None,
            default=None,
            help="Where checkpoints, logs, the config and the results go (default: runs/0, runs/1, ...).",
        )
        parser.add_lightning_class_args(Trainer, "trainer")
        parser.set_defaults({f"trainer.{name}": value for name, value in self.trainer_defaults.items()})
        parser.add_lightning_class_args(PostDataModule, "data", subclass_mode=True)
        if self.preparing == "fit":
            parser.add_lightning_class_args(FusionModule, "model", subclass_mode=True)
            parser.link_arguments("data.labels", "model.init_args.labels", apply_on="instantiate")
            parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
            parser.set_defaults(
                {
                    "checkpoint.monitor": "val/f1",
                    "checkpoint.mode": "max",
                    "checkpoint.filename": "best",
                    "checkpoint.save_last": True,
                    "checkpoint.enable_version_counter": False,
                    "checkpoint.auto_insert_metric_name": False,
                }
            )
            parser.add_lightning_class_args(EarlyStopping, "early_stopping")
            parser.set_defaults(
                {"early_stopping.monitor": "val/f1", "early_stopping.mode": "max", "early_stopping.patience": 20}
            )
        else:
            parser.add_argument(
                "--model", type=Any, default=None, help="Ignored, so that the configs of a training can be given."
            )

    def _parse_ckpt_path(self) -> None:
        """Leave the model's options as they were given: Lightning would let the checkpoint's override them."""

    def before_instantiate_classes(self) -> None:
        """Choose the run folder, and send the logs and checkpoints there."""
        config = self.config[self.command]
        self.folder = Path(os.environ.get(RUN_FOLDER_VARIABLE) or config.run_folder or self._new_folder(config))
        # Processes that Lightning starts for further devices run this again and must find the same folder.
        os.environ[RUN_FOLDER_VARIABLE] = str(self.folder)
        if self.command == "fit":
            if config.checkpoint.dirpath is None:
                config.checkpoint.dirpath = str(self.folder)
            if config.trainer.logger is None:
                config.trainer.logger = _loggers(self.folder)
        elif config.trainer.logger is None:
            config.trainer.logger = False

    def _new_folder(self, config: Any) -> Path:
        if self.command != "fit" and config.ckpt_path:
            return Path(config.ckpt_path).parent
        taken = [int(path.name) for path in Path("runs").glob("*") if path.name.isdigit()]
        return Path("runs") / str(max(taken, default=-1) + 1)

    def instantiate_classes(self) -> None:
        """Build everything; for a scoring command take the model from its checkpoint."""
        if self.command == "fit":
            super().instantiate_classes()
            return
        config = self.config[self.command]
        if not config.ckpt_path:
            raise CheckpointError(f"mner {self.command} needs a checkpoint: --ckpt_path runs/0/best.ckpt")
        self.config_init = self.parser.instantiate_classes(self.config)
        self.datamodule = self._get(self.config_init, "data")
        self.model = load_model(config.ckpt_path)
        self.trainer = self.instantiate_trainer()
        say(f"model: {type(self.model).__name__} from {config.ckpt_path}, labels {', '.join(self.model.labels)}")
        if config.model is not None:
            say("the model of the configs is ignored: a checkpoint holds its own")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with a writer of results, and a checkpoint of what an interruption leaves."""
        trainer = super().instantiate_trainer(**kwargs)
        self.results = ResultsWriter(self.folder)
        trainer.callbacks.append(self.results)  # type: ignore[attr-defined]
        if self.command == "fit":
            trainer.callbacks.append(OnExceptionCheckpoint(self.folder, INTERRUPTED))  # type: ignore[attr-defined]
        return trainer

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs: dict[str, Any] = super()._prepare_subcommand_kwargs(subcommand)
        if subcommand != "fit":
            kwargs["ckpt_path"] = None  # loaded already
        return kwargs

    def fit(self, **kwargs: Any) -> None:
        """Train; an interruption leaves a checkpoint and says how to go on."""
        self.trainer.fit(**kwargs)
        if self.trainer.interrupted:
            path = self.folder / f"{INTERRUPTED}.ckpt"
            say(f"interrupted; to go on, repeat the command with --run_folder {self.folder} --ckpt_path {path}")

    def after_fit(self) -> None:
        """Score the best weights on the test split, or on the validation split where there is no test."""
        if self.trainer.interrupted or self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        best = getattr(self.trainer.checkpoint_callback, "best_model_path", "")
        if not best:
            return
        model = load_model(best)
        try:
            self.datamodule.posts("test")
        except DatasetNotFoundError:
            say("no test split: scoring the validation split, on which the checkpoint was chosen")
            self.trainer.validate(model, datamodule=self.datamodule, verbose=False)
        else:
            self.trainer.test(model, datamodule=self.datamodule, verbose=False)
        say(f"checkpoint: {best}")
        say(f"tag a post: echo {shlex.quote(self._example())} | mner tag - --checkpoint {shlex.quote(best)}")

    def _example(self) -> str:
        post = next(
            (post for post in self.datamodule.posts("valid") if any(tag != "O" for tag in post.tags or ())), None
        )
        return "Meet me in Paris" if post is None else post.text or " ".join(post.words)


@rank_zero_only
def say(message: str) -> None:
    """Print a line, in the first process alone."""
    print(message)


def _loggers(folder: Path) -> list[dict[str, Any]]:
    place = {"save_dir": str(folder), "name": "", "version": ""}
    return [
        {"class_path": f"pytorch_lightning.loggers.{name}", "init_args": dict(place)}
        for name in ("CSVLogger", "TensorBoardLogger")
    ]
