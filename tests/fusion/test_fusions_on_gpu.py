"""On a GPU every fusion trains in mixed precision, and never makes the host wait for the device."""

import pytest
import torch

import mner.fusion
from mner.components import to_config
from mner.fusion import FusionModule
from mner.posts import Post
from mner.testing import TinyGrid, tiny_text_encoder
from mner.text import VisualBertText

pytestmark = pytest.mark.gpu
CLASSES = [getattr(mner.fusion, name) for name in mner.fusion.__all__]
FUSIONS = [cls for cls in CLASSES if issubclass(cls, FusionModule) and cls is not FusionModule]


@pytest.fixture
def no_waiting():
    """A function after which an operation that waits for the device is an error."""
    yield lambda: torch.cuda.set_sync_debug_mode("error")
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_step(fusion, tmp_path, labels, no_waiting):
    text_encoder = tiny_text_encoder()
    if fusion.__name__ == "TransformerAttention":
        text_encoder = VisualBertText("tiny", architecture=to_config(text_encoder)["init_args"]["architecture"])
    model = fusion(labels=labels, text_encoder=text_encoder, image_encoder=TinyGrid()).cuda()
    tags = (("B-PER", "I-PER", "O"), ("O",))
    posts = [Post("1", ("kevin", "durant", "enters"), tags[0], image=tmp_path / "1.png"), Post("2", ("hi",), tags[1])]
    batch = model.collator(posts).to("cuda")
    with torch.autocast("cuda", torch.bfloat16):
        text, image = model.encode(batch)
        no_waiting()
        loss = model.decoder.loss(model.emissions(text, image), batch.tags, batch.word_mask)
        auxiliary = model.auxiliary_loss(batch, text, image)
        loss = loss if auxiliary is None else loss + auxiliary
    loss.backward()
    torch.cuda.set_sync_debug_mode("default")
    assert loss.isfinite()
    assert all(each.grad.isfinite().all() for each in model.parameters() if each.grad is not None)
