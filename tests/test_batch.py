"""A batch moves whole: every tensor in it, however nested, and nothing else."""

import pytest
import torch

from mner.batch import Batch, ImageFeatures
from mner.posts import Post


@pytest.fixture
def batch():
    posts = [Post("1", ("a",)), Post("2", ("b", "c"))]
    numbers = torch.arange(4).view(2, 2)
    image = ImageFeatures(torch.ones(2, 3, 4), torch.ones(2, 3, dtype=torch.bool), torch.ones(2, 4))
    pixels = {"canvas": torch.zeros(2, 3, 8, 8), "sizes": numbers}
    return Batch(
        posts=posts,
        input_ids=numbers,
        attention_mask=numbers,
        token_type_ids=numbers,
        word_slots=numbers,
        word_starts=numbers > 0,
        post_of_row=numbers[0],
        first_row=numbers[0],
        word_mask=numbers > 0,
        pixels=pixels,
        image=image,
    )


def tensors(batch):
    found = [*vars(batch).values(), *batch.pixels.values(), *vars(batch.image).values()]
    return [tensor for tensor in found if isinstance(tensor, torch.Tensor)]


def test_to_another_device(batch):
    moved = batch.to("meta")
    assert len(tensors(moved)) == len(tensors(batch)) == 13
    assert moved.image_mask is batch.image_mask  # counted on the CPU, so that a GPU need not wait
    assert all(tensor.is_meta for tensor in tensors(moved) if tensor is not batch.image_mask)
    assert not any(tensor.is_meta for tensor in tensors(batch))
    assert moved.posts is batch.posts
    assert moved.tags is moved.image.boxes is None


def test_only_copies_to_a_gpu_are_asynchronous(batch, monkeypatch):
    asynchronous = {}

    def to(tensor, device, non_blocking):
        asynchronous[device] = non_blocking
        return tensor

    monkeypatch.setattr(torch.Tensor, "to", to)
    for device in ("cuda", "mps", "cpu"):
        batch.to(device)
    assert asynchronous == {"cuda": True, "mps": False, "cpu": False}


def test_pinning_takes_every_tensor(batch, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    assert len(tensors(batch.pin_memory())) == len(pinned) == 13


@pytest.mark.gpu
def test_a_loader_pins_it(batch):
    (loaded,) = torch.utils.data.DataLoader([0], batch_size=None, collate_fn=lambda _: batch, pin_memory=True)
    assert all(tensor.is_pinned() for tensor in tensors(loaded))
    moved = loaded.to("cuda", non_blocking=True)
    assert all(tensor.is_cuda for tensor in tensors(moved) if tensor is not moved.image_mask)


def test_length_and_presence(batch):
    assert len(batch) == 2
    batch.image.mask[0] = False
    assert batch.image.present.tolist() == [False, True]


def test_precision_plugins_leave_the_posts_alone(batch):
    from pytorch_lightning.plugins.precision import HalfPrecision

    assert HalfPrecision("bf16-true").convert_input(batch) is batch
    assert batch.image.to_dtype(torch.bfloat16).regions.dtype == torch.bfloat16


def test_a_copy_with_other_parts(batch):
    other = batch.replace(input_ids=batch.input_ids + 1)
    assert torch.equal(other.input_ids, batch.input_ids + 1)
    assert other.posts is batch.posts
