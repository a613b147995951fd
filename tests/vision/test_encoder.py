"""The image encoder's contract: what is not there is not encoded and does not show."""

import torch

from mner.posts import Post


def test_missing_images_are_zero_masked_and_not_encoded(tiny_encoder):
    encoder = tiny_encoder()
    pixels = torch.rand(3, 3, 8, 8)
    pixels[1] = torch.nan
    features = encoder(pixels, torch.tensor([True, False, True]))
    assert encoder.encoded == 2
    assert features.present.tolist() == [True, False, True]
    assert not features.regions[1].any()
    assert not features.pooled[1].any()
    alone = encoder(pixels[2:], torch.tensor([True]))
    assert torch.equal(features.regions[2], alone.regions[0])
    assert torch.equal(features.pooled[2], alone.pooled[0])


def test_a_batch_without_images(tiny_encoder):
    for pixels in (None, torch.rand(2, 3, 8, 8)):
        features = tiny_encoder()(pixels, torch.tensor([False, False]))
        assert features.regions.shape == (2, 1, 3)
        assert not features.regions.any()
        assert not features.present.any()
        assert features.pooled.shape == (2, 3)


def test_regions_that_the_encoder_masks_are_zero(tiny_encoder):
    class Half(tiny_encoder):
        def encode(self, pixels):
            features = super().encode(pixels)
            features.mask[:, 2:] = False
            return features

    features = Half()(torch.rand(2, 3, 8, 8), torch.tensor([True, True]))
    assert features.regions[:, :2].all()
    assert not features.regions[:, 2:].any()


def test_a_frozen_encoder_stays_in_evaluation_mode_and_keeps_no_gradient(tiny_encoder):
    mask = torch.tensor([True])
    frozen = tiny_encoder().train()
    assert not frozen.norm.training
    assert not frozen(torch.rand(1, 3, 8, 8), mask).regions.requires_grad
    assert not frozen.norm.running_mean.any()
    trained = tiny_encoder(frozen=False).train()
    assert trained.norm.training
    assert trained(torch.rand(1, 3, 8, 8), mask).regions.requires_grad
    assert trained.norm.running_mean.any()


def test_collate_and_load(tiny_encoder, pictures):
    encoder = tiny_encoder()
    read = []

    def reader(path):
        from PIL import Image

        read.append(path)
        return Image.open(path).convert("RGB")

    (path,) = pictures(1)
    image = encoder.image_transform.load(Post("1", ("a",), image=path), reader)
    assert image.shape == (3, 8, 8)
    assert read == [path]
    assert encoder.image_transform.load(Post("2", ("a",)), reader) is None
    assert encoder.image_transform.collate([None, None]) is None
    pixels = encoder.image_transform.collate([None, image])
    assert torch.equal(pixels, torch.stack([torch.zeros(3, 8, 8), image]))
