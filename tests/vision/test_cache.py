"""The feature cache: computed once, by content and weights, by many processes, through any kill."""

import json
import os
import shutil
import signal
import threading
import time
from multiprocessing import get_all_start_methods, get_context

import pytest
import torch
from PIL import Image

from mner.errors import ConfigurationError, DataError, ImageError
from mner.images import ImageLoader
from mner.vision import content
from mner.vision.cache import FeatureCache
from mner.vision.faster_rcnn import FasterRCNN


def direct(encoder, paths):
    pixels = torch.stack([encoder.image_transform(Image.open(path).convert("RGB")) for path in paths])
    return encoder(pixels, torch.ones(len(paths), dtype=torch.bool))


def assert_same(features, expected, tolerance=1e-6):
    for name, part in vars(expected).items():
        found = getattr(features, name)
        assert (found is None) == (part is None)
        if part is not None:
            assert torch.allclose(found.float(), part.float(), atol=tolerance)


def test_every_image_is_encoded_once_and_read_as_computed(tiny_encoder, pictures, tmp_path):
    paths = pictures(20)
    encoder = tiny_encoder()
    cache = FeatureCache(tmp_path / "cache", encoder)
    report = cache.fill([*paths, *paths[:5]], batch_size=4)
    assert (report.computed, report.reused, report.bad) == (20, 0, {})
    assert encoder.encoded == 20
    fresh = FeatureCache(tmp_path / "cache", tiny_encoder())
    assert fresh.fill(paths).reused == 20
    assert fresh.encoder.encoded == 0
    shuffled = paths[::-1]
    assert_same(fresh.features(shuffled), direct(encoder, shuffled))


def test_the_same_content_under_two_names_is_encoded_once(tiny_encoder, pictures, tmp_path):
    (path,) = pictures(1)
    twin = shutil.copy(path, tmp_path / "twin.png")
    encoder = tiny_encoder()
    cache = FeatureCache(tmp_path / "cache", encoder)
    report = cache.fill([path, twin])
    assert (report.computed, report.reused) == (1, 1)
    assert encoder.encoded == 1
    assert_same(cache.features([twin]), direct(encoder, [path]))


def test_a_changed_image_misses(tiny_encoder, pictures, tmp_path):
    first, second = pictures(2)
    cache = FeatureCache(tmp_path / "cache", tiny_encoder())
    cache.fill([first])
    shutil.copy(second, first)
    assert cache.key_of(first) is None
    with pytest.raises(DataError, match=r"holds no features of .*0\.png; fill it first"):
        cache.features([first])
    assert cache.fill([first]).computed == 1
    assert_same(cache.features([first]), direct(cache.encoder, [second]))


def test_other_weights_and_other_settings_miss(tiny_encoder, pictures, tmp_path):
    paths = pictures(3)
    encoder = tiny_encoder(weight=1.0)
    cache = FeatureCache(tmp_path / "cache", encoder)
    cache.fill(paths)
    changed = tiny_encoder(weight=1.0)
    with torch.no_grad():
        changed.weight.fill_(2.0)
    assert FeatureCache(tmp_path / "cache", changed).key_of(paths[0]) is None
    assert FeatureCache(tmp_path / "cache", tiny_encoder(weight=1.0), half=True).key_of(paths[0]) is None
    with torch.no_grad():
        encoder.weight.fill_(3.0)
    assert cache.fill(paths).computed == 3
    assert_same(cache.features(paths), direct(encoder, paths))
    cache.encoder.load_state_dict(tiny_encoder(weight=4.0).state_dict())
    assert cache.key_of(paths[0]) is None
    with pytest.raises(ConfigurationError, match="cannot be cached"):
        FeatureCache(tmp_path / "cache", tiny_encoder(frozen=False))


def test_half_precision_takes_half_the_room(tiny_encoder, pictures, tmp_path):
    paths = pictures(5)
    cache = FeatureCache(tmp_path / "cache", tiny_encoder(), half=True)
    cache.fill(paths)
    features = cache.features(paths)
    assert features.regions.dtype == torch.float32
    assert_same(features, direct(cache.encoder, paths), tolerance=1e-3)


def test_regions_keep_their_boxes_classes_and_scores(pictures, tmp_path):
    torch.manual_seed(0)
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    encoder = FasterRCNN(name, weights=None, image_size=64, max_regions=3, score_threshold=0.0, num_classes=3)
    paths = pictures(2)
    cache = FeatureCache(tmp_path / "cache", encoder)
    cache.fill(paths)
    images = encoder.image_transform.collate([encoder.image_transform(Image.open(path)) for path in paths])
    assert_same(cache.features(paths), encoder(images, torch.tensor([True, True])), tolerance=1e-4)


def test_bad_images_are_reported_or_refused(tiny_encoder, pictures, tmp_path):
    paths = [*pictures(3), tmp_path / "pictures" / "absent.png", tmp_path / "pictures" / "broken.png"]
    paths[-1].write_bytes(b"nothing")
    cache = FeatureCache(tmp_path / "cache", tiny_encoder())
    report = cache.fill(paths, ImageLoader((tmp_path / "pictures",)))
    assert report.computed == 3
    assert report.bad.keys() == set(paths[3:])
    assert "no such file" in report.bad[paths[3]]
    for bad in paths[3:]:
        with pytest.raises(ImageError, match=bad.name):
            cache.fill([bad], ImageLoader(on_bad_image="error"))


def test_unchanged_files_are_not_read_again(tiny_encoder, pictures, tmp_path, monkeypatch):
    paths = pictures(3)
    FeatureCache(tmp_path / "cache", tiny_encoder()).fill(paths)
    monkeypatch.setattr(content, "hash_file", lambda path: pytest.fail("an image was hashed again"))
    cache = FeatureCache(tmp_path / "cache", tiny_encoder())
    cache.fill(paths)
    assert cache.features(paths).present.all()


def test_several_fill_without_doing_an_image_twice(tiny_encoder, pictures, tmp_path):
    paths = pictures(60)
    caches = [FeatureCache(tmp_path / "cache", tiny_encoder()) for _ in range(3)]
    for cache in caches:
        slow = cache.encoder.encode
        cache.encoder.encode = lambda pixels, slow=slow: time.sleep(0.01) or slow(pixels)
    threads = [threading.Thread(target=cache.fill, args=(paths,), kwargs={"batch_size": 2}) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(cache.encoder.encoded for cache in caches) == 60
    assert all(cache.encoder.encoded < 60 for cache in caches)
    for cache in caches:
        assert_same(cache.features(paths), direct(tiny_encoder(), paths))


def fill_slowly(cache, paths):
    torch.set_num_threads(1)
    plain = cache.encoder.encode
    cache.encoder.encode = lambda pixels: time.sleep(0.02) or plain(pixels)
    cache.fill(paths, batch_size=2)


@pytest.mark.skipif("fork" not in get_all_start_methods(), reason="needs fork")
def test_a_killed_process_leaves_a_cache_that_others_complete(tiny_encoder, pictures, tmp_path):
    paths = pictures(60)
    fork = get_context("fork")
    fillers = [
        fork.Process(target=fill_slowly, args=(FeatureCache(tmp_path / "cache", tiny_encoder()), paths))
        for _ in range(2)
    ]
    for filler in fillers:
        filler.start()
    deadline = time.time() + 60
    while len(list((tmp_path / "cache").glob("*/*.safetensors"))) < 6 and time.time() < deadline:
        time.sleep(0.01)
    for filler in fillers:
        os.kill(filler.pid, signal.SIGKILL)
        filler.join()
    cache = FeatureCache(tmp_path / "cache", tiny_encoder())
    report = cache.fill(paths)
    assert report.computed > 0
    assert report.reused >= 6
    assert report.computed + report.reused == 60
    assert_same(cache.features(paths), direct(cache.encoder, paths))


def test_a_kill_in_the_middle_of_a_write(tiny_encoder, pictures, tmp_path, monkeypatch):
    paths = pictures(8)
    cache = FeatureCache(tmp_path / "cache", tiny_encoder())
    written = []

    def torn(tensors, file, metadata):
        if len(written) == 2:
            file.write_bytes(b"half a file")
            raise KeyboardInterrupt
        written.append(file)
        from safetensors.torch import save_file

        save_file(tensors, file, metadata)

    monkeypatch.setattr("mner.vision.shards.save_file", torn)
    with pytest.raises(KeyboardInterrupt):
        cache.fill(paths, batch_size=1)
    monkeypatch.undo()
    again = FeatureCache(tmp_path / "cache", tiny_encoder())
    report = again.fill(paths)
    assert (report.computed, report.reused) == (6, 2)
    assert_same(again.features(paths), direct(again.encoder, paths))
    assert not list((tmp_path / "cache").glob("*/unfinished/*/*"))


def test_a_progress_bar(tiny_encoder, pictures, tmp_path, capsys):
    FeatureCache(tmp_path / "cache", tiny_encoder()).fill(pictures(3), progress=True)
    assert "3/3" in capsys.readouterr().out


def test_the_index_is_readable_json_lines(tiny_encoder, pictures, tmp_path):
    FeatureCache(tmp_path / "cache", tiny_encoder()).fill(pictures(2))
    lines = [line for line in (tmp_path / "cache" / "contents.jsonl").read_text().split("\n") if line]
    assert {json.loads(line)[0][-5:] for line in lines} == {"0.png", "1.png"}
