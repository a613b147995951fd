"""The demo posts' folder: drawn once, whole or not at all, by any number of processes, and read by the readers."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
from PIL import Image

from mner.data.readers import read_posts
from mner.demo import files, generate_demo_posts
from mner.errors import DataError

SIZE = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "posts"
    generate_demo_posts(SIZE, folder=folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def generate_and_list(folder: Path) -> list[str]:
    generate_demo_posts(SIZE, folder=folder)
    return sorted(contents(folder))


def test_every_picture_is_there_and_opens(folder: Path) -> None:
    pictures = set()
    for posts in generate_demo_posts(SIZE, folder=folder).values():
        for post in posts:
            assert (post.image is None) == (post.metadata["picture"] == "missing")
            if post.image is not None:
                with Image.open(post.image) as image:
                    image.load()
                    assert image.format == "JPEG"
                pictures.add(post.image)
    assert pictures == set((folder / "images").iterdir())
    assert json.loads((folder / files.MANIFEST).read_text(encoding="utf-8")) == {"size": SIZE, "seed": 0, "drawings": 1}


def test_a_second_call_draws_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(folder)

    def fail(path: Path, scene: object) -> None:
        raise AssertionError(f"{path} was drawn again")

    monkeypatch.setattr(files, "draw_file", fail)
    generate_demo_posts(SIZE, folder=folder)
    assert contents(folder) == before


def test_the_folder_reads_through_the_ordinary_readers(folder: Path) -> None:
    for split, posts in generate_demo_posts(SIZE, folder=folder).items():
        read = read_posts(folder / f"{split}.jsonl", images=folder / "images")
        assert read == [replace(post, contexts={}) for post in posts]
        lines = (folder / f"captions.{split}.jsonl").read_text(encoding="utf-8").split("\n")
        captions = {record["id"]: record["caption"] for record in map(json.loads, filter(None, lines))}
        assert captions == {post.id: post.contexts["caption"] for post in posts if post.contexts}


def test_texts_alone_then_pictures(folder: Path, tmp_path: Path) -> None:
    posts = generate_demo_posts(SIZE, folder=tmp_path, pictures=False)
    assert not any((tmp_path / "images").iterdir())
    assert all(post.image is None for of_split in posts.values() for post in of_split)
    generate_demo_posts(SIZE, folder=tmp_path)
    assert contents(tmp_path) == contents(folder)


def test_a_run_that_was_cut_off_is_completed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = 5
    original = Image.Image.save

    def save(self: Image.Image, file: IO[bytes], **options: object) -> None:
        nonlocal left
        if left == 0:
            file.write(b"half")
            raise KeyboardInterrupt
        left -= 1
        original(self, file, **options)

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(KeyboardInterrupt):
        generate_demo_posts(SIZE, folder=tmp_path)
    monkeypatch.undo()
    assert len(contents(tmp_path)) == 5
    generate_demo_posts(SIZE, folder=tmp_path)
    assert contents(tmp_path) == contents(folder)


def test_processes_may_generate_at_the_same_time(folder: Path, tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(3) as pool:
        found = pool.map(generate_and_list, [tmp_path] * 3)
    complete = sorted(contents(folder))
    # A process may still see the temporary files of another, but never misses a file when it is done.
    assert all(set(complete) <= set(of_process) for of_process in found)
    assert contents(tmp_path) == contents(folder)


@pytest.mark.parametrize("other", [{"seed": 1}, {"size": SIZE + 4}])
def test_a_folder_of_other_parameters_is_refused(folder: Path, other: dict[str, int]) -> None:
    before = contents(folder)
    with pytest.raises(DataError, match="give another folder"):
        generate_demo_posts(**{"size": SIZE, **other}, folder=folder)
    assert contents(folder) == before


def test_a_foreign_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.jsonl contains other data"):
        generate_demo_posts(SIZE, folder=tmp_path)
    assert contents(tmp_path) == {"train.jsonl": b"mine"}
