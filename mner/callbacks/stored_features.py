"""Image features of a frozen encoder, computed once and read from a feature store afterwards."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info
from torch.utils.hooks import RemovableHandle

from mner.data.datamodule import PostDataModule
from mner.data.splits import Split
from mner.errors import ConfigurationError
from mner.vision.encoder import ImageEncoder
from mner.vision.feature_store import FeatureStore
from mner.vision.fill_report import FillReport


class StoredImageFeatures(Callback):
    """Fills a feature store before a run starts, and lets the data module's batches read from it.

    It is an option of data loading: checkpoints do not contain the store. Features are computed in the trainer's mixed
    precision, or in that of the encoder's weights.

    Args:
        path: File of the store; several runs may share it.
        half_precision: Store features in half precision: half the space, rounded to about three digits.
    """

    def __init__(self, path: str | Path, half_precision: bool = False) -> None:
        self.path = path
        self.half_precision = half_precision
        self._store: FeatureStore | None = None
        self._hook: RemovableHandle | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compute the features of the current splits' images that are not in the store.

        Raises:
            ConfigurationError: If the model has no frozen image encoder, or its data are not a data module of posts.
        """
        encoder: Any = getattr(pl_module, "image_encoder", None)
        datamodule: Any = getattr(trainer, "datamodule", None)
        if encoder is None or not isinstance(datamodule, PostDataModule) or datamodule.preprocessor is None:
            raise ConfigurationError(
                "stored image features need a model with an image encoder and a data module of posts; "
                "leave --feature_store out"
            )
        self._store = None
        self._fill(trainer, encoder, stage)
        # A checkpoint is restored after this, and may change the weights of the encoder.
        self._hook = encoder.register_load_state_dict_post_hook(lambda *_: self._fill(trainer, encoder, stage))

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Stop watching the encoder's weights."""
        if self._hook is not None:
            self._hook.remove()

    def store_of(self, trainer: Trainer, encoder: ImageEncoder) -> FeatureStore:
        """Return the store of an encoder as it is now, in the trainer's precision.

        Raises:
            ConfigurationError: If the encoder is trained.
        """
        precision = trainer.precision if _is_mixed(trainer) else "32-true"
        return FeatureStore.of(encoder, self.path, self.half_precision, precision)

    def _fill(self, trainer: Trainer, encoder: ImageEncoder, stage: str) -> None:
        datamodule: Any = getattr(trainer, "datamodule", None)
        store = self.store_of(trainer, encoder)
        if store == self._store:
            return
        self._store = store
        for split in datamodule.stage_splits(stage):
            rank_zero_info(f"{split}: {fill_split(store, trainer, encoder, datamodule, split)}")
        datamodule.preprocessor = datamodule.preprocessor.using(features=store)


def _is_mixed(trainer: Trainer) -> bool:
    return trainer.precision.endswith("-mixed")


def fill_split(
    store: FeatureStore, trainer: Trainer, encoder: ImageEncoder, datamodule: PostDataModule, split: Split
) -> FillReport:
    """Compute the features of a split's images that are not in the store, on the trainer's device.

    Args:
        store: The store of ``encoder``, from :meth:`StoredImageFeatures.store_of`.
        trainer: Whose device and precision are used.
        encoder: A frozen encoder.
        datamodule: Has a preprocessor.
        split: Its split.

    Raises:
        DatasetNotFoundError: If there is no such split.
    """
    assert datamodule.preprocessor is not None
    posts = datamodule.posts(split)
    return store.fill(
        encoder,
        [image for post in posts for image in datamodule.preprocessor.images_of(post)],
        datamodule.preprocessor.using(
            image_folders=[datamodule.split_images(split)], remote=datamodule.remote_images
        ).image_loader,
        device=trainer.strategy.root_device,
        precision_context=trainer.strategy.precision_plugin.forward_context if _is_mixed(trainer) else nullcontext,
        progress=trainer.is_global_zero,
    )
