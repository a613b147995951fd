"""From posts to a batch: all preprocessing in one object that a model owns and saves."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from mner.batch import Batch, ImageFeatures
from mner.errors import ConfigurationError, ImageError, LabelError
from mner.grounding.gold_boxes import collate_boxes
from mner.images import ImageLoader
from mner.labels import check_tags, scheme_of, to_bioes
from mner.posts import Post
from mner.remote_images import RemoteImages
from mner.terminal import printable
from mner.text.characters import character_ids
from mner.text.subwords import SubwordTokenizer
from mner.vision.transform import ImageTransform
from mner.word_tokenizers import TweetTokenizer, WordTokenizer
from mner.word_tokenizers.raw_posts import tokenize_post

MAX_IMAGES = 4
"""Maximum number of images per post that a model reads by default: a tweet has up to four."""
MAX_SURPLUS = 20
"""Maximum kinds of surplus context that are reported: an endless stream may name any number of them."""


class StoredFeatures(Protocol):
    """Precomputed image features, by image content."""

    def key_of(self, path: Path) -> Any | None:
        """Return the key of an image file whose features are stored, else ``None``."""

    def read(self, keys: Sequence[Any | None]) -> ImageFeatures:
        """Read the features of B images, masked out where a key is ``None``."""


class Preprocessor:
    """Turns posts into a :class:`mner.batch.Batch`; the same object in training, scoring, tagging and serving.

    It contains no ``nn.Module`` and can be pickled, so that loader workers can use it: ``DataLoader(posts,
    collate_fn=model.preprocessor)``. A checkpoint contains the arguments to rebuild it. Input that it cannot use is
    reported in one warning per kind: a context that is missing or that the model was not trained with, an image that
    cannot be read or that the model does not look at. What a loader worker finds is reported by the model that is given
    the batch.

    Args:
        subword_tokenizer: The text encoder's tokenizer.
        labels: Labels in the order of the model's emissions; without labels, the batch has no tags.
        contexts: The kinds of context that the model reads, in order; all others are left out.
        word_tokenizer: Splits the text of raw posts.
        max_characters: Characters per word that the character encoder reads; ``None`` without one.
        image_transform: The image encoder's transform; ``None`` for a model that sees no images.
        image_loader: Opens image files, and decides how an unreadable one is handled.
        max_images: Maximum number of images per post, the first ones.
        features: Stored features of a frozen image encoder, used for every image that they contain.
        text_only_view: Whether batches of tagged posts also contain the posts without contexts.
        gold_boxes: Whether batches of tagged posts also contain the gold boxes of their entities.

    Raises:
        ConfigurationError: If ``word_tokenizer`` is not a word tokenizer, or ``max_images`` is not at least 1.
    """

    def __init__(
        self,
        subword_tokenizer: SubwordTokenizer,
        labels: Sequence[str] = (),
        contexts: Sequence[str] = (),
        word_tokenizer: WordTokenizer | None = None,
        max_characters: int | None = None,
        image_transform: ImageTransform | None = None,
        image_loader: ImageLoader | None = None,
        max_images: int = MAX_IMAGES,
        features: StoredFeatures | None = None,
        text_only_view: bool = False,
        gold_boxes: bool = False,
    ) -> None:
        if word_tokenizer is not None and not isinstance(word_tokenizer, WordTokenizer):
            raise ConfigurationError(f"expected word_tokenizer to be a WordTokenizer, got {word_tokenizer!r:.60}")
        if max_images < 1:
            raise ConfigurationError(f"expected max_images of at least 1, got {max_images}")
        self.subword_tokenizer = subword_tokenizer
        self.labels = list(labels)
        self.contexts = tuple(contexts)
        self.word_tokenizer = TweetTokenizer() if word_tokenizer is None else word_tokenizer
        self.max_characters = max_characters
        self.image_transform = image_transform
        self.image_loader = image_loader or ImageLoader()
        self.max_images = max_images
        self.features = features
        self.text_only_view = text_only_view
        self.gold_boxes = gold_boxes
        self._index = {label: index for index, label in enumerate(self.labels)}
        self._is_bioes = scheme_of(self.labels) == "BIOES"
        self._reported: set[str] = set()
        self._faults: dict[str, str] = {}
        self._quiet = False
        self._unlabelled_views = False
        self._map: Callable[..., Iterable[Any]] = map

    def using(
        self,
        image_folders: Sequence[Path | None] | None = None,
        on_bad_image: Literal["mask", "error"] | None = None,
        features: StoredFeatures | None = None,
        quiet: bool | None = None,
        image_map: Callable[..., Iterable[Any]] | None = None,
        draft_images: bool | None = None,
        remote: RemoteImages | None = None,
        unlabelled_views: bool | None = None,
    ) -> Preprocessor:
        """Return a copy with other data-loading options; options that are not given are kept.

        Args:
            image_folders: Read no image outside these folders.
            on_bad_image: ``mask`` or ``error``, see :class:`mner.images.ImageLoader`.
            features: Stored image features.
            quiet: Suppress the warnings, where others report: a data module counts contexts, and
                :class:`mner.callbacks.ImageSummary` counts images.
            image_map: Replaces ``map`` in the loading of a batch's images, such as ``ThreadPoolExecutor().map``.
            draft_images: Decode JPEG files at a half, a quarter or an eighth of their size where the image encoder
                scales them down further; pixels then differ slightly.
            remote: How images at an address are fetched into the image folder.
            unlabelled_views: Batches of posts without tags contain the text-only view too, where tagged ones do.
        """
        other = copy.copy(self)
        loading: dict[str, Any] = {
            "folders": tuple(folder for folder in image_folders or () if folder is not None) or None,
            "on_bad_image": on_bad_image,
            "remote": remote,
        }
        given = {name: value for name, value in loading.items() if value is not None}
        other.image_loader = replace(self.image_loader, **given)
        if features is not None:
            other.features = features
        if quiet is not None:
            other._quiet = quiet
        if image_map is not None:
            other._map = image_map
        if draft_images is not None:
            side = None if self.image_transform is None or not draft_images else self.image_transform.min_side
            other.image_loader = replace(other.image_loader, min_side=side)
        if unlabelled_views is not None:
            other._unlabelled_views = unlabelled_views
        other._reported = set(self._reported)
        other._faults = {}
        return other

    def check(self, posts: Sequence[Post], split: str) -> None:
        """Check a split before training or scoring: warn if a model would see no image, or has no views to align.

        Args:
            posts: The posts of the split.
            split: Its name.

        Raises:
            ConfigurationError: If the model is to learn to ground entities from posts without gold boxes.
        """
        if self.gold_boxes and split == "train" and posts and all(post.boxes is None for post in posts):
            raise ConfigurationError(
                f"none of the {len(posts)} training posts has gold boxes, from which the model learns to ground "
                "entities; give posts with boxes (DemoPosts has them with --data.init_args.grounded true), or leave "
                "grounding out"
            )
        if self.text_only_view and split == "train" and not self.contexts and self.image_transform is None:
            warnings.warn(
                "align_views has nothing to align, since the model reads neither contexts nor images; give contexts "
                "(--data.init_args.contexts [caption]) or an image encoder, or leave align_views out",
                stacklevel=2,
            )
        reads_images = self.image_transform is not None and self.image_transform.per_image
        if reads_images and posts and all(post.image is None for post in posts):
            warnings.warn(
                f"none of the {len(posts)} {split} posts has an image, so a multimodal model sees only their words; "
                "give their folder (--images, of a data set --data.init_args.images; DemoPosts draws them into its "
                "root: --data.init_args.root data/demo)",
                stacklevel=2,
            )

    def prepare(self, post: Post) -> Post:
        """Split a raw post into words, and keep the contexts that the model reads, in its order."""
        if post.is_raw:
            post = tokenize_post(post, self.word_tokenizer)  # in BIO
            if post.tags is not None and self._is_bioes:
                post = replace(post, tags=tuple(to_bioes(post.tags)))
        kept = {kind: post.contexts[kind] for kind in self.contexts if (post.contexts.get(kind) or "").strip()}
        for kind in self.contexts:
            if kind not in kept:
                self._report(f"missing {kind}", f"post {post.id!r} has no {kind}, which the model was trained to read")
        for kind in sorted(post.contexts.keys() - self.contexts):
            reads = ", ".join(self.contexts) or "none"
            if sum(each.startswith("surplus ") for each in self._reported) < MAX_SURPLUS:
                message = f"post {post.id!r} has the context {kind!r}, which the model does not read ({reads})"
                self._report(f"surplus {kind}", message)
        if post.image is not None and self.image_transform is None:
            self._report("unread image", f"post {post.id!r} has an image, and the model reads text only")
        elif len(post.images) > self.max_images:
            self._report(
                "surplus images",
                f"post {post.id!r} has {len(post.images)} images, of which the model reads the first {self.max_images}",
            )
        return post if [*kept.items()] == [*post.contexts.items()] else replace(post, contexts=kept)

    def images_of(self, post: Post) -> tuple[Path, ...]:
        """Return the images of a post that the model reads."""
        return post.images[: self.max_images]

    def has_views(self, post: Post) -> bool:
        """Whether the model reads more of a post than its words."""
        transform = self.image_transform
        has_image = transform is not None and (post.image is not None or not transform.per_image)
        return has_image or bool(self.prepare(post).contexts)

    def lengths(self, posts: Iterable[Post]) -> list[int]:
        """Count the subwords of each post, special tokens and contexts included."""
        return self.subword_tokenizer.lengths(map(self.prepare, posts))

    def measure(self, posts: Sequence[Post]) -> list[int]:
        """Count the subwords of prepared posts as :meth:`lengths` does, and report contexts that do not fit."""
        lengths, truncated = self.subword_tokenizer.measure(posts)
        if True in truncated:
            post = posts[truncated.index(True)]
            limit = self.subword_tokenizer.options.max_length
            message = f"the end of the contexts of post {post.id!r} is not read, as a row has at most {limit} subwords"
            self._report("truncated contexts", message)
        return lengths

    def __call__(self, posts: Sequence[Post]) -> Batch:
        """Collate posts into a batch.

        Args:
            posts: B posts.

        Returns:
            The batch; it has tags if every post has.

        Raises:
            LabelError: If a tag is not among the labels; names the post and the tag.
            ImageError: If an image cannot be used, and the image loader's policy is ``error``.
        """
        posts = [self.prepare(post) for post in posts]
        texts: dict[str, Any] = {**self.subword_tokenizer(posts)}
        tags = self._tags(posts, texts["word_mask"])
        both = self.text_only_view and (tags is not None or self._unlabelled_views)
        return Batch(
            posts=posts,
            **texts,
            tags=tags,
            text_only=self._without_contexts(posts, texts) if both else None,
            gold_boxes=None if tags is None or not self.gold_boxes else collate_boxes(posts),
            characters=None if self.max_characters is None else character_ids(posts, self.max_characters),
            **self._images(posts),
            faults=self._take_faults(),
        )

    def report(self, batch: Batch) -> None:
        """Warn of what a loader worker could not use in a batch, unless it is reported already."""
        for kind, message in batch.faults.items():
            self._report(kind, message)

    def _without_contexts(self, posts: Sequence[Post], texts: dict[str, Any]) -> dict[str, Any]:
        if not any(post.contexts for post in posts):
            return texts
        return {**self.subword_tokenizer([replace(post, contexts={}) for post in posts])}

    def _tags(self, posts: Sequence[Post], word_mask: Tensor) -> Tensor | None:
        annotated = [post.tags for post in posts if post.tags is not None]
        if not self.labels or len(annotated) < len(posts):
            return None
        try:
            flat = np.fromiter(map(self._index.__getitem__, chain.from_iterable(annotated)), dtype=np.int64)
        except KeyError:
            post = next(post for post in posts if not self._index.keys() >= set(post.tags or ()))
            raise LabelError(f"post {post.id!r}: {_complaint(post, self.labels)}") from None
        tags = torch.zeros(word_mask.shape, dtype=torch.long)
        tags[word_mask] = torch.from_numpy(flat)
        return tags

    def _images(self, posts: Sequence[Post]) -> dict[str, Any]:
        """Return stored features if they cover every usable image of the batch, else pixels; the results agree."""
        if self.image_transform is None:
            return {}
        views, owners = self._views(posts)
        keys = [self._key(post) for post in views]
        errors: list[str | None] = [None] * len(views)
        common = {
            "image_paths": [post.image for post in views],
            "image_errors": errors,
            "post_of_image": None if len(views) == len(posts) else torch.tensor(owners),
        }
        images = list(
            self._map(lambda index: None if keys[index] else self._load(index, views, errors), range(len(keys)))
        )
        if any(keys) and self.features is not None:
            if all(image is None for image in images):
                mask = torch.tensor([key is not None for key in keys])
                return {"image": self.features.read(keys), "image_mask": mask, **common}
            images = [self._load(index, views, errors) if keys[index] else each for index, each in enumerate(images)]
        mask = torch.tensor([image is not None for image in images])
        return {"pixels": self.image_transform.collate(images), "image_mask": mask, **common}

    def _views(self, posts: Sequence[Post]) -> tuple[list[Post], list[int]]:
        """Return one post per image, or per post without an image, and the place of each in the batch."""
        assert self.image_transform is not None
        if not self.image_transform.per_image or all(len(post.images) < 2 for post in posts):
            return [*posts], [*range(len(posts))]
        views = [
            (post if image is None else post.with_images([image]), place)
            for place, post in enumerate(posts)
            for image in self.images_of(post) or [None]
        ]
        return [post for post, _ in views], [place for _, place in views]

    def _key(self, post: Post) -> Any | None:
        if self.features is None or post.image is None:
            return None
        try:
            return self.features.key_of(self.image_loader.locate(post.image))
        except ImageError:  # raised again, and handled, when the image is loaded
            return None

    def _load(self, index: int, posts: Sequence[Post], errors: list[str | None]) -> Any:
        assert self.image_transform is not None
        try:
            return self.image_transform.load(posts[index], self.image_loader)
        except ImageError as error:
            if self.image_loader.on_bad_image == "error":
                raise
            errors[index] = str(error)
            self._report("image", f"post {posts[index].id!r} is used without an image: {error}")
            return None

    def _report(self, kind: str, message: str) -> None:
        if self._quiet or kind in self._reported:
            return
        self._reported.add(kind)
        if get_worker_info() is None:
            warnings.warn(f"{printable(message)}; further cases are not reported individually", stacklevel=2)
        else:  # another worker may find the same, and each epoch has new workers
            self._faults[kind] = message

    def _take_faults(self) -> dict[str, str]:
        taken, self._faults = self._faults, {}
        return taken


def _complaint(post: Post, labels: Sequence[str]) -> str:
    try:
        check_tags(post.tags or (), labels)
    except LabelError as error:
        return str(error)
    return ""
