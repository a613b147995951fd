"""Features on disk: whole or not at all, every part kept, padded where widths differ."""

import logging
import pickle
import threading
from pathlib import Path

import pytest
import torch

from mner.batch import ImageFeatures
from mner.errors import ConfigurationError
from mner.vision.shards import Shards, bucket_of

KEYS = [f"00{index:030x}" for index in range(4)]


def features(count, regions=3, **parts):
    return ImageFeatures(
        torch.randn(count, regions, 5), torch.ones(count, regions, dtype=torch.bool), torch.randn(count, 5), **parts
    )


def test_every_part_is_kept(tmp_path):
    shards = Shards(tmp_path)
    written = features(
        2, boxes=torch.rand(2, 3, 4), classes=torch.randint(0, 90, (2, 3)), scores=torch.rand(2, 3)
    )  # fmt: skip
    written.mask[1, 2] = False
    shards.write(KEYS[:2], written)
    for opened in (shards, Shards(tmp_path), pickle.loads(pickle.dumps(shards))):
        assert KEYS[0] in opened
        assert KEYS[2] not in opened
        read = opened.read([KEYS[1], None, KEYS[0]])
        for name, part in vars(written).items():
            assert torch.equal(getattr(read, name)[[2, 0]], part)
            assert not getattr(read, name)[1].any()


def test_regions_of_different_number_are_padded_and_masked(tmp_path):
    shards = Shards(tmp_path)
    few, many = features(1, 2), features(1, 4)
    shards.write(KEYS[:1], few)
    shards.write(KEYS[1:2], many)
    read = shards.read(KEYS[:2])
    assert torch.equal(read.regions[0, :2], few.regions[0])
    assert torch.equal(read.regions[1], many.regions[0])
    assert read.mask.sum(1).tolist() == [2, 4]
    assert not read.regions[0, 2:].any()


def test_half_precision(tmp_path):
    shards = Shards(tmp_path)
    written = features(1, boxes=torch.rand(1, 3, 4))
    shards.write(KEYS[:1], written, half=True)
    read = shards.read(KEYS[:1])
    assert read.regions.dtype == torch.float32
    assert torch.equal(read.regions, written.regions.half().float())
    assert torch.equal(read.boxes, written.boxes)
    with pytest.raises(ConfigurationError, match="regions exceed half precision"):
        shards.write(KEYS[1:2], ImageFeatures(written.regions * 1e6, written.mask, written.pooled), half=True)
    assert KEYS[1] not in Shards(tmp_path)


def test_a_lock_excludes_others_and_clears_what_a_dead_owner_left(tmp_path):
    ours, theirs = Shards(tmp_path), Shards(tmp_path)
    bucket = bucket_of(KEYS[0])
    torn = tmp_path / "unfinished" / f"{bucket:02d}" / f"{bucket:02d}-half.safetensors"
    with ours.lock(bucket, wait=False) as held:
        assert held
        with theirs.lock(bucket, wait=False) as second:
            assert not second
        with theirs.lock(bucket + 1, wait=False) as other:
            assert other
        ours.write(KEYS[:1], features(1))
        torn.write_bytes(next(tmp_path.glob("*.safetensors")).read_bytes())  # whole, and not yet moved
    assert len(Shards(tmp_path)._scanned) == 1
    assert Shards(tmp_path).read(KEYS[:1]).mask.all()
    with theirs.lock(bucket, wait=True) as held:
        assert held
        assert KEYS[0] in theirs
    assert not torn.exists()


def test_a_waiting_process_goes_on_when_the_lock_is_free(tmp_path):
    ours, theirs = Shards(tmp_path), Shards(tmp_path)
    order = []

    def wait():
        with theirs.lock(0, wait=True):
            order.append("theirs")

    with ours.lock(0, wait=False):
        thread = threading.Thread(target=wait)
        thread.start()
        order.append("ours")
    thread.join(timeout=10)
    assert order == ["ours", "theirs"]


def test_a_damaged_file_is_said_and_counts_as_absent(tmp_path, caplog):
    Shards(tmp_path).write(KEYS[:1], features(1))
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-10])
    with caplog.at_level(logging.WARNING):
        assert KEYS[0] not in Shards(tmp_path)
    assert "is damaged" in caplog.text


def test_the_files_stay_closed(tmp_path):
    """Maps are made without keeping a descriptor, of which a process has few."""
    path = Path("/proc/self/fd")
    if not path.exists():
        pytest.skip("needs /proc")
    shards = Shards(tmp_path)
    for index in range(30):
        shards.write([f"00{index:030x}"], features(1))
    before = len(list(path.iterdir()))
    shards.read([f"00{index:030x}" for index in range(30)])
    assert len(list(path.iterdir())) <= before + 1
