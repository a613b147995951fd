"""Image features of a frozen encoder, computed once and read from a feature store afterwards."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info
from torch.utils.hooks import RemovableHandle

from mner.data.datamodule import PostDataModule
from mner.errors import ConfigurationError
from mner.vision.feature_store import FeatureStore


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

    def _fill(self, trainer: Trainer, encoder: Any, stage: str) -> None:
        datamodule: Any = getattr(trainer, "datamodule", None)
        mixed = trainer.precision.endswith("-mixed")
        store = FeatureStore.of(encoder, self.path, self.half_precision, trainer.precision if mixed else "32-true")
        if store == self._store:
            return
        self._store = store
        for split in datamodule.stage_splits(stage):
            report = store.fill(
                encoder,
                [post.image for post in datamodule.posts(split) if post.image is not None],
                datamodule.preprocessor.using(image_folders=[datamodule.split_images(split)]).image_loader,
                device=trainer.strategy.root_device,
                precision_context=trainer.strategy.precision_plugin.forward_context if mixed else nullcontext,
                progress=trainer.is_global_zero,
            )
            rank_zero_info(f"{split}: {report}")
        datamodule.preprocessor = datamodule.preprocessor.using(features=store)
