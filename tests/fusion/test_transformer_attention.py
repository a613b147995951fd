"""Transformer attention is VisualBERT with the regions in view; the contract; what it cannot be built of."""

import pytest
import torch

from mner.components import to_config
from mner.errors import ConfigurationError
from mner.fusion import TransformerAttention
from mner.labels import labels_for
from mner.posts import Post
from mner.testing import FusionContract, TinyGrid, tiny_text_encoder
from mner.text import CharacterCNN, VisualBertText
from mner.training import Optimization
from mner.training.parameter_groups import parameter_groups

LABELS = labels_for(("PER", "LOC"))


def tiny_visualbert():
    """A VisualBERT that starts from the tiny BERT."""
    return VisualBertText("tiny", architecture=to_config(tiny_text_encoder())["init_args"]["architecture"])


def make(**arguments):
    torch.manual_seed(0)
    parts = {"text_encoder": tiny_visualbert(), "image_encoder": TinyGrid(6), **arguments}
    return TransformerAttention(labels=LABELS, **parts).eval()


@pytest.fixture
def posts(tmp_path):
    """Three posts, the second without an image."""
    texts = (("kevin", "in", "oslo"), ("good", "morning"), ("paris",))
    images = (tmp_path / "a.png", None, tmp_path / "b.png")
    return [Post(f"{index}", words, image=images[index]) for index, words in enumerate(texts)]


class TestContract(FusionContract):
    fusion = TransformerAttention

    def text_encoder(self):
        return tiny_visualbert()


def test_it_is_the_encoder_with_the_regions_in_view(posts):
    model = make()
    batch = model.preprocessor(posts)
    image = model.encode_image(batch)
    words = model.text_encoder(batch, image).words
    torch.testing.assert_close(model(batch), model.emission_layer(words))
    alone = model.text_encoder(batch).words
    assert [torch.allclose(words[post], alone[post], atol=1e-6) for post in range(3)] == [False, True, False]


def test_the_new_projection_is_trained_at_the_rate_of_new_layers():
    model = make(optimization=Optimization(lr=1e-4, new_layer_lr=1e-2))
    groups = parameter_groups(model.learning_rates(), model.parameters())
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    for name, parameter in model.text_encoder.named_parameters():
        assert rates[id(parameter)] == (1e-2 if "visual_projection" in name else 1e-4), name


def test_characters_stand_beside(posts):
    model = make(characters=CharacterCNN())
    text, _ = model.encode(model.preprocessor(posts))
    assert text.characters.shape[:2] == text.words.shape[:2]
    assert model.emission_layer.in_features == 16 + model.characters.hidden_size


def test_recorded_attention(posts):
    model = make()
    batch = model.preprocessor(posts)
    record = model.attention(batch)
    raw = model.text_encoder.attention(batch, model.encode_image(batch))
    torch.testing.assert_close(record.regions * record.gates["visual"][..., None], raw)
    share = record.gates["visual"]
    assert ((share > 0) == (batch.word_mask & torch.tensor([[True], [False], [True]]))).all()
    assert share.max() < 1


def test_parts_that_do_not_combine():
    with pytest.raises(ConfigurationError, match="such as a VisualBertText, got HuggingFaceText"):
        make(text_encoder=tiny_text_encoder())
    pretrained = make().text_encoder
    pretrained = VisualBertText("tiny", architecture=to_config(pretrained)["init_args"]["architecture"])
    with pytest.raises(ConfigurationError, match=r"expected regions 6 wide.*7 wide"):
        make(text_encoder=pretrained, image_encoder=TinyGrid(7))
    with pytest.raises(ConfigurationError, match="give it an image_encoder"):
        make(image_encoder=None)
