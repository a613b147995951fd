"""From the regions of images to those of posts, which may have several images."""

from __future__ import annotations

import torch
from torch import Tensor

from mner.batch import ImageFeatures


def post_regions(images: ImageFeatures, post_of_image: Tensor, num_posts: int) -> ImageFeatures:
    """Concatenate the regions of the images of each post, in the order of its images.

    Args:
        images: Features of M images, regions of shape ``(M, R, V)``.
        post_of_image: Which post an image belongs to, in ascending order, shape ``(M,)``, on the CPU.
        num_posts: Number of posts, B.

    Returns:
        Features of B posts, regions of shape ``(B, K * R, V)`` where K is the largest number of images of a post: R
        regions per image, masked out where an image is missing. ``image_index`` names the image of each; the pooled
        vector is the mean over the images of the post that can be used.
    """
    counts = torch.bincount(post_of_image, minlength=num_posts)
    slots = int(counts.max())
    index = torch.arange(len(post_of_image)) - (counts.cumsum(0) - counts)[post_of_image]
    device = images.mask.device
    place = (post_of_image * slots + index).to(device, non_blocking=True)

    def by_post(part: Tensor) -> Tensor:
        spread = part.new_zeros(num_posts * slots, *part.shape[1:]).index_copy(0, place, part)
        return spread.view(num_posts, slots, *part.shape[1:])

    def joined(part: Tensor | None) -> Tensor | None:
        return None if part is None else by_post(part).flatten(1, 2)

    present = by_post(images.present)
    pooled = by_post(images.pooled.masked_fill(~images.present[:, None], 0.0)).sum(dim=1)
    count = images.mask.shape[1]
    return ImageFeatures(
        regions=by_post(images.regions).flatten(1, 2),
        mask=by_post(images.mask).flatten(1, 2),
        pooled=pooled / present.sum(dim=1, keepdim=True).clamp(min=1),
        boxes=joined(images.boxes),
        classes=joined(images.classes),
        scores=joined(images.scores),
        image_index=torch.arange(slots, device=device).repeat_interleave(count).expand(num_posts, -1),
    )
