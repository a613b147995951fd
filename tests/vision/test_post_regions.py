"""The regions of a post's images are concatenated in order, with one mask and an index of the images."""

import pytest
import torch

from mner.batch import ImageFeatures
from mner.vision.post_regions import post_regions

MASK = torch.tensor([[1, 1], [1, 0], [0, 0], [0, 0], [1, 1]]).bool()
OWNERS = torch.tensor([0, 0, 0, 1, 2])
"""Five images of three posts: the third of the first post cannot be used, the second post has none."""


@pytest.fixture
def images():
    torch.manual_seed(0)
    regions = torch.randn(5, 2, 3).masked_fill(~MASK[..., None], 0.0)
    boxes, scores = torch.rand(5, 2, 4), torch.rand(5, 2)
    return ImageFeatures(regions, MASK, torch.randn(5, 3), boxes, torch.arange(10).view(5, 2), scores)


def test_regions_are_those_of_each_image_in_order(images):
    posts = post_regions(images, OWNERS, 3)
    nothing = torch.zeros(2, 3)
    expected = [
        [*images.regions[0], *images.regions[1], *images.regions[2]],
        [*images.regions[3], *nothing, *nothing],
        [*images.regions[4], *nothing, *nothing],
    ]
    assert posts.regions.equal(torch.stack([torch.stack(rows) for rows in expected]))
    assert posts.mask.tolist() == [[1, 1, 1, 0, 0, 0], [0] * 6, [1, 1, 0, 0, 0, 0]]
    assert posts.present.tolist() == [True, False, True]
    assert posts.image_index.tolist() == [[0, 0, 1, 1, 2, 2]] * 3
    assert posts.classes.tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 0, 0, 0, 0], [8, 9, 0, 0, 0, 0]]
    assert posts.boxes[0].equal(images.boxes[:3].flatten(0, 1))
    assert posts.scores[2, :2].equal(images.scores[4])


def test_the_pooled_vector_is_the_mean_of_the_usable_images(images):
    posts = post_regions(images, OWNERS, 3)
    assert posts.pooled[0].equal((images.pooled[0] + images.pooled[1]) / 2)
    assert posts.pooled[1].tolist() == [0.0] * 3
    assert posts.pooled[2].equal(images.pooled[4])


def test_one_image_per_post_is_left_as_it_is(images):
    posts = post_regions(images, torch.arange(5), 5)
    for name in ("regions", "mask", "boxes", "classes", "scores"):
        assert getattr(posts, name).equal(getattr(images, name))
    assert posts.pooled.equal(images.pooled.masked_fill(~images.present[:, None], 0.0))


def test_gradients_reach_the_regions_of_every_image(images):
    images.regions.requires_grad_()
    post_regions(images, OWNERS, 3).regions.sum().backward()
    assert images.regions.grad.equal(torch.ones(5, 2, 3))
