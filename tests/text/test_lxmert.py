"""LXMERT against transformers' own class, post by post, and the contract of the fusions that run on it."""

import shutil
from dataclasses import replace

import pytest
import torch
from joint_models import save_lxmert
from PIL import Image

from mner.batch import ImageFeatures
from mner.components import from_config, to_config
from mner.errors import ConfigurationError
from mner.fusion import RelationGate, TransformerAttention
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.testing import FusionContract, TinyGrid, TinyRegions
from mner.text import HuggingFaceText, LxmertText
from mner.text.int8_linear import Int8Linear
from mner.text.token_scaled_linear import scale_tokens
from mner.vision import Grid

POSTS = [
    Post("short", ("RT", "a", "Nike")),
    Post("caption", ("Kevin", "Durant", "in", "an", "Arena"), contexts={"caption": "a man and a ball"}),
    Post("windows", ("the", "quick", "brown", "fox", "jumps", "over", "a", "dog", "again") * 4),
    Post("no image", ("good", "morning")),
]


@pytest.fixture(scope="session")
def saved(tmp_path_factory, tiny_text_encoder_folder):
    """A folder and the model in it."""
    folder = tmp_path_factory.mktemp("lxmert")
    return folder, save_lxmert(folder, tiny_text_encoder_folder)


@pytest.fixture
def lxmert(saved):
    encoder = LxmertText(str(saved[0]), max_length=40)
    encoder.accept_images(TinyRegions(6))
    return encoder.eval()


def collate(encoder, posts=POSTS):
    return Preprocessor(encoder.subword_tokenizer, ["O"], contexts=("caption",)).using(quiet=True)(posts)


def encode(encoder, posts=POSTS, image=None):
    with torch.no_grad():
        return encoder(collate(encoder, posts), image)


def random_regions():
    """Images of four posts: one region, three regions, two, none; what is masked is no number."""
    torch.manual_seed(2)
    mask = torch.tensor([[1, 0, 0], [1, 1, 1], [0, 1, 1], [0, 0, 0]], dtype=torch.bool)
    regions = torch.randn(4, 3, 6).masked_fill(~mask[..., None], torch.nan)
    boxes = torch.rand(4, 3, 4).masked_fill(~mask[..., None], torch.nan)
    return ImageFeatures(regions, mask, torch.zeros(4, 6), boxes)


def test_it_is_the_model_on_the_words_and_the_real_regions(saved, lxmert, tiny_text_encoder_folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_text_encoder_folder)
    image = random_regions()
    found = encode(lxmert, POSTS, image)
    for row, post in enumerate(POSTS):
        if post.id == "windows":
            continue
        encoded = tokenizer(
            *([list(post.words)] + [text.split() for text in post.contexts.values()]),
            is_split_into_words=True,
            return_token_type_ids=True,
            return_tensors="pt",
        )
        own = image.mask[row]
        regions, boxes = image.regions[row, own][None], image.boxes[row, own][None]
        if not own.any():  # one region of zeros
            regions, boxes = torch.zeros(1, 1, 6), torch.zeros(1, 1, 4)
        with torch.no_grad():
            states = saved[1](**encoded, visual_feats=regions, visual_pos=boxes).language_output[0]
        places = list(zip(encoded.word_ids(), encoded.sequence_ids(), strict=True))
        for word in range(len(post.words)):
            expected = states[[place == (word, 0) for place in places]].mean(dim=0)
            torch.testing.assert_close(found.words[row, word], expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(found.pooled[row], states[0], rtol=0, atol=1e-5)


def test_a_post_without_an_image_is_read_as_text(lxmert):
    together, alone = encode(lxmert, POSTS, random_regions()), encode(lxmert, POSTS[3:])
    torch.testing.assert_close(together.words[3, :2], alone.words[0], rtol=0, atol=1e-5)


def test_int8_computes_nearly_the_same(lxmert):
    expected = [encode(lxmert, POSTS, image).words for image in (random_regions(), None)]
    scale_tokens(lxmert, Int8Linear)
    for words, image in zip(expected, (random_regions(), None), strict=True):
        difference = (encode(lxmert, POSTS, image).words - words).abs().max()
        assert 0 < difference < 0.2 * words.abs().max()


def test_the_attention_of_a_word_is_on_the_regions_of_its_image(lxmert):
    image = random_regions()
    batch = collate(lxmert)
    with torch.no_grad():
        looks = lxmert.attention(batch, image)
    assert looks.shape == (*batch.word_mask.shape, 3)
    assert not looks.masked_select(~(batch.word_mask[..., None] & image.mask[:, None])).any()
    torch.testing.assert_close(looks.sum(dim=-1), (batch.word_mask & image.present[:, None]).float())


def test_every_trained_parameter_gets_a_gradient(lxmert):
    lxmert.train()(collate(lxmert), random_regions()).words.square().sum().backward()
    trained = {name for name, parameter in lxmert.named_parameters() if parameter.requires_grad}
    assert {name for name, parameter in lxmert.named_parameters() if parameter.grad is not None} == trained
    frozen = {name for name, _ in lxmert.named_parameters()} - trained
    assert frozen
    assert all(name.startswith("model.encoder.x_layers.1.visn_") for name in frozen)


def test_layers_of_regions_are_not_trained_without_images(saved):
    encoder = LxmertText(str(saved[0]))
    frozen = {name.split(".")[2] for name, each in encoder.named_parameters() if not each.requires_grad}
    assert frozen == {"visn_fc", "r_layers", "x_layers"}


def test_regions_that_it_cannot_read_are_refused(saved):
    encoder = LxmertText(str(saved[0]))
    with pytest.raises(ConfigurationError, match="reads regions with their boxes, got a TinyGrid, which gives none"):
        encoder.accept_images(TinyGrid(6))
    with pytest.raises(ConfigurationError, match=r"expected regions 6 wide, .* regions are 5 wide; .*new_projection"):
        encoder.accept_images(TinyRegions(5))


def test_the_cells_of_a_grid_are_read_with_their_boxes(saved, tmp_path):
    Image.effect_mandelbrot((60, 40), (-2.0, -1.5, 1.0, 1.5), 20).convert("RGB").save(tmp_path / "1.png")
    whole = {"crop_mode": "squash", "crop_pct": 1.0}
    grid = Grid("resnet18", weights=None, image_size=64, preprocessing=whole)
    encoder = LxmertText(str(saved[0]), new_projection=True)
    model = TransformerAttention(labels=["O", "B-LOC"], text_encoder=encoder, image_encoder=grid).eval()
    batch = model.preprocessor([Post("1", ("Oslo",), image=tmp_path / "1.png")])
    with torch.no_grad():
        image = grid(batch.pixels, batch.image_mask)
        boxes = torch.tensor([[[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]]])
        expected, elsewhere = (encoder(batch, replace(image, boxes=each)).words for each in (boxes, 1 - boxes))
        found = model.encode(batch)[0].words
    torch.testing.assert_close(found, expected)
    assert (found - elsewhere).abs().max() > 1e-3


def test_a_new_projection_survives_a_checkpoint(saved):
    encoder = LxmertText(str(saved[0]), new_projection=True)
    encoder.accept_images(TinyRegions(5))
    assert encoder.new_layers == [encoder.projection]
    again = from_config(to_config(encoder))
    again.accept_images(TinyRegions(5))
    again.load_state_dict(encoder.state_dict())
    image = random_regions()
    image.regions = image.regions[..., :5]
    torch.testing.assert_close(encode(again.eval(), POSTS, image).words, encode(encoder.eval(), POSTS, image).words)
    assert again.new_layers == [again.projection]


def test_other_models_are_refused(saved, tiny_text_encoder_folder, tmp_path):
    with pytest.raises(ConfigurationError, match=r"expected a model of the type lxmert, .* is a BertModel"):
        LxmertText(str(tiny_text_encoder_folder))
    shutil.copytree(saved[0], tmp_path / "lxmert")
    with pytest.raises(ConfigurationError, match="take an LxmertText"):
        HuggingFaceText(str(tmp_path / "lxmert"))


class OnLxmert(FusionContract):
    """Runs the contract on a tiny LXMERT; where the contract takes a grid, on other regions with boxes."""

    def build(self, image_encoder):
        return super().build(TinyRegions(6, frozen=not image_encoder.gives_boxes))

    @pytest.fixture(autouse=True)
    def architecture(self, saved):
        self.described = to_config(LxmertText(str(saved[0])))["init_args"]["architecture"]

    def text_encoder(self):
        encoder = LxmertText("tiny", architecture=self.described)
        # As in pretrained weights; with biases of zeros, the norm of a region of zeros has a gradient of 10^6.
        for layer in (encoder.projection, encoder.model.encoder.visn_fc.box_fc):
            torch.nn.init.normal_(layer.bias)
        # The type of words is LXMERT's padding index, which is not trained; that of contexts does not occur.
        encoder.model.embeddings.token_type_embeddings.requires_grad_(False)
        return encoder


class TestTransformerAttention(OnLxmert):
    fusion = TransformerAttention


class TestRelationGate(OnLxmert):
    fusion = RelationGate
    init_args = {"lstm_size": 8}  # noqa: RUF012
