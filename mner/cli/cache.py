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
        images = self.model.images
        if images is None or images.cache is None:
            raise ConfigurationError(
                "the config names no cache to fill; give the model an image_encoder and a feature_cache: "
                "--model.init_args.feature_cache FOLDER"
            )
        self.datamodule.prepare_data()
        for split in SPLITS:
            try:
                posts = self.datamodule.posts(split)
            except DatasetNotFoundError:
                say(f"{split}: no such split")
                continue
            images.stay_inside([self.datamodule.split_images(split)])
            paths = [post.image for post in posts if post.image is not None]
            device = self.trainer.strategy.root_device
            report = images.cache.fill(paths, images.loader, device=device, progress=True)
            say(f"{split}: {report.computed} images computed, {report.reused} were there, {len(report.bad)} unusable")
            for reason in report.bad.values():
                say(f"  {reason}")

    def after_fit(self) -> None:
        """Nothing is left to score."""
