import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from mner.contexts.folder import describe_folder, image_names, process_rank
from mner.data.context_files import read_contexts
from mner.data.contexts import attach_contexts
from mner.errors import ConfigurationError, DatasetNotFoundError, FormatError, ImageError, MNERError, OutputError
from mner.posts import Post
from mner.remote_images import remote_path

GOOD = [*(f"{index}.png" for index in range(8)), "more/8.png"]
BAD = ["empty.jpg", "link.png", "text.jpg", "torn.png"]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_image_gets_a_line_and_bad_ones_are_named(picture_folder, tmp_path, colour_captioner):
    output = tmp_path / "new" / "captions.jsonl"
    captioner = colour_captioner()
    report = describe_folder(captioner, picture_folder, output, "colours", batch_size=4)
    assert [line["image_id"] for line in lines(output)] == GOOD
    assert lines(output)[1] == {"image_id": "1.png", "caption": "a green picture", "captioner": "colours"}
    assert (report.written, report.kept, report.complete) == (9, 0, True)
    assert sorted(report.bad) == BAD
    assert "a loop of links" in report.bad["link.png"]
    assert max(captioner.batches) <= 4
    assert [path.name for path in output.parent.iterdir()] == ["captions.jsonl"]
    assert read_contexts(output).by_image["more/8.png"] == "a red picture"


def test_a_fetched_image_is_named_by_its_address(picture_folder, tmp_path, colour_captioner):
    url = "s3://bucket/" + "x" * 200 + ".png?v=1"
    kept = remote_path(url, picture_folder)
    kept.parent.mkdir(parents=True)
    kept.write_bytes((picture_folder / "0.png").read_bytes())
    output = tmp_path / "captions.jsonl"
    describe_folder(colour_captioner(), picture_folder, output, "colours")
    assert [line["image_id"] for line in lines(output)] == [*GOOD, url]
    posts = [Post("1", ("a",), image=kept)]
    ((post,), _) = attach_contexts(posts, "caption", read_contexts(output), picture_folder)
    assert post.contexts == {"caption": lines(output)[0]["caption"]}


def test_a_second_run_does_only_what_is_new(picture_folder, tmp_path, colour_captioner):
    output = tmp_path / "captions.jsonl"
    describe_folder(colour_captioner(), picture_folder, output, "colours")
    (picture_folder / "9.png").write_bytes((picture_folder / "0.png").read_bytes())
    captioner = colour_captioner()
    report = describe_folder(captioner, picture_folder, output, "colours")
    assert captioner.batches == [1]
    assert (report.written, report.kept) == (1, 9)
    assert [line["image_id"] for line in lines(output)] == sorted([*GOOD, "9.png"])


def test_a_cut_off_run_goes_on_behind_its_last_whole_line(picture_folder, tmp_path, colour_captioner):
    output = tmp_path / "captions.jsonl"
    with pytest.raises(KeyboardInterrupt):
        describe_folder(colour_captioner(stop_after=2), picture_folder, output, "colours", batch_size=3)
    assert not output.exists()
    part = tmp_path / "captions.jsonl.part0"
    assert len(lines(part)) == 6
    part.write_bytes(part.read_bytes()[:-5])  # as a power cut leaves it
    captioner = colour_captioner()
    report = describe_folder(captioner, picture_folder, output, "colours", batch_size=3)
    assert report.kept == 5
    assert sum(captioner.batches) == 4
    assert [line["image_id"] for line in lines(output)] == GOOD


def test_lines_of_images_that_are_gone_are_kept(picture_folder, tmp_path, colour_captioner):
    output = tmp_path / "captions.jsonl"
    records = [("0.png", "corrected by hand"), ("gone.png", "a ghost")]
    given = [json.dumps({"image_id": name, "caption": text, "captioner": "colours"}) for name, text in records]
    output.write_text("\n".join(given), encoding="utf-8")
    describe_folder(colour_captioner(), picture_folder, output, "colours")
    found = {line["image_id"]: line["caption"] for line in lines(output)}
    assert found.keys() == {*GOOD, "gone.png"}
    assert found["0.png"] == "corrected by hand"


def test_a_mended_image_is_tried_again(picture_folder, tmp_path, colour_captioner):
    output = tmp_path / "captions.jsonl"
    with pytest.raises(KeyboardInterrupt):
        describe_folder(colour_captioner(stop_after=0), picture_folder, output, "colours")
    (tmp_path / "captions.jsonl.part0").write_text(
        '{"image_id": "torn.png", "error": "torn", "captioner": "colours"}\n', encoding="utf-8"
    )
    (picture_folder / "torn.png").write_bytes((picture_folder / "0.png").read_bytes())
    describe_folder(colour_captioner(), picture_folder, output, "colours")
    assert "torn.png" in {line["image_id"] for line in lines(output)}


@pytest.mark.parametrize(
    "content",
    [
        "notes",
        "notes\n",
        "\udc89PNG",
        "[" * 100_000,
        '{"image_id": "0.png", "caption": "by hand"}\n',
        '{"image_id": "0.png", "caption": "a", "captioner": "colours"}\n{"image_id": "1.p',
    ],
)
def test_a_file_that_is_not_its_own_is_never_overwritten(picture_folder, tmp_path, colour_captioner, content):
    output = tmp_path / "captions.jsonl"
    output.write_text(content, encoding="utf-8", errors="surrogateescape")
    captioner = colour_captioner()
    with pytest.raises(MNERError, match=r"[Gg]ive another --output"):
        describe_folder(captioner, picture_folder, output, "colours")
    assert output.read_text(encoding="utf-8", errors="surrogateescape") == content
    assert captioner.batches == []


def test_an_output_that_cannot_be_replaced_shows_before_the_work(picture_folder, tmp_path, colour_captioner):
    (tmp_path / "link").symlink_to("elsewhere")
    captioner = colour_captioner()
    for output in (tmp_path / "link", Path("/dev/null"), tmp_path):
        with pytest.raises(OutputError, match="expected a file or a new name"):
            describe_folder(captioner, picture_folder, output, "colours")
    assert captioner.batches == []


def test_captioners_do_not_mix(picture_folder, tmp_path, colour_captioner):
    output = tmp_path / "captions.jsonl"
    describe_folder(colour_captioner(), picture_folder, output, "colours")
    with pytest.raises(ConfigurationError, match="was not written by shapes"):
        describe_folder(colour_captioner(), picture_folder, output, "shapes")
    output.write_text('{"image_id": "0.png", "objects": ["dog"]}\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="under 'caption'"):
        describe_folder(colour_captioner(), picture_folder, output, "colours")
    output.write_text('{"image_id"\n{"image_id": "0.png", "caption": "a dog"}\n', encoding="utf-8")
    with pytest.raises(FormatError, match="line 1"):
        describe_folder(colour_captioner(), picture_folder, output, "colours")


def test_images_in_linked_folders_are_found_and_folders_are_no_images(tmp_path):
    folder = tmp_path / "images"
    (folder / "album.jpg").mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    for path in (tmp_path / "shared" / "1.png", folder / "2.JPG", folder / ".3.png"):
        path.touch()
    (folder / "link").symlink_to(tmp_path / "shared")
    assert image_names(folder) == ["2.JPG", "link/1.png"]


def test_folders_without_images_are_refused(tmp_path, colour_captioner):
    with pytest.raises(DatasetNotFoundError, match="no folder"):
        image_names(tmp_path / "nowhere")
    with pytest.raises(DatasetNotFoundError, match="contains no image"):
        image_names(tmp_path)
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ImageError, match="none of the 1 images"):
        describe_folder(colour_captioner(), tmp_path, tmp_path / "captions.jsonl", "colours")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (0, 1)),
        ({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}, (3, 4)),
        ({"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}, (1, 2)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, (0, 1)),
    ],
)
def test_rank_comes_from_the_launcher(monkeypatch, environment, expected):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert process_rank() == expected


def test_an_unknown_rank_is_refused(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("NODE_RANK", "1")
    with pytest.raises(ConfigurationError, match="no RANK"):
        process_rank()


def test_ranks_share_the_images_one_after_the_other(picture_folder, tmp_path, colour_captioner, monkeypatch):
    output = tmp_path / "captions.jsonl"
    monkeypatch.setenv("WORLD_SIZE", "3")
    reports, described = [], 0
    for rank in (2, 0, 1):
        monkeypatch.setenv("RANK", str(rank))
        captioner = colour_captioner()
        reports.append(describe_folder(captioner, picture_folder, output, "colours", batch_size=2))
        described += sum(captioner.batches)
        assert output.exists() == (rank == 1)
    assert [report.complete for report in reports] == [False, False, True]
    assert described == len(GOOD)
    assert sorted(name for report in reports for name in report.bad) == BAD
    assert [line["image_id"] for line in lines(output)] == GOOD


def test_fewer_processes_finish_what_more_began(picture_folder, tmp_path, colour_captioner, monkeypatch):
    output = tmp_path / "captions.jsonl"
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "1")
    first = colour_captioner()
    describe_folder(first, picture_folder, output, "colours")
    monkeypatch.delenv("WORLD_SIZE")
    second = colour_captioner()
    describe_folder(second, picture_folder, output, "colours")
    assert sum(first.batches) + sum(second.batches) == len(GOOD)
    assert [line["image_id"] for line in lines(output)] == GOOD


@pytest.mark.slow
def test_processes_at_once_do_no_image_twice(picture_folder, tmp_path):
    output = tmp_path / "captions.jsonl"
    script = (
        "import sys; sys.path.insert(0, sys.argv[3])\n"
        "from conftest import ColourCaptioner\n"
        "from mner.contexts.folder import describe_folder\n"
        "captioner = ColourCaptioner()\n"
        "describe_folder(captioner, sys.argv[1], sys.argv[2], 'colours', batch_size=1)\n"
        "print(sum(captioner.batches))\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, picture_folder, output, Path(__file__).parent],
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2"},
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        for rank in range(2)
    ]
    described = [int(process.communicate()[0]) for process in started]
    assert sum(described) == len(GOOD)
    assert Counter(line["image_id"] for line in lines(output)) == Counter(GOOD)


def test_one_part_has_one_writer(picture_folder, tmp_path, colour_captioner):
    output = tmp_path / "captions.jsonl"

    class Reentrant(colour_captioner):
        def describe(self, images):
            describe_folder(colour_captioner(), picture_folder, output, "colours")

    with pytest.raises(OutputError, match="another process is writing"):
        describe_folder(Reentrant(), picture_folder, output, "colours")
