"""``mner fit``, ``validate``, ``test`` and ``predict``: Lightning's command line with a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

from mner.cli.messages import keep_traceback, lightning_errors, say
from mner.cli.pretraining import add_extra_posts, pretrain
from mner.cli.run_folder import RunFolder, find_checkpoint
from mner.cli.run_parts import run_parts
from mner.cli.run_record import RunRecord
from mner.cli.scoring import load_scored, score, score_after_fit
from mner.cli.training_options import TrainingOptionParser, add_options, check_ranges, place_options
from mner.data import PostDataModule
from mner.data.named_sets import hold_out
from mner.output_paths import check_folder
from mner.plugins import load_plugins
from mner.training.module import TrainingModule


def run(arguments: Sequence[str], command_line: type[TrainingCommandLine] | None = None) -> None:
    """Run one of the four commands, or a variant of one that ``command_line`` implements."""
    load_plugins()
    (command_line or TrainingCommandLine)(list(arguments))


class TrainingCommandLine(LightningCLI):
    """Assembles model, data and trainer from configs and options, and keeps everything of a run in one folder.

    Args:
        arguments: Command and options.
        folder: The run folder of a training within another one, which owns it; by default the options name it.
    """

    def __init__(self, arguments: list[str], folder: Path | None = None) -> None:
        self.command = arguments[0]
        self.outer_folder = folder
        self.folder = folder or Path()
        self.owned: RunFolder | None = None
        try:
            with lightning_errors():
                super().__init__(
                    TrainingModule,
                    PostDataModule,
                    subclass_mode_model=True,
                    subclass_mode_data=True,
                    save_config_callback=None,
                    seed_everything_default=0,
                    parser_class=TrainingOptionParser,
                    auto_configure_optimizers=False,
                    args=arguments,
                )
        except Exception as error:
            keep_traceback(error, self.owned and self.owned.path)
            raise
        finally:
            if self.owned is not None:
                self.owned.release()

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """Return this command only: declaring the options of all four takes a second."""
        return {self.command: LightningCLI.subcommands()[self.command] | {"return_predictions", "ckpt_path"}}

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare the options of the command."""
        add_options(parser, self.command)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, and set the checkpoint's path aside: Lightning would let its options override those given."""
        super().parse_arguments(parser, args)
        check_ranges(self.options, self.command)
        self.ckpt_path, self.options.ckpt_path = self.options.ckpt_path, None

    @property
    def options(self) -> Namespace:
        """The options of the command."""
        return self.config[self.command]  # type: ignore[no-any-return]

    def before_instantiate_classes(self) -> None:
        """Choose checkpoint and run folder, and run the pre-training if there is one."""
        options, outer = self.options, self.outer_folder
        given = options.run_folder if outer is None else str(outer)
        resume, epochs = options.get("resume") or "never", options.trainer.max_epochs
        self.checkpoint = find_checkpoint(self.ckpt_path, resume, given, self.command, epochs)
        if outer is None:
            self.owned = RunFolder(options.run_folder, self.checkpoint, self.command)
            self.folder = self.owned.path
            if self.command != "fit":  # before the model is loaded
                check_folder(self.folder)
        if self.command == "fit" and options.pretraining:
            pretrain(options, self.folder / "pretraining", self.checkpoint, type(self))

    def instantiate_classes(self) -> None:
        """Build everything; a scoring command loads the model from its checkpoint."""
        placed = self.config.clone()
        own_loggers, keeps_last = place_options(placed[self.command], self.command, self.folder)
        is_fit = self.command == "fit"
        scored = None if is_fit else load_scored(self.checkpoint, self.command, self.options)  # before the slower data
        self.config_init = self.parser.instantiate_classes(placed)
        built = self.config_init[self.command]
        self.datamodule: PostDataModule = built.data
        self.model = scored or built.model
        self.datamodule.preprocessor = self.model.preprocessor
        self.datamodule.label_map = self.options.get("label_map") or {}
        self.parts = run_parts(built, self.folder, self.model, keeps_last)
        if is_fit:
            hold_out(self.datamodule, built.held_out, built.on_overlap)
            add_extra_posts(self.model, self.datamodule, built.extra_posts, built.extra_images)
            config = yaml.safe_load(self.parser.dump(self.config, skip_none=False))[self.command]
            self.parts.callbacks.insert(0, RunRecord(config, self.folder, own_loggers))
        self.trainer = self.instantiate_trainer(callbacks=self.parts.callbacks, plugins=self.parts.plugins)

    def fit(self, **kwargs: Any) -> None:
        """Train; if interrupted, save a checkpoint and print how to resume."""
        try:
            self.trainer.fit(**kwargs | {"ckpt_path": self.checkpoint})
        finally:
            if self.parts.interruption.saved:
                how = "" if self.options.resume == "auto" else f" with --ckpt_path {self.parts.interruption.path}"
                say(f"interrupted; to resume, repeat the command{how}")

    def after_fit(self) -> None:
        """Score the best weights, or write the encoder of a pre-training."""
        if not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            score_after_fit(self.trainer, self.model, self.datamodule, self.parts.best, self.options.ablations)

    def validate(self, **kwargs: Any) -> None:
        """Score the validation split."""
        score(self.trainer, "validate", self.model, self.datamodule, self.options.ablations)

    def test(self, **kwargs: Any) -> None:
        """Score the test split."""
        score(self.trainer, "test", self.model, self.datamodule, self.options.ablations)

    def predict(self, **kwargs: Any) -> None:
        """Predict the entities of the test posts."""
        self.trainer.predict(**kwargs | {"return_predictions": False})
