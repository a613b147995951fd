"""``mner cache``: the features of a frozen image encoder, computed ahead of training from the same config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jsonargparse import Namespace

from mner.callbacks.stored_features import StoredImageFeatures, fill_split
from mner.cli import training
from mner.cli.messages import say
from mner.cli.training import TrainingCommandLine
from mner.data.splits import SPLITS
from mner.errors import ConfigurationError, DatasetNotFoundError


def run(arguments: Sequence[str]) -> None:
    """Fill the feature store that a training's config names, for every split that is there.

    Raises:
        ConfigurationError: If the config names no store.
    """
    training.run(["fit", *arguments[1:]], CachingCommandLine)


class CachingCommandLine(TrainingCommandLine):
    """Reads what ``mner fit`` reads, and fills the feature store instead of training."""

    def before_instantiate_classes(self) -> None:
        """Look for the store before a run folder is made.

        Raises:
            ConfigurationError: If the config names none.
        """
        if not self.options.feature_store:
            raise _no_store()
        super().before_instantiate_classes()

    def pretrain(self, options: Namespace) -> None:
        """Skip the pre-training, on which image features do not depend."""

    def fit(self, **kwargs: Any) -> None:
        """Fill the store, in the trainer's mixed precision.

        Raises:
            ConfigurationError: If the config names no store.
        """
        config = self.config[self.command]
        if self.model.image_encoder is None:
            raise _no_store()
        encoder = self.model.image_encoder
        options = StoredImageFeatures(config.feature_store, config.half_precision_features)
        store = options.store_of(self.trainer, encoder)
        self.datamodule.prepare_data()
        for split in SPLITS:
            try:
                report = fill_split(store, self.trainer, encoder, self.datamodule, split)
            except DatasetNotFoundError:
                say(f"{split}: no such split")
                continue
            say(f"{split}: {report}")

    def after_fit(self) -> None:
        """Nothing is left to score."""


def _no_store() -> ConfigurationError:
    return ConfigurationError("there is no store to fill; give the model an image_encoder, and --feature_store FILE")
