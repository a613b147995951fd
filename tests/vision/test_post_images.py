"""The images of a batch: cached or as pixels, bad ones masked, and reported once."""

import pytest
import torch
from torch.utils.data import DataLoader

from mner.errors import ImageError
from mner.images import ImageLoader
from mner.posts import Post
from mner.vision.cache import FeatureCache
from mner.vision.post_images import PostImages


@pytest.fixture
def posts(pictures, tmp_path):
    """Posts with four images, one truncated, one missing, one outside the folder, and one post without."""
    folder = tmp_path / "pictures"
    paths = pictures(4)
    (folder / "cut.png").write_bytes(paths[0].read_bytes()[:200])
    (tmp_path / "outside.png").write_bytes(paths[0].read_bytes())
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    paths += [folder / "cut.png", folder / "absent.png", folder / "link.png", None]
    return [Post(str(index), ("word",), image=path) for index, path in enumerate(paths)]


USABLE = [True] * 4 + [False] * 4


def images_of(posts, encoder, cache=None, policy="mask"):
    return PostImages(encoder.image_transform, ImageLoader((posts[0].image.parent,), policy), cache)


def test_pixels_where_there_is_no_cache(tiny_encoder, posts):
    encoder = tiny_encoder()
    pixels, features, mask = images_of(posts, encoder)(posts)
    assert features is None
    assert pixels.shape == (8, 3, 8, 8)
    assert mask.tolist() == USABLE
    assert not pixels[4:].any()
    assert images_of(posts, encoder)(posts[7:])[:2] == (None, None)
    assert images_of(posts, encoder)(posts[7:])[2].tolist() == [False]


def test_the_cache_answers_without_the_encoder_and_agrees(tiny_encoder, posts, tmp_path, monkeypatch):
    encoder = tiny_encoder()
    pixels, _, mask = images_of(posts, encoder)(posts)
    expected = encoder(pixels, mask)
    cache = FeatureCache(tmp_path / "cache", encoder)
    images = images_of(posts, encoder, cache)
    cache.fill([post.image for post in posts if post.image], images.loader)
    monkeypatch.setattr(
        type(encoder.image_transform), "__call__", lambda self, image: pytest.fail("an image was transformed")
    )
    encoder.encoded = 0
    pixels, features, mask = images(posts)
    assert pixels is None
    assert mask.tolist() == USABLE
    assert encoder.encoded == 0
    assert torch.allclose(features.regions, expected.regions)
    assert torch.allclose(features.pooled, expected.pooled)
    assert torch.equal(features.mask, expected.mask)
    assert images(posts[4:])[1] is None


def test_a_batch_with_an_image_that_the_cache_has_not_comes_whole_as_pixels(tiny_encoder, posts, tmp_path):
    encoder = tiny_encoder()
    cache = FeatureCache(tmp_path / "cache", encoder)
    cache.fill([posts[0].image])
    pixels, features, mask = images_of(posts, encoder, cache)(posts)
    assert features is None
    assert torch.equal(pixels, images_of(posts, encoder)(posts)[0])
    assert mask.tolist() == USABLE


def test_the_strict_policy_refuses_a_bad_image(tiny_encoder, posts, tmp_path):
    encoder = tiny_encoder()
    for cache in (None, FeatureCache(tmp_path / "cache", encoder)):
        images = images_of(posts, encoder, cache, "error")
        assert images(posts[:4])[2].all()
        for post in posts[4:7]:
            with pytest.raises(ImageError, match=post.image.name):
                images([post])


@pytest.mark.parametrize("num_workers", [0, 2])
def test_bad_images_are_counted_and_reported_once_over_workers(tiny_encoder, posts, num_workers):
    images = images_of(posts, tiny_encoder())
    loader = DataLoader(posts, batch_size=3, collate_fn=WithPosts(images), num_workers=num_workers)
    for _ in range(2):
        for batch, mask in loader:
            images.record(batch, mask)
    summary = images.summary()
    assert images.summary().seen == 0
    assert summary.seen == 7
    assert [path.name for path in summary.bad] == ["cut.png", "absent.png", "link.png"]
    lines = str(summary).split("\n")
    assert lines[0] == "3 of 7 images could not be used; their posts count as without image"
    assert [any(reason in line for line in lines[1:]) for reason in ("truncated", "no such file", "outside")] == [
        True
    ] * 3
    assert len(lines) == 4


class WithPosts:
    """What a collator does: keeps the posts beside their images."""

    def __init__(self, images):
        self.images = images

    def __call__(self, posts):
        return posts, self.images(posts)[2]


def test_a_strict_refusal_crosses_from_a_worker(tiny_encoder, posts):
    images = images_of(posts, tiny_encoder(), policy="error")
    with pytest.raises(ImageError, match=r"cut\.png"):
        list(DataLoader(posts, batch_size=8, collate_fn=WithPosts(images), num_workers=1))


def test_it_stays_inside_the_folders_that_are_known(tiny_encoder, posts):
    images = PostImages(tiny_encoder().image_transform)
    images.stay_inside([None])
    assert images([posts[6]])[2].tolist() == [True]
    images.stay_inside([None, posts[0].image.parent])
    assert images([posts[6], posts[0]])[2].tolist() == [False, True]
