"""The feature store: computed once, by content and weights, for many readers, through any kill."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import fields, replace
from itertools import chain, repeat
from multiprocessing import get_all_start_methods, get_context

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from mner.errors import ConfigurationError, DataError, ImageError, OutputError
from mner.images import ImageLoader
from mner.vision import lmdb_file
from mner.vision.faster_rcnn import FasterRCNN
from mner.vision.feature_store import FeatureStore
from mner.vision.grid import Grid


@pytest.fixture
def file(tmp_path):
    return tmp_path / "store" / "features.lmdb"


def direct(encoder, paths):
    pixels = torch.stack([encoder.image_transform(Image.open(path).convert("RGB")) for path in paths])
    return encoder(pixels, torch.ones(len(paths), dtype=torch.bool))


def assert_same(features, expected, tolerance=1e-6):
    for field in fields(expected):
        found, part = getattr(features, field.name), getattr(expected, field.name)
        assert (found is None) == (part is None)
        if part is not None:
            assert torch.allclose(found.float(), part.float(), atol=tolerance)


def filled(encoder, file, paths, **options):
    store = FeatureStore.of(encoder, file, **options)
    return store, store.fill(encoder, paths)


def test_every_image_is_encoded_once_and_read_as_computed(tiny_encoder, pictures, file):
    paths = pictures(20)
    encoder = tiny_encoder()
    store = FeatureStore.of(encoder, file)
    report = store.fill(encoder, [*paths, *paths[:5]], batch_size=4)
    assert (report.computed, report.reused, report.bad) == (20, 0, {})
    assert encoder.encoded == 20
    again, report = filled(fresh := tiny_encoder(), file, paths)
    assert (report.computed, report.reused, fresh.encoded) == (0, 20, 0)
    assert_same(again.features(paths[::-1]), direct(encoder, paths[::-1]))


def test_a_row_without_a_key_is_masked_out(tiny_encoder, pictures, file):
    paths = pictures(2)
    store, _ = filled(tiny_encoder(), file, paths)
    features = store.read([store.key_of(paths[0]), None])
    assert features.present.tolist() == [True, False]
    assert not features.regions[1].any()


def test_images_with_fewer_regions_are_padded(file, tiny_encoder, pictures):
    class Growing(tiny_encoder):
        def encode(self, pixels):
            features = super().encode(pixels)
            self.count = getattr(self, "count", 0) + 1
            kept = {name: getattr(features, name)[:, : self.count] for name in ("regions", "mask")}
            return replace(features, **kept)

    paths = pictures(2)
    encoder = Growing()
    store = FeatureStore.of(encoder, file)
    store.fill(encoder, paths, batch_size=1)
    features = store.features(paths)
    assert features.mask.tolist() == [[True, False], [True, True]]
    assert features.regions.shape == (2, 2, 3)
    assert not features.regions[0, 1].any()


def test_the_same_content_is_encoded_once_whatever_its_name(tiny_encoder, pictures, tmp_path, file):
    (path,) = pictures(1)
    twin = shutil.copy(path, tmp_path / "twin.png")
    encoder = tiny_encoder()
    for images, counts in (([path, twin], (1, 1)), ([twin, path], (0, 2))):
        store, report = filled(encoder, file, images)
        assert (report.computed, report.reused) == counts
    assert encoder.encoded == 1
    moved = shutil.move(twin, tmp_path / "moved.png")
    assert_same(store.features([moved]), direct(encoder, [path]))
    assert store.key_of(path.read_bytes()) == store.key_of(path)
    assert store.key_of(b"another image") is None


def test_a_changed_image_misses_even_under_its_old_date_and_size(tiny_encoder, pictures, file):
    first, second = (path.write_bytes(path.read_bytes().ljust(4000, b"\0")) and path for path in pictures(2))
    store, _ = filled(tiny_encoder(), file, [first])
    status = first.stat()
    first.write_bytes(second.read_bytes())
    os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert first.stat().st_size == status.st_size
    assert store.key_of(first) is None
    with pytest.raises(DataError, match=r"has no features of .*0\.png; fill it first"):
        store.features([first])


def test_files_that_were_seen_are_not_read_again(tiny_encoder, pictures, file, monkeypatch):
    paths = pictures(3)
    filled(tiny_encoder(), file, paths)
    monkeypatch.setattr("mner.vision.feature_store.open_image_file", lambda path: pytest.fail("a file was read"))
    monkeypatch.setattr(ImageLoader, "open", lambda self, path: pytest.fail("a file was read"))
    store, report = filled(tiny_encoder(), file, paths)
    assert report.reused == 3
    assert store.features(paths).present.all()


def test_other_weights_settings_and_precisions_miss(tiny_encoder, pictures, file):
    paths = pictures(1)
    encoder = tiny_encoder(weight=1.0)
    store, _ = filled(encoder, file, paths)
    assert FeatureStore.of(encoder, file).key_of(paths[0]) == store.key_of(paths[0])
    for options in ({"half_precision": True}, {"precision": "bf16-mixed"}):
        assert FeatureStore.of(encoder, file, **options).key_of(paths[0]) is None
    assert FeatureStore.of(tiny_encoder(weight=2.0), file).key_of(paths[0]) is None
    with torch.no_grad():
        encoder.weight.fill_(3.0)
    assert FeatureStore.of(encoder, file).key_of(paths[0]) is None
    with pytest.raises(ConfigurationError, match="cannot be stored"):
        FeatureStore.of(tiny_encoder(frozen=False), file)


def test_half_precision_takes_half_the_room(tiny_encoder, pictures, file):
    class Wide(tiny_encoder):
        def encode(self, pixels):
            features = super().encode(pixels)
            return replace(features, regions=features.regions.repeat(1, 1, 2000))

    paths = pictures(40)
    encoder = Wide()
    sizes = {}
    for half in (False, True):
        path = file.with_name(f"{half}.lmdb")
        store, _ = filled(encoder, path, paths, half_precision=half)
        sizes[half] = path.stat().st_size
        features = store.features(paths)
        assert features.regions.dtype == torch.float32
        assert_same(features, direct(encoder, paths), tolerance=1e-3)
    assert 0.4 < sizes[True] / sizes[False] < 0.65


@pytest.mark.parametrize(
    ("value", "half", "message"), [(1e6, True, "exceed half precision"), (np.nan, False, "finite")]
)
def test_numbers_that_cannot_be_kept_are_refused(tiny_encoder, pictures, file, value, half, message):
    encoder = tiny_encoder()
    torch.nn.init.constant_(encoder.weight, value)
    with pytest.raises(ConfigurationError, match=message):
        filled(encoder, file, pictures(1), half_precision=half)


def test_regions_keep_their_boxes_classes_and_scores(pictures, file):
    torch.manual_seed(0)
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    encoder = FasterRCNN(name, weights=None, image_size=64, max_regions=3, score_threshold=0.0, num_classes=3)
    paths = pictures(2)
    store, _ = filled(encoder, file, paths)
    images = encoder.image_transform.collate([encoder.image_transform(Image.open(path)) for path in paths])
    assert_same(store.features(paths), encoder(images, torch.tensor([True, True])), tolerance=1e-4)


@pytest.mark.parametrize("half", [False, True])
def test_stored_features_agree_with_live_ones_under_autocast(pictures, file, half):
    """Within 1 % of the largest feature: bfloat16 has 8 bits, and batches of another size round differently."""
    torch.manual_seed(0)
    encoder = Grid("test_resnet", weights=None, image_size=64)
    paths = pictures(6)
    pixels = torch.stack([encoder.image_transform(Image.open(path).convert("RGB")) for path in paths])
    context = lambda: torch.autocast("cpu", torch.bfloat16)  # noqa: E731
    with context():
        live = encoder(pixels, torch.ones(6, dtype=torch.bool))
    assert live.regions.dtype == torch.bfloat16
    store = FeatureStore.of(encoder, file, half_precision=half, precision="bf16-mixed")
    store.fill(encoder, paths, batch_size=4, precision_context=context)
    stored = store.features(paths)
    for part in ("regions", "pooled"):
        expected = getattr(live, part).float()
        assert (getattr(stored, part) - expected).abs().max() < 0.01 * expected.abs().max()


def test_an_encoder_in_bfloat16_fills_the_store(pictures, file):
    encoder = Grid("test_resnet", weights=None, image_size=64).to(torch.bfloat16)
    paths = pictures(2)
    store, _ = filled(encoder, file, paths)
    assert store.features(paths).regions.dtype == torch.float32


def test_bad_images_are_counted_and_ten_are_named(tiny_encoder, pictures, tmp_path, file):
    paths = pictures(3)
    outside = shutil.copy(paths[0], tmp_path / "outside.png")
    bad = [tmp_path / "pictures" / f"absent_{index}.png" for index in range(11)]
    broken = tmp_path / "pictures" / "broken.png"
    broken.write_bytes(b"nothing")
    loader = ImageLoader((tmp_path / "pictures",))
    encoder = tiny_encoder()
    store = FeatureStore.of(encoder, file)
    report = store.fill(encoder, [broken, outside, *paths, *bad], loader)
    assert report.computed == 3
    assert report.bad.keys() == {broken, outside, *bad}
    lines = str(report).split("\n")
    assert lines[0] == "3 images computed, 0 already stored, 13 unusable"
    assert "not an image" in lines[1]
    assert "outside the image folder" in lines[2]
    assert "no such file" in lines[3]
    assert lines[-1].strip() == "and 3 more"
    assert len(lines) == 12
    with pytest.raises(ImageError, match=r"absent_0\.png: no such file"):
        store.fill(encoder, bad, replace(loader, on_bad_image="error"))


def test_the_file_grows_under_readers(tiny_encoder, pictures, file, monkeypatch):
    monkeypatch.setattr(lmdb_file, "FIRST_SIZE", 1 << 16)
    paths = pictures(60)
    encoder = tiny_encoder()
    store = FeatureStore.of(encoder, file)
    store.fill(encoder, paths[:1])
    script = f"""
import pickle, sys
from mner.vision.feature_store import FeatureStore
store, first, others = pickle.loads({pickle.dumps((store, paths[0], paths[1:]))!r})
assert store.key_of(first)
print("ready", flush=True)
sys.stdin.readline()
assert all(store.key_of(path) for path in others)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, encoding="utf-8") as reader:
        assert reader.stdout.readline() == "ready\n"
        lmdb_file.write(file, [(bytes([number]) * 9, bytes(20_000)) for number in range(60)])
        store.fill(encoder, paths)
        reader.communicate("\n")
    assert reader.returncode == 0
    assert_same(store.features(paths), direct(encoder, paths))


def test_several_fill_without_doing_an_image_twice(tiny_encoder, pictures, file):
    paths = pictures(30)
    encoders = [tiny_encoder() for _ in range(3)]
    store = FeatureStore.of(encoders[0], file)
    threads = [threading.Thread(target=store.fill, args=(encoder, paths)) for encoder in encoders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(encoder.encoded for encoder in encoders) == 30


class Keys:
    """What a collator does with a store: looks keys up and reads."""

    def __init__(self, store):
        self.store = store

    def __call__(self, paths):
        return self.store.read([self.store.key_of(path) for path in paths]).regions


STARTS = [name if name == "fork" else pytest.param(name, marks=pytest.mark.slow) for name in get_all_start_methods()]


@pytest.mark.parametrize("method", STARTS)
def test_loader_workers_read_what_their_parent_has_open(tiny_encoder, pictures, file, method):
    paths = pictures(8)
    encoder = tiny_encoder()
    store, _ = filled(encoder, file, paths)
    expected = store.features(paths).regions
    loader = DataLoader(paths, 2, collate_fn=Keys(store), num_workers=2, multiprocessing_context=method)
    for _ in range(2):
        assert torch.equal(torch.cat(list(loader)), expected)
    assert torch.equal(store.features(paths).regions, expected)


def fill_slowly(store, encoder, paths):
    """Never reach the end, however late the kill comes: the last image takes ten minutes."""
    torch.set_num_threads(1)
    plain = encoder.encode
    seconds = chain(repeat(0.02, len(paths) - 1), [600])
    encoder.encode = lambda pixels: time.sleep(next(seconds)) or plain(pixels)
    store.fill(encoder, paths, batch_size=1)


@pytest.mark.skipif("fork" not in get_all_start_methods(), reason="needs fork")
@pytest.mark.parametrize("moment", [0.05, 0.3, 0.6])
def test_a_killed_process_leaves_a_store_that_the_next_completes(tiny_encoder, pictures, file, monkeypatch, moment):
    monkeypatch.setattr("mner.vision.feature_store.WRITE_SECONDS", 0.1)
    paths = pictures(40)
    encoder = tiny_encoder()
    store = FeatureStore.of(encoder, file)
    filler = get_context("fork").Process(target=fill_slowly, args=(store, encoder, paths))
    filler.start()
    while not file.exists():
        assert filler.is_alive()
        time.sleep(0.005)
    time.sleep(moment)
    os.kill(filler.pid, signal.SIGKILL)
    filler.join()
    report = store.fill(encoder, paths)
    assert report.computed > 0
    assert report.computed + report.reused == 40
    assert_same(store.features(paths), direct(encoder, paths))


def test_a_full_disk_is_one_error_and_loses_nothing(tiny_encoder, pictures, file, monkeypatch):
    import lmdb

    paths = pictures(4)
    encoder = tiny_encoder()
    store, _ = filled(encoder, file, paths[:2])
    begin = lmdb_file._begin

    @contextmanager
    def full(path, write):
        with begin(path, write) as transaction:
            yield transaction
            if write:
                raise lmdb.DiskError("mdb_txn_commit: No space left on device")

    monkeypatch.setattr(lmdb_file, "_begin", full)
    with pytest.raises(OutputError, match=r"cannot write .*features\.lmdb: .*No space left on device"):
        store.fill(encoder, paths)
    monkeypatch.undo()
    assert_same(store.features(paths[:2]), direct(encoder, paths[:2]))
    assert store.fill(encoder, paths).computed == 2


def test_a_store_that_was_deleted_is_filled_again_in_the_same_process(tiny_encoder, pictures, file):
    encoder, paths = tiny_encoder(), pictures(2)
    for _ in range(2):
        store, report = filled(encoder, file, paths)
        assert report.computed == 2
        assert_same(store.features(paths), direct(encoder, paths))
        file.unlink()


def test_what_is_no_store(tiny_encoder, pictures, file, tmp_path):
    (path,) = pictures(1)
    encoder = tiny_encoder()
    with pytest.raises(DataError, match=r"no feature store at .*features\.lmdb .*mner cache"):
        FeatureStore.of(encoder, file).key_of(path)
    (tmp_path / "notes.txt").write_text("something else, which is longer than a page" * 200, encoding="utf-8")
    for other in (tmp_path / "notes.txt", path, tmp_path):
        before = other.read_bytes() if other.is_file() else None
        with pytest.raises((DataError, OutputError), match=r"feature store|cannot write"):
            FeatureStore.of(encoder, other).fill(encoder, [path])
        assert before is None or other.read_bytes() == before


def test_a_store_that_was_cut_off_is_refused(tiny_encoder, pictures, file):
    paths = pictures(60)
    encoder = tiny_encoder()
    filled(encoder, file, paths)
    lmdb_file.write(file, [(b"much", bytes(1_000_000))])
    cut = file.with_name("cut.lmdb")
    cut.write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(DataError, match=r"cut\.lmdb is cut off"):
        FeatureStore.of(encoder, cut).key_of(paths[0])


def test_a_store_on_a_read_only_medium_is_read(tiny_encoder, pictures, file, monkeypatch):
    paths = pictures(2)
    store, _ = filled(tiny_encoder(), file, paths)
    copy = file.with_name("copy.lmdb")
    shutil.copy(file, copy)
    monkeypatch.setattr(lmdb_file.os, "access", lambda path, mode: mode != os.W_OK)
    assert_same(replace(store, path=copy).features(paths), store.features(paths))
    assert not copy.with_name("copy.lmdb-lock").exists()
    with pytest.raises(OutputError, match="cannot write"):
        replace(store, path=copy).fill(tiny_encoder(), paths)


def test_a_progress_bar(tiny_encoder, pictures, file, capsys):
    encoder = tiny_encoder()
    paths = pictures(3)
    FeatureStore.of(encoder, file).fill(encoder, paths, progress=True)
    assert "3/3" in capsys.readouterr().out
    FeatureStore.of(encoder, file).fill(encoder, paths, progress=True)
    assert not capsys.readouterr().out  # there is nothing to encode
