"""VisualBERT against BERT, against transformers' own classes and against posts read one at a time."""

import json
import shutil

import pytest
import torch
from joint_models import save_visualbert

from mner.batch import ImageFeatures
from mner.components import from_config, to_config
from mner.errors import ConfigurationError, WeightsNotFoundError
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.testing import TinyGrid
from mner.text import HuggingFaceText, VisualBertText

POSTS = [
    Post("short", ("RT", "a", "Nike")),
    Post("caption", ("Kevin", "Durant", "in", "an", "Arena"), contexts={"caption": "a man and a ball"}),
    Post("windows", ("the", "quick", "brown", "fox", "jumps", "over", "a", "dog", "again") * 4),
    Post("no image", ("good", "morning")),
]


@pytest.fixture(scope="session")
def public_visualbert(tmp_path_factory):
    """A function from a region width to a folder as the public VisualBERTs are: heads, an old buffer, no tokenizer."""

    def make(region_size):
        folder = tmp_path_factory.mktemp("visualbert")
        return folder, save_visualbert(folder, region_size)

    return make


@pytest.fixture
def visualbert(public_visualbert, tiny_text_encoder_folder):
    """An encoder of regions 6 wide."""
    folder, _ = public_visualbert(6)
    encoder = VisualBertText(str(folder), tokenizer=str(tiny_text_encoder_folder), max_length=40)
    encoder.accept_images(TinyGrid(6))
    return encoder


def collate(encoder, posts=POSTS):
    return Preprocessor(encoder.subword_tokenizer, ["O"], contexts=("caption",))(posts)


def encode(encoder, posts=POSTS, image=None):
    encoder.eval()
    with torch.no_grad():
        return encoder(collate(encoder, posts), image)


def random_regions(size=6):
    """Images of four posts: one region, three regions, two, none."""
    torch.manual_seed(2)
    mask = torch.tensor([[1, 0, 0], [1, 1, 1], [0, 1, 1], [0, 0, 0]], dtype=torch.bool)
    regions = torch.randn(4, 3, size).masked_fill(~mask[..., None], 0.0)
    return ImageFeatures(regions, mask, regions.mean(dim=1))


def test_without_an_image_it_is_a_bert(tiny_text_encoder_folder):
    folder = str(tiny_text_encoder_folder)
    for pooling in ("first", "mean"):
        found = encode(VisualBertText(folder, pooling=pooling))
        expected = encode(HuggingFaceText(folder, pooling=pooling))
        torch.testing.assert_close(found.words, expected.words, rtol=0, atol=1e-6)
        torch.testing.assert_close(found.pooled, expected.pooled, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [6, 1024, 2048])
def test_a_public_checkpoint_reads_words_and_regions(size, public_visualbert, tiny_text_encoder_folder):
    from transformers import AutoTokenizer

    folder, raw = public_visualbert(size)
    encoder = VisualBertText(str(folder), tokenizer=str(tiny_text_encoder_folder), pooling="first")
    encoder.accept_images(TinyGrid(size))
    assert encoder.region_size == size
    image = random_regions(size)
    found = encode(encoder, POSTS[:2], ImageFeatures(image.regions[:2], image.mask[:2], image.pooled[:2]))
    tokenizer = AutoTokenizer.from_pretrained(tiny_text_encoder_folder)
    for row, post in enumerate(POSTS[:2]):  # alone, without padding, and with the real regions only
        words, context = list(post.words), " ".join(post.contexts.values()).split()
        segments = [words, context] if context else [words]
        encoded = tokenizer(*segments, is_split_into_words=True, return_token_type_ids=True, return_tensors="pt")
        regions = image.regions[row][image.mask[row]][None]
        with torch.no_grad():
            pieces = raw(**encoded, visual_embeds=regions).last_hidden_state[0]
        places = zip(encoded.word_ids(), encoded.sequence_ids(), strict=True)
        of_word = {(word, sequence): place for place, (word, sequence) in reversed(list(enumerate(places)))}
        expected = torch.stack([pieces[of_word[word, 0]] for word in range(len(words))])
        torch.testing.assert_close(found.words[row, : len(words)], expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(found.pooled[row], pieces[0], rtol=0, atol=1e-5)
        assert not found.words[row, len(words) :].any()


def test_embeddings_of_regions_have_type_one_and_position_zero(visualbert):
    image, layers = random_regions(), visualbert.model.embeddings
    seen = []
    layers.LayerNorm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    batch = collate(visualbert)
    visualbert.eval()(batch, image)
    expected = image.regions @ layers.visual_projection.weight.T + layers.visual_projection.bias
    expected = expected + layers.visual_position_embeddings.weight[0] + layers.visual_token_type_embeddings.weight[1]
    assert len(batch.post_of_row) > len(POSTS)
    torch.testing.assert_close(seen[0][:, -3:], expected[batch.post_of_row])


def test_batch_order_and_padding_change_nothing(visualbert):
    image = random_regions()
    together = encode(visualbert, POSTS, image)
    for row, post in enumerate(POSTS):
        own = image.mask[row]
        alone = ImageFeatures(image.regions[row : row + 1, own], own[own][None], image.pooled[row : row + 1])
        found = encode(visualbert, [post], alone if own.any() else None)
        torch.testing.assert_close(together.words[row, : len(post.words)], found.words[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(together.pooled[row], found.pooled[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", [1e4, float("nan"), float("inf")])
def test_masked_regions_change_nothing(value, visualbert):
    image = random_regions()
    expected = encode(visualbert, POSTS, image)
    image.regions[~image.mask] = value
    found = encode(visualbert, POSTS, image)
    assert torch.equal(found.words, expected.words)
    assert torch.equal(found.pooled, expected.pooled)


def test_every_window_of_a_post_sees_its_regions_and_no_other_post_does(visualbert):
    image = random_regions()
    before = encode(visualbert, POSTS, image).words
    image.regions[2, 2] += 5
    changed = (encode(visualbert, POSTS, image).words - before).abs().amax(dim=-1) > 1e-6
    assert changed[2].all()
    assert not changed[[0, 1, 3]].any()


def test_attention_is_that_of_posts_one_at_a_time(visualbert):
    image = random_regions()
    visualbert.eval()
    weights = visualbert.attention(collate(visualbert), image)
    assert weights.shape == (4, 36, 3)
    for row, post in enumerate(POSTS[:2]):
        batch, own = collate(visualbert, [post]), image.mask[row]
        output = visualbert.model(
            batch.input_ids, visual_embeds=image.regions[row, own][None], token_type_ids=batch.token_type_ids,
            output_attentions=True,
        )  # fmt: skip
        length = batch.input_ids.shape[1]
        for word in range(len(post.words)):
            places = (batch.word_slots[0] == word).nonzero().squeeze(1).tolist()
            heads = [
                layer[0, head, place, length:] for layer in output.attentions for head in (0, 1) for place in places
            ]
            torch.testing.assert_close(weights[row, word, own], torch.stack(heads).mean(dim=0), rtol=0, atol=1e-6)
    assert not weights.masked_select(~image.mask[:, None]).any()
    assert not weights[3].any()
    assert weights[2].sum(dim=-1).gt(0).all()


def test_gradients_reach_all_that_is_trained(visualbert, public_visualbert, tiny_text_encoder_folder):
    folder, _ = public_visualbert(6)
    text_alone = VisualBertText(str(folder), tokenizer=str(tiny_text_encoder_folder), max_length=40)
    for encoder, image in ((text_alone, None), (visualbert, random_regions())):
        encoder(collate(encoder), image).words.square().sum().backward()
        trained = {name: parameter for name, parameter in encoder.named_parameters() if parameter.requires_grad}
        assert [name for name, parameter in trained.items() if parameter.grad is None] == []
        assert any("visual" in name for name in trained) == (image is not None)


def test_a_checkpoint_needs_no_source_of_weights(public_visualbert, tiny_text_encoder_folder, tmp_path):
    pieces = shutil.copytree(tiny_text_encoder_folder, tmp_path / "tokenizer")
    image = random_regions()
    for folder, new in ((public_visualbert(6)[0], False), (public_visualbert(7)[0], True), (pieces, False)):
        encoder = VisualBertText(str(folder), tokenizer=str(pieces), new_projection=new, max_length=40)
        encoder.accept_images(TinyGrid(6))
        expected = encode(encoder, POSTS, image)
        config, state = json.loads(json.dumps(to_config(encoder))), encoder.state_dict()
        shutil.rmtree(folder)
        rebuilt = from_config(config)
        rebuilt.load_state_dict(state)
        rebuilt.accept_images(TinyGrid(6))
        assert torch.equal(encode(rebuilt, POSTS, image).words, expected.words)
        assert to_config(rebuilt) == config


def test_starts_from_a_bert_with_new_visual_layers(tiny_text_encoder_folder):
    encoder = VisualBertText(str(tiny_text_encoder_folder))
    encoder.accept_images(TinyGrid(5))
    embeddings = encoder.model.embeddings
    assert encoder.region_size == 5
    assert torch.equal(embeddings.visual_token_type_embeddings.weight, embeddings.token_type_embeddings.weight)
    assert torch.equal(embeddings.visual_position_embeddings.weight, embeddings.position_embeddings.weight)
    image = random_regions(5)
    assert not torch.equal(encode(encoder, POSTS, image).words[0], encode(encoder).words[0])


def test_regions_of_another_width_are_refused(public_visualbert, tiny_text_encoder_folder):
    folder, _ = public_visualbert(6)
    encoder = VisualBertText(str(folder), tokenizer=str(tiny_text_encoder_folder))
    with pytest.raises(ConfigurationError, match=r"expected regions 6 wide.*got .* 7 wide.*new_projection: true"):
        encoder.accept_images(TinyGrid(7))
    encoder = VisualBertText(str(folder), tokenizer=str(tiny_text_encoder_folder), new_projection=True)
    encoder.accept_images(TinyGrid(7))
    assert encode(encoder, POSTS, random_regions(7)).words.isfinite().all()


def test_a_projection_that_no_pretraining_brought_is_a_new_layer(public_visualbert, tiny_text_encoder_folder):
    folder, _ = public_visualbert(6)
    tokenizer = str(tiny_text_encoder_folder)
    for name, new, width, expected in (
        (tokenizer, False, 5, 1),
        (str(folder), False, 6, 0),
        (str(folder), True, 6, 0),
        (str(folder), True, 7, 1),
    ):
        encoder = VisualBertText(name, tokenizer=tokenizer, new_projection=new)
        encoder.accept_images(TinyGrid(width))
        rebuilt = from_config(json.loads(json.dumps(to_config(encoder))))
        rebuilt.accept_images(TinyGrid(width))
        for each in (encoder, rebuilt):  # else a training could not be resumed
            assert each.new_layers == [each.model.embeddings.visual_projection][:expected]


def test_a_folder_that_brings_a_tokenizer_uses_it(public_visualbert, tiny_text_encoder_folder):
    folder, _ = public_visualbert(6)
    with pytest.raises(WeightsNotFoundError, match="cannot load the tokenizer 'bert-base-uncased'"):
        VisualBertText(str(folder))
    shutil.copy(tiny_text_encoder_folder / "tokenizer.json", folder)
    shutil.copy(tiny_text_encoder_folder / "tokenizer_config.json", folder)
    assert VisualBertText(str(folder)).subword_tokenizer.tokenizer.get_vocab_size() == 60


def test_a_tokenizer_of_other_weights_is_refused(public_visualbert, tiny_text_encoder_folder, tmp_path):
    from transformers import AutoTokenizer

    folder, _ = public_visualbert(6)
    larger = AutoTokenizer.from_pretrained(tiny_text_encoder_folder)
    larger.add_tokens([f"word{index}" for index in range(20)])
    larger.save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError, match="tokenizer of at most 60 subwords"):
        VisualBertText(str(folder), tokenizer=str(tmp_path))


def test_weights_that_lack_a_layer_are_refused(public_visualbert, tiny_text_encoder_folder):
    folder, _ = public_visualbert(6)
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    del weights["visual_bert.embeddings.visual_projection.weight"]
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(WeightsNotFoundError, match=r"1 tensors are missing \(first: embeddings.visual_projection"):
        VisualBertText(str(folder), tokenizer=str(tiny_text_encoder_folder))


def test_other_encoders_are_refused(family):
    with pytest.raises(ConfigurationError, match="got a RobertaModel; for other encoders use HuggingFaceText"):
        VisualBertText(str(family("roberta").folder))
