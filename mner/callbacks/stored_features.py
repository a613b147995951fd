"""Image features of a frozen encoder, computed once and read from disk afterwards."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info

from mner.data.datamodule import PostDataModule
from mner.errors import ConfigurationError
from mner.vision.cache import FeatureCache


class StoredImageFeatures(Callback):
    """Fills a feature store before a run starts, and lets the data module's batches read from it.

    An option of data loading: the store is part of no checkpoint, and scores do not depend on it.

    Args:
        path: Folder of the store; several runs may share it.
        half_precision: Store half-precision features: half the space, rounded to about three digits.
    """

    def __init__(self, path: str, half_precision: bool = False) -> None:
        self.path = path
        self.half_precision = half_precision

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compute what the store lacks of the images of the splits at hand.

        Raises:
            ConfigurationError: If the model has no frozen image encoder, or its data are no data module.
        """
        datamodule: Any = getattr(trainer, "datamodule", None)
        encoder: Any = getattr(pl_module, "image_encoder", None)
        if encoder is None or not isinstance(datamodule, PostDataModule) or datamodule.preprocessor is None:
            raise ConfigurationError(
                "stored image features need a model with an image encoder and a data module of posts; "
                "leave --feature_store out"
            )
        store = FeatureCache(self.path, encoder, self.half_precision)
        for split in datamodule.stage_splits(stage):
            loader = datamodule.preprocessor.using(image_folders=[datamodule.split_images(split)]).image_loader
            paths = [post.image for post in datamodule.posts(split) if post.image is not None]
            report = store.fill(paths, loader, device=trainer.strategy.root_device, progress=trainer.is_global_zero)
            rank_zero_info(
                f"{split}: {report.computed} images computed, {report.reused} stored before, {len(report.bad)} unusable"
            )
        datamodule.preprocessor = datamodule.preprocessor.using(features=store)
