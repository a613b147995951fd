"""On a GPU every fusion trains in mixed precision, and never makes the host wait for the device."""

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
    """A function after which an operation that waits for the device is an error."""
    yield lambda: torch.cuda.set_sync_debug_mode("error")
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_step(fusion, tmp_path, trainable_fusion, no_waiting):
    model = trainable_fusion(fusion).cuda()
    tags = (("B-PER", "I-PER", "O"), ("O",))
    posts = [Post("1", ("kevin", "durant", "enters"), tags[0], image=tmp_path / "1.png"), Post("2", ("hi",), tags[1])]
    batch = model.preprocessor(posts).to("cuda")
    with torch.autocast("cuda", torch.bfloat16):
        text, image = model.encode(batch)
        no_waiting()
        emissions = model.emissions(text, image)
        loss = model.decoder.loss(emissions, batch.tags, batch.word_mask)
        auxiliary = model.auxiliary_loss(batch, text, image, emissions)
        loss = loss if auxiliary is None else loss + auxiliary
    loss.backward()
    torch.cuda.set_sync_debug_mode("default")
    assert loss.isfinite()
    assert all(each.grad.isfinite().all() for each in model.parameters() if each.grad is not None)
