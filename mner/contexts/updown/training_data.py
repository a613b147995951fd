"""Training data for your own captioner: captions in COCO's format or JSON lines, and image features."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningDataModule
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.utils.data import DataLoader

from mner.batch import ImageFeatures
from mner.contexts.updown.captioner import UpDown
from mner.data.image_names import ImageFolder, image_path
from mner.data.json_lines import load_json
from mner.data.lines import Line, read_lines
from mner.errors import DataError, FormatError
from mner.images import ImageLoader
from mner.posts import Post
from mner.terminal import printable_lines
from mner.vision.feature_store import FeatureStore


class CaptionData(LightningDataModule):
    """Batches of image features and captions for :class:`~mner.contexts.updown.captioner.UpDown`.

    The features are computed once, into a feature store, so that training does not touch the image encoder. Images
    that cannot be used are named in a warning and left out, with their captions.

    Args:
        model: The captioner, for its image encoder and vocabulary.
        train: Posts with an image and a caption: from :func:`read_captions` or any data set.
        valid: Likewise, for ``val/loss``.
        feature_store: File of the feature store.
        batch_size: Number of captions per batch.
        loader: Opens the images; it may name the folder outside of which none is read.
    """

    def __init__(
        self,
        model: UpDown,
        train: Sequence[Post],
        valid: Sequence[Post],
        feature_store: str | Path,
        batch_size: int = 64,
        loader: ImageLoader | None = None,
    ) -> None:
        super().__init__()
        self.vocabulary = model.vocabulary
        self.image_encoder = model.image_encoder
        self.store = FeatureStore.of(model.image_encoder, feature_store)
        self.batch_size = batch_size
        self.loader = loader or ImageLoader()
        self._given = {"train": train, "valid": valid}
        self._usable: dict[str, list[tuple[Path, str]]] = {}

    def setup(self, stage: str) -> None:
        """Compute the features that are not stored yet.

        Raises:
            DataError: If no image of a split can be used.
        """
        paths = [post.image for posts in self._given.values() for post in posts if post.image is not None]
        trainer = self.trainer
        device = None if trainer is None else trainer.strategy.root_device
        progress = trainer is None or trainer.is_global_zero
        report = self.store.fill(self.image_encoder, paths, self.loader, device=device, progress=progress)
        if report.bad:
            rank_zero_warn(printable_lines(f"captions of unusable images are left out: {report}"))
        for split, posts in self._given.items():
            self._usable[split] = [
                (post.image, post.contexts["caption"])
                for post in posts
                if post.image is not None
                and not post.more_images  # whose captions are joined
                and post.image not in report.bad
                and "caption" in post.contexts
            ]
            if posts and not self._usable[split]:
                raise DataError(f"none of the {len(posts)} {split} posts has a usable image and a caption")

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled batches of image features and word indices."""
        return self._batches("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Batches in the order of the posts."""
        return self._batches("valid", shuffle=False)

    def _batches(self, split: str, shuffle: bool) -> DataLoader[Any]:
        return DataLoader(self._usable[split], self.batch_size, shuffle, collate_fn=self._collate)  # type: ignore[arg-type]

    def _collate(self, examples: Sequence[tuple[Path, str]]) -> tuple[ImageFeatures, Tensor]:
        features = self.store.features([self.loader.locate(path) for path, _ in examples])
        return features, self.vocabulary.encode([caption for _, caption in examples])


def read_captions(path: str | Path, images: str | Path) -> list[Post]:
    """Read training captions: COCO's JSON (``images`` and ``annotations``), or JSON lines.

    A line is ``{"image_id": "x.jpg", "caption": "..."}``; an image may have several lines, or a list of captions.

    Args:
        path: The file.
        images: The folder of the images.

    Returns:
        A post without words for each caption, with its image.

    Raises:
        DatasetNotFoundError: If there is no such file.
        FormatError: If it is of neither format, or names an image that leads out of the folder.
    """
    folder = ImageFolder(Path(images))
    posts = [
        Post(f"{name}#{number}", (), image=image_path(name, folder, line), contexts={"caption": caption})
        for number, (name, caption, line) in enumerate(_captions(list(read_lines(path))), start=1)
    ]
    if not posts:
        raise FormatError(path, None, "there is no caption in it", 'Give lines of {"image_id": ..., "caption": ...}')
    return posts


def _captions(lines: list[Line]) -> Iterator[tuple[str, str, Line]]:
    try:
        whole = json.loads("\n".join(line.text for line in lines))
    except ValueError:
        whole = None  # more than one line of JSON lines
    if isinstance(whole, Mapping) and "annotations" in whole:
        yield from _coco_captions(whole, lines[0])
        return
    for line in lines:
        if line.blank:
            continue
        record = load_json(line)
        found = record.get("caption") if isinstance(record, Mapping) else None
        captions = found if isinstance(found, list) else [found]
        if not found or "image_id" not in record or not all(isinstance(caption, str) for caption in captions):
            raise line.error(f"{line.text:.60}", 'Write {"image_id": "x.jpg", "caption": "..."}')
        for caption in captions:
            yield str(record["image_id"]), str(caption), line


def _coco_captions(whole: Mapping[str, Any], line: Line) -> Iterator[tuple[str, str, Line]]:
    try:
        names = {image["id"]: image["file_name"] for image in whole["images"]}
        for annotation in whole["annotations"]:
            yield names[annotation["image_id"]], annotation["caption"], line
    except (KeyError, TypeError) as error:
        raise line.error(
            f"COCO captions in which {error} is missing",
            'Give {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}',
        ) from error
