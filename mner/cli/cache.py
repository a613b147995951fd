"""``mner cache``: the features of a frozen image encoder, computed ahead of training from the same config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jsonargparse import Namespace

from mner.cli import training
from mner.cli.messages import say
from mner.cli.training import TrainingCommandLine
from mner.data.datamodule import SPLITS
from mner.errors import ConfigurationError, DatasetNotFoundError
from mner.vision.cache import FeatureCache


def run(arguments: Sequence[str]) -> None:
    """Fill the feature cache that a training's config names, for every split that is there.

    Several processes may run this at once; they share the work.

    Raises:
        ConfigurationError: If the config names no cache.
    """
    training.run(["fit", *arguments[1:]], CachingCommandLine)


class CachingCommandLine(TrainingCommandLine):
    """Reads what ``mner fit`` reads, and fills the cache instead of training."""

    def pretrain(self, options: Namespace) -> None:
        """Leave it out: the features of images do not depend on it."""

    def fit(self, **kwargs: Any) -> None:
        """Fill the cache.

        Raises:
            ConfigurationError: If the config names no cache.
        """
        config = self.config[self.command]
        if self.model.image_encoder is None or not config.feature_store:
            raise ConfigurationError(
                "there is no store to fill; give the model an image_encoder, and --feature_store FOLDER"
            )
        store = FeatureCache(config.feature_store, self.model.image_encoder, config.half_precision_features)
        self.datamodule.prepare_data()
        for split in SPLITS:
            try:
                posts = self.datamodule.posts(split)
            except DatasetNotFoundError:
                say(f"{split}: no such split")
                continue
            loader = self.model.preprocessor.using(image_folders=[self.datamodule.split_images(split)]).image_loader
            paths = [post.image for post in posts if post.image is not None]
            device = self.trainer.strategy.root_device
            report = store.fill(paths, loader, device=device, progress=True)
            say(f"{split}: {report.computed} images computed, {report.reused} were there, {len(report.bad)} unusable")
            for reason in report.bad.values():
                say(f"  {reason}")

    def after_fit(self) -> None:
        """Nothing is left to score."""
