"""On a GPU every fusion trains in mixed precision, and never makes the host wait for the device."""

from dataclasses import replace

import pytest
import torch

import mner.fusion
from mner.fusion import FusionModule
from mner.posts import Post

pytestmark = pytest.mark.gpu
CLASSES = [getattr(mner.fusion, name) for name in mner.fusion.__all__]
FUSIONS = [cls for cls in CLASSES if issubclass(cls, FusionModule) and cls is not FusionModule]


@pytest.fixture
def no_waiting():
    """A function after which it is an error that a model waits for the device.

    The text encoder is that of transformers, which looks once per batch whether there is padding.
    """

    def watch(model):
        encoder = model.text_encoder.model
        encoder.register_forward_pre_hook(lambda *_: torch.cuda.set_sync_debug_mode("default"))
        encoder.register_forward_hook(lambda *_: torch.cuda.set_sync_debug_mode("error"))
        torch.cuda.set_sync_debug_mode("error")

    yield watch
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("num_images", [0, 1, 2])  # kernels refuse, or return nothing for, tensors without elements
@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_step(fusion, num_images, trainable_fusion, pictures, no_waiting):
    model = trainable_fusion(fusion).cuda()
    posts = [Post("1", ("kevin", "durant", "enters"), ("B-PER", "I-PER", "O")), Post("2", ("hi",), ("O",))]
    posts = [replace(post, image=path) for post, path in zip(posts, [*pictures(num_images), None, None], strict=False)]
    batch = model.preprocessor(posts).to("cuda")
    with torch.autocast("cuda", torch.bfloat16):
        text, image = model.encode(batch)
        no_waiting(model)
        emissions = model.emissions(text, image)
        loss = model.decoder.loss(emissions, batch.tags, batch.word_mask)
        auxiliary = model.auxiliary_loss(batch, text, image, emissions)
        loss = loss if auxiliary is None else loss + auxiliary
    loss.backward()
    torch.cuda.set_sync_debug_mode("default")
    assert loss.isfinite()
    assert all(each.grad.isfinite().all() for each in model.parameters() if each.grad is not None)
