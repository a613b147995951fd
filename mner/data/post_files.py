"""A user's own posts, from files of any format that mner reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_info

from mner.data.contexts import folders_that_share, with_contexts
from mner.data.datamodule import PostDataModule
from mner.data.iob1 import iob1_to_bio, is_iob1
from mner.data.large_files import open_posts
from mner.data.large_sets import changed, facts_of
from mner.data.post_facts import PostFacts
from mner.data.splits import Split, place_of
from mner.errors import DataError, DatasetNotFoundError, LabelError
from mner.labels import OUTSIDE, labels_for, scheme_of, types_of
from mner.paths import expanded, is_file, is_folder, is_there, not_there
from mner.posts import Post
from mner.remote_images import RemoteImages
from mner.terminal import printable
from mner.word_tokenizers import TweetTokenizer, WordTokenizer


class PostFiles(PostDataModule):
    """Posts from files; their label set consists of the tags that occur.

    The arguments that are not listed here are those of :class:`~mner.data.PostDataModule`.

    Args:
        train: Training posts, in any format of the formats page.
        valid: Validation posts; the best checkpoint is chosen on them.
        test: Test posts, if there are any.
        images: Folder of the images that the posts name, with ``{split}`` in place of the split's name (``train``;
            ``valid``, ``dev`` or ``val``; ``test``) if there is one per split.
        annotator: Whose annotation to read, where several people annotated a task of Label Studio: an id or e-mail
            address, or ``first`` or ``last``.
        tag_column: The column of the tags in CoNLL, counted from 1; by default the last one.
        columns: Names of the columns of tables, or of the keys of JSON, by mner's key: ``{"text": "tweet"}``.
        context_files: File of a kind, with ``{split}`` in place of the split's name, as for ``images``, if there is one
            per split.
        word_tokenizer: Splits the text of raw posts into words. By default a
            :class:`~mner.word_tokenizers.TweetTokenizer`, which keeps ``#`` and ``@`` with the word after them only
            if the training file comes as words of which most do.
        remote_images: What images at an address may be fetched into the image folder; by default none.

    Raises:
        DatasetNotFoundError: If none of the files is there; one that is missing is an error when its split is read.
        DataError: If there is no such image folder.
        LabelError: If files differ in their tagging scheme.
    """

    def __init__(
        self,
        train: str | Path | None = None,
        valid: str | Path | None = None,
        test: str | Path | None = None,
        images: str | Path | None = None,
        annotator: str | None = None,
        tag_column: int | None = None,
        columns: Mapping[str, str] | None = None,
        contexts: Sequence[str] = (),
        context_files: Mapping[str, str] | None = None,
        batch_size: int = 32,
        max_tokens: int | None = None,
        word_tokenizer: WordTokenizer | None = None,
        train_fraction: float = 1.0,
        seed: int | None = None,
        num_workers: int = 0,
        max_missing_images: float = 0.5,
        remote_images: RemoteImages | None = None,
    ) -> None:
        super().__init__(batch_size, max_tokens, contexts, train_fraction, seed, num_workers, max_missing_images)
        given: dict[Split, str | Path | None] = {"train": train, "valid": valid, "test": test}
        self.files: dict[Split, Path] = {split: expanded(path) for split, path in given.items() if path is not None}
        self.remote_images = RemoteImages(**remote_images) if isinstance(remote_images, Mapping) else remote_images
        self.images = None if images is None else expanded(images).absolute()
        self.context_files = {kind: str(expanded(path)) for kind, path in (context_files or {}).items()}
        # One that is missing is an error when its split is read: scoring a split needs no other.
        there = [split for split, path in self.files.items() if is_there(path)] or list(self.files)
        self._read: dict[Split, Sequence[Post]] = {
            split: open_posts(
                self.split_file(split),
                images=self.split_images(split),
                annotator=annotator,
                tag_column=tag_column,
                columns=columns,
                remote=self.remote_images,
            )
            for split in there
        }
        if is_iob1(sum(map(facts_of, self._read.values()), PostFacts())):
            self._read = {split: changed(posts, iob1_to_bio) for split, posts in self._read.items()}
            rank_zero_info(
                "the tags are IOB1, where B- only separates adjacent entities of a type; they are read as BIO"
            )
        lone_marks = facts_of(self._read.get("train", [])).lone_marks
        self.word_tokenizer = word_tokenizer or TweetTokenizer(split_marks=lone_marks >= 0)
        self.labels = find_labels(self._read)
        rank_zero_info(printable(f"labels found in the data: {', '.join(self.labels)}"))

    def read(self, split: Split) -> Sequence[Post]:
        """The posts of a split's file, with their contexts.

        Raises:
            DatasetNotFoundError: If no file was given for the split.
        """
        self.split_file(split)
        files = {
            each: {kind: place_of(path, each, is_file) for kind, path in self.context_files.items()}
            for each in self._read
        }
        images = {each: self.split_images(each) for each in self._read}
        shared = folders_that_share(split, files, images)
        return with_contexts(self._read[split], self.context_kinds, files[split], split, images[split], shared)

    def split_images(self, split: Split) -> Path | None:
        """The image folder, which may be one per split; it is created for images that are fetched.

        Raises:
            DataError: If it is not there, and none are fetched.
        """
        if self.images is None:
            return None
        folder = place_of(self.images, split, is_folder)
        if not is_folder(folder) and self.remote_images is None:
            raise DataError(
                f"no image folder {folder}; correct images, create it for images within the data, or leave it out"
            )
        return folder

    def split_file(self, split: Split) -> Path:
        """The file that was given for a split.

        Raises:
            DatasetNotFoundError: If none was given, or it is not there.
        """
        if split not in self.files:
            raise DatasetNotFoundError(
                f"no {split} file was given; name it with --data.init_args.{split} FILE ({split}=FILE in Python)"
            )
        if not is_there(self.files[split]):
            raise DatasetNotFoundError(f"{split} split: {not_there(self.files[split])}")
        return self.files[split]


def find_labels(splits: Mapping[Split, Sequence[Post]]) -> list[str]:
    """The label set of annotated posts: ``O``, then the tags of each type in alphabetical order.

    Raises:
        LabelError: If the splits are not tagged in one scheme; names each one's.
    """
    tags = {split: {*facts_of(posts).tags} - {OUTSIDE} for split, posts in splits.items()}
    schemes = {split: scheme_of(found) for split, found in tags.items() if found}
    if len(set(schemes.values())) > 1:
        found = ", ".join(f"{scheme} in {split}" for split, scheme in schemes.items())
        raise LabelError(f"expected one tagging scheme, got {found}; convert with mner.labels.to_bio or to_bioes")
    return labels_for(sorted(types_of(set().union(*tags.values()))), next(iter(schemes.values()), "BIO"))
