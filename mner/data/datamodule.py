"""The base of every data module: splits of posts with contexts, in length-grouped batches."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pytorch_lightning import LightningDataModule
from pytorch_lightning.utilities import rank_zero_info
from torch.utils.data import DataLoader

from mner.argument_types import check_range, constructor_arguments
from mner.data.ablations import IMAGE_ABLATIONS, Ablation, ablate, check_ablations
from mner.data.contexts import warn_of_surplus, warn_of_truncation
from mner.data.label_map import LabelMap, check_label_map, in_terms_of
from mner.data.large_sets import changed, facts_of, joined, lengths_of, prepared, select
from mner.data.length_grouped_batches import LengthGroupedBatchSampler
from mner.data.loader import post_loader
from mner.data.missing_images import check_any_image, check_images
from mner.data.overlap import OnOverlap, without_overlap
from mner.data.splits import Split
from mner.errors import ConfigurationError, DataError, LabelError
from mner.labels import check_tags
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.remote_images import RemoteImages
from mner.subsets import sampled
from mner.word_tokenizers import TweetTokenizer, WordTokenizer
from mner.word_tokenizers.raw_posts import tokenize_post

Data = TypeVar("Data", bound="PostDataModule")
_NAMED = 10  # posts named in a message


class PostDataModule(LightningDataModule, ABC):
    """Posts in three splits. A subclass sets ``labels`` and implements the reading of a split.

    A data module yields posts. Its batches are made by the preprocessor of the model that is trained or scored:
    ``data.preprocessor = model.preprocessor``, or ``trainer.fit(model, data.using(model.preprocessor))``.

    Args:
        batch_size: Maximum number of posts per batch.
        max_tokens: Maximum number of subwords per batch, padding included; ``None`` for no limit.
        contexts: Kinds of context that the model reads after the post, for example ``["caption"]``.
        train_fraction: Fraction of the training posts to use; for one seed, a smaller fraction is a subset of a larger
            one.
        seed: Seed of the batch order and of ``train_fraction``; by default that of ``seed_everything``.
        num_workers: Number of processes that make batches; 0 makes them in the training process.
        max_missing_images: Maximum fraction of the images that may be missing where a model uses images.

    Raises:
        ConfigurationError: If an argument has another type than its hint, or a number is out of range.
    """

    labels: list[str]
    word_tokenizer: WordTokenizer = TweetTokenizer()
    """Splits raw posts into words; a model trained on the posts splits new ones in the same way."""
    remote_images: RemoteImages | None = None
    """What images at an address may be fetched into the image folder."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Check the types of the constructor's arguments before it runs."""
        constructor_arguments(cls, args, kwargs)
        return super().__new__(cls)

    def __init__(
        self,
        batch_size: int = 32,
        max_tokens: int | None = None,
        contexts: Sequence[str] = (),
        train_fraction: float = 1.0,
        seed: int | None = None,
        num_workers: int = 0,
        max_missing_images: float = 0.5,
    ) -> None:
        super().__init__()
        check_range("batch_size", batch_size, "[1, inf)")
        check_range("max_tokens", max_tokens, "[1, inf)")
        check_range("train_fraction", train_fraction, "(0, 1]")
        check_range("num_workers", num_workers, "[0, inf)")
        check_range("max_missing_images", max_missing_images, "[0, 1]")
        self.batch_size = batch_size
        self.max_tokens = max_tokens
        self.contexts = list(contexts)
        self.train_fraction = train_fraction
        self.seed = seed
        self.num_workers = num_workers
        self.max_missing_images = max_missing_images
        self.ablation: Ablation | None = None
        self.extra_posts: Sequence[Post] = ()
        self.extra_images: Path | None = None
        self._preprocessor: Preprocessor | None = None
        self._label_map: LabelMap = {}
        self._held_out: tuple[Sequence[Post], OnOverlap] = (), "error"
        self._posts: dict[Split, Sequence[Post]] = {}
        self._images_checked: set[Split] = set()
        self._surplus: set[str] = set()

    @property
    def preprocessor(self) -> Preprocessor | None:
        """The model's preprocessor, which makes the batches; posts are read with the contexts that it uses."""
        return self._preprocessor

    @preprocessor.setter
    def preprocessor(self, preprocessor: Preprocessor) -> None:
        before = self.context_kinds, self._model_labels
        self._preprocessor = preprocessor
        if (self.context_kinds, self._model_labels) != before:
            self._posts = {}

    @property
    def label_map(self) -> LabelMap:
        """The model's type for types of the data set, ``{"OTHER": "MISC"}``; ``None`` drops the entities of a type."""
        return self._label_map

    @label_map.setter
    def label_map(self, label_map: LabelMap) -> None:
        check_label_map(label_map)
        self._label_map = dict(label_map)
        self._posts = {}

    def hold_out(self, posts: Sequence[Post], on_overlap: OnOverlap = "error") -> None:
        """Name posts on which the model will be tested, so that it is not trained on them.

        Args:
            posts: The posts, of any data set.
            on_overlap: What happens to training posts that are among them, see :func:`~mner.data.overlap.find_overlap`:
                ``error``, ``drop`` leaves them out, ``keep`` only warns.
        """
        self._held_out = posts, on_overlap
        self._posts = {}

    @property
    def _model_labels(self) -> list[str]:
        return [] if self._preprocessor is None else self._preprocessor.labels

    def using(self: Data, preprocessor: Preprocessor) -> Data:
        """Set the model's preprocessor and return the data module: ``fit(model, data.using(...))``."""
        self.preprocessor = preprocessor
        return self

    @property
    def effective_seed(self) -> int:
        """``seed``, or without one that of ``seed_everything``, or 0."""
        return int(os.environ.get("PL_GLOBAL_SEED", 0)) if self.seed is None else self.seed

    @property
    def context_kinds(self) -> list[str]:
        """The kinds of context to read: those of the model, once it is known, else ``contexts``."""
        return self.contexts if self._preprocessor is None else list(self._preprocessor.contexts)

    @abstractmethod
    def read(self, split: Split) -> Sequence[Post]:
        """Read a split with its contexts; called once per split.

        Raises:
            DatasetNotFoundError: If the split is not there; names the places that were searched.
        """

    def split_file(self, split: Split) -> Path | None:
        """Return the file of a split, or ``None`` if the data set does not come as files.

        Raises:
            DatasetNotFoundError: If the split is not there; names the places that were searched.
        """
        return None

    def split_images(self, split: Split) -> Path | None:
        """Return the folder of a split's images, or ``None`` if there is none."""
        return None

    def posts(self, split: Split) -> Sequence[Post]:
        """Return the posts of a split, read once, with tags checked; ``train`` reduced to ``train_fraction``.

        Their annotation has the types and the scheme of the model's labels, once it is known; see ``label_map``.
        The training posts are followed by ``self.extra_posts``, unlabelled posts for pre-training or aligning views,
        see :func:`mner.data.unlabelled.read_unlabelled`; ``self.ablation``, if set, is applied to the other splits, see
        :func:`mner.data.ablations.ablate`.

        Raises:
            DatasetNotFoundError: If the split is not there.
            LabelError: If a tag is not among ``labels``, or not among the model's.
            DataError: If training posts are held out, see :meth:`hold_out`.
        """
        if split not in self._posts:
            posts = self.read(split)
            if facts_of(posts).raw:
                posts = changed(posts, partial(_tokenized, tokenizer=self.word_tokenizer))
            if not {*self.labels}.issuperset(facts_of(posts).tags):
                for post in posts:
                    check_post(post, self.labels)
            if self._model_labels:
                posts = in_terms_of(posts, split, self.labels, self._model_labels, self.label_map)
            if split == "train":
                posts = without_overlap(posts, *self._held_out)
                if self.train_fraction < 1:
                    posts = select(posts, sampled(len(posts), self.train_fraction, self.effective_seed))
            self._posts[split] = posts
        posts = self._posts[split]
        if split == "train":
            return joined(posts, self.extra_posts) if self.extra_posts else posts
        if self.ablation is None:
            return posts
        return ablate(posts, self.ablation, kinds=None if self._preprocessor is None else self.context_kinds)

    def version(self, split: Split) -> str | None:
        """Identify the published version of the data set by the file of a split; ``None`` if none is published."""
        return None

    def setup(self, stage: str) -> None:
        """Read the splits that a stage needs, so that errors surface before the first step."""
        for split in self.stage_splits(stage):
            posts = self.posts(split)
            rank_zero_info(f"{type(self).__name__}: {len(posts)} {split} posts")
            if self.preprocessor is not None and self.ablation is None:
                self.preprocessor.check(posts, split)
                self._surplus |= warn_of_surplus(posts, self.context_kinds, self._surplus, split)
                warn_of_truncation(posts, self.preprocessor, split)
        if self.preprocessor is not None and self.preprocessor.labels:
            self.check_annotation(stage)
        transform = None if self.preprocessor is None else self.preprocessor.image_transform
        if self.ablation is not None:
            check_ablations([self.ablation], transform)
        if transform is not None and transform.reads_files:
            self.check_images(stage)

    def check_annotation(self, stage: str) -> None:
        """Reject posts without annotation before a stage that needs annotation; for a model that predicts tags.

        A test split without any annotation is accepted: it is tagged, and there is no score.

        Raises:
            DataError: Counts the posts of a split, and names the first of them.
        """
        for split in self.stage_splits(stage):
            posts = self.posts(split)
            if self.preprocessor is not None and self.preprocessor.text_only_view:
                posts = self._posts[split]  # extra posts need no annotation
            if not facts_of(posts).unannotated:
                continue
            missing = [post.id for post in posts if post.tags is None]
            if not missing or stage == "predict" or (stage == "test" and len(missing) == len(posts)):
                continue
            named = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
            raise DataError(
                f"{len(missing)} of {len(posts)} {split} posts have no annotation: {named}; annotate them or "
                "remove them, or tag them with mner tag"
            )

    def check_images(self, stage: str) -> None:
        """Warn of missing images before a stage, once per split; for a model that uses images.

        Raises:
            DataError: If more than ``max_missing_images`` of a split's images are missing, or all of those that an
                ablation is to blank or shuffle.
        """
        for split in self.stage_splits(stage):
            if self.ablation in IMAGE_ABLATIONS:
                check_any_image(self._posts[split], f"{self.ablation} of the {split} posts changes nothing")
            elif split not in self._images_checked:
                check_images(self.posts(split), self.split_images(split), self.max_missing_images, f"the {split} posts")
                self._images_checked.add(split)

    @staticmethod
    def stage_splits(stage: str) -> tuple[Split, ...]:
        """List the splits that a stage of the trainer reads: ``fit``, ``validate``, ``test`` or ``predict``."""
        needed: dict[str, tuple[Split, ...]] = {"fit": ("train", "valid"), "validate": ("valid",)}
        return needed.get(stage, ("test",))

    def train_dataloader(self) -> DataLoader[Any]:
        """Load shuffled batches of training posts of similar length."""
        return self.loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Load the validation posts, longest first."""
        return self.loader("valid")

    def test_dataloader(self) -> DataLoader[Any]:
        """Load the test posts, longest first."""
        return self.loader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """Load the test posts, longest first."""
        return self.loader("test")

    def loader(self, split: Split, shuffle: bool = False) -> DataLoader[Any]:
        """Build a loader over a split, whose batches the preprocessor makes.

        Args:
            split: The split.
            shuffle: Whether to use the training order.

        Raises:
            ConfigurationError: If the data module was not given a preprocessor.
        """
        preprocessor = self._given_preprocessor().using(quiet=True, unlabelled_views=split == "train")
        folder = self.split_images(split)
        if folder is not None:
            folders = [folder, self.extra_images if split == "train" else None]
            preprocessor = preprocessor.using(image_folders=folders, remote=self.remote_images)
        posts = prepared(self.posts(split), preprocessor)
        trainer = self.trainer
        groups = None
        if split == "train" and self.extra_posts and preprocessor.labels:
            if trainer is not None and trainer.world_size > 1:
                raise ConfigurationError(
                    "views of unlabelled posts are aligned on one device: their batches train other layers than those "
                    f"of tagged posts; got {trainer.world_size} processes, set trainer.devices to 1"
                )
            groups = np.arange(len(posts)) >= len(posts) - len(self.extra_posts)
        if trainer is not None and getattr(trainer, "overfit_batches", 0) > 0:  # Lightning sets the attribute late
            return DataLoader(posts, self.batch_size, collate_fn=preprocessor)  # type: ignore[arg-type]
        sampler = LengthGroupedBatchSampler(
            lengths_of(posts, preprocessor),
            self.batch_size,
            self.max_tokens,
            shuffle=shuffle,
            seed=self.effective_seed,
            num_replicas=1 if trainer is None else trainer.world_size,
            rank=0 if trainer is None else trainer.global_rank,
            groups=groups,
        )
        pin = trainer is not None and trainer.strategy.root_device.type == "cuda"
        loader = post_loader(posts, sampler, preprocessor, self.num_workers, pin)
        loader.trainer = trainer
        return loader

    def _given_preprocessor(self) -> Preprocessor:
        if self.preprocessor is None:
            raise ConfigurationError(
                f"{type(self).__name__} makes batches with its model's preprocessor and was given none; write "
                "data.preprocessor = model.preprocessor before trainer.fit(model, data)"
            )
        return self.preprocessor


def _tokenized(post: Post, tokenizer: WordTokenizer) -> Post:
    return replace(tokenize_post(post, tokenizer), is_raw=True) if post.is_raw else post


def check_post(post: Post, labels: Sequence[str]) -> None:
    """Reject a post with a tag outside the label set.

    Raises:
        LabelError: Names the post and the tag.
    """
    try:
        check_tags(post.tags or (), labels)
    except LabelError as error:
        raise LabelError(f"post {post.id!r}: {error}") from error
