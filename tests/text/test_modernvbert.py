"""ModernVBERT against transformers' own class on sequences written out, and its vision part as an image encoder."""

import json
import shutil

import pytest
import torch
from joint_models import FAKE, GLOBAL, IMAGE, save_modernvbert
from PIL import Image

from mner.batch import ImageFeatures
from mner.components import from_config, to_config
from mner.errors import ConfigurationError, WeightsNotFoundError
from mner.exporting.onnx_export import export_onnx
from mner.fusion import RelationGate, TextOnly, TransformerAttention
from mner.inference.load import load_model
from mner.labels import labels_for
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.pretraining import MaskedLanguageModel
from mner.testing import FusionContract, TinyGrid
from mner.text import ModernVBertPatches, ModernVBertText

LABELS = labels_for(("PER", "LOC"))
PATCHES = 4  # (32 / 4)² / 16
WORDS = (("Kevin", "in", "an", "Arena"), ("good", "morning", "a", "a", "b", "b", "c"), ("RT",))


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A folder and the model in it."""
    folder = tmp_path_factory.mktemp("modernvbert")
    return folder, save_modernvbert(folder)


@pytest.fixture
def encoder(saved):
    return ModernVBertText(str(saved[0])).eval()


@pytest.fixture
def posts(tmp_path):
    """Three posts, the second without an image."""
    images = [tmp_path / "a.png", None, tmp_path / "b.png"]
    for path in filter(None, images):
        Image.effect_noise((40, 20), 90).convert("RGB").save(path)
    return [
        Post(f"{index}", words, image=image) for index, (words, image) in enumerate(zip(WORDS, images, strict=True))
    ]


def collate(encoder, posts, patches=None):
    transform = None if patches is None else patches.image_transform
    return Preprocessor(encoder.subword_tokenizer, image_transform=transform)(posts)


def encode_images(patches, batch):
    with torch.no_grad():
        return patches.eval()(batch.pixels, batch.image_mask)


def test_it_is_the_model_on_the_sequence_of_pretraining(saved, encoder, posts):
    from transformers import AutoImageProcessor, AutoTokenizer

    folder, model = saved
    patches = encoder.own_image_encoder()
    batch = collate(encoder, posts, patches)
    with torch.no_grad():
        words = encoder(batch, encode_images(patches, batch)).words
    tokenizer, processor = AutoTokenizer.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder)
    for row, post in enumerate(posts):
        text = "".join(f" {word}" for word in post.words)
        inputs = {}
        if post.image is not None:
            text = FAKE + GLOBAL + PATCHES * IMAGE + FAKE + text
            image = Image.open(post.image).convert("RGB")
            pixels = patches.image_transform(image)[None, None]
            expected = processor(image, do_image_splitting=False, return_tensors="pt").pixel_values
            assert (pixels - expected).abs().mean() < 0.05  # it resamples by other means
            inputs = {"pixel_values": pixels}
        encoded = tokenizer(text, return_tensors="pt", return_token_type_ids=False, return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping")[0].tolist()
        with torch.no_grad():
            states = model(**encoded, **inputs).last_hidden_state[0]
        start = text.index(" ")
        for word, surface in enumerate(post.words):
            end = start + 1 + len(surface)
            places = [place for place, (low, high) in enumerate(offsets) if start <= low < high <= end]
            torch.testing.assert_close(words[row, word], states[places].mean(dim=0), rtol=0, atol=1e-5)
            start = end


def test_a_post_without_an_image_is_read_as_by_the_text_model(saved, encoder, posts):
    patches = encoder.own_image_encoder()
    batch = collate(encoder, posts, patches)
    with torch.no_grad():
        together = encoder(batch, encode_images(patches, batch)).words
        alone = encoder(batch).words
    torch.testing.assert_close(together[1], alone[1], rtol=0, atol=1e-5)
    assert (together[0] - alone[0]).abs().max() > 1e-2


def test_image_tokens_in_a_post_are_text(saved, tmp_path):
    folder = shutil.copytree(saved[0], tmp_path / "encoder")
    record = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    for token in record["added_tokens"]:
        token["special"] = token["content"] not in (FAKE, IMAGE, GLOBAL)
    (folder / "tokenizer.json").write_text(json.dumps(record), encoding="utf-8")
    del config["extra_special_tokens"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    tokenizer = ModernVBertText(str(folder)).subword_tokenizer
    ids = tokenizer([Post("1", (IMAGE, f"a{FAKE}"), contexts={"caption": GLOBAL})])["input_ids"][0].tolist()
    assert not {tokenizer.tokenizer.token_to_id(token) for token in (FAKE, IMAGE, GLOBAL)} & {*ids}


def test_padding_changes_nothing(encoder, posts):
    patches = encoder.own_image_encoder()
    long = Post("long", ("a", "b") * 40)  # beyond the reach of local attention
    batch = collate(encoder, [*posts, long], patches)
    with torch.no_grad():
        together = encoder(batch, encode_images(patches, batch)).words
        assert together.isfinite().all()
        for row, post in enumerate(posts):
            single = collate(encoder, [post], patches)
            alone = encoder(single, encode_images(patches, single)).words[0]
            torch.testing.assert_close(together[row, : len(post.words)], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", [1e4, float("nan")])
def test_masked_patches_change_nothing(value, encoder, posts):
    torch.manual_seed(0)
    mask = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1]], dtype=torch.bool)
    regions = torch.randn(3, 3, 16).masked_fill(~mask[..., None], 0.0)
    batch = collate(encoder, posts)
    with torch.no_grad():
        expected = encoder(batch, ImageFeatures(regions, mask, regions[:, 0])).words
        noisy = regions.masked_fill(~mask[..., None], value)
        assert torch.equal(encoder(batch, ImageFeatures(noisy, mask, regions[:, 0])).words, expected)
        fewer = ImageFeatures(regions[:1, [0, 2]], mask[:1, [0, 2]], regions[:1, 0])
        alone = encoder(collate(encoder, posts[:1]), fewer).words
    torch.testing.assert_close(alone[0], expected[0, :4], rtol=0, atol=1e-5)


def test_attention_is_that_of_the_model(encoder, posts):
    patches = encoder.own_image_encoder()
    batch = collate(encoder, posts, patches)
    image = encode_images(patches, batch)
    before = encoder(batch, image).words
    looks = encoder.attention(batch, image)
    assert torch.equal(encoder(batch, image).words, before)  # the kernel is the fast one again
    assert looks.shape == (3, 7, PATCHES)
    assert not looks[1].any()
    assert (looks.sum(dim=-1)[0, :4] > 0).all()
    assert looks.sum(dim=-1).max() < 1
    words = torch.tensor([[0, 4, 5, 1]])  # [CLS], two letters, padding; the second letter follows the image directly
    single = batch.replace(
        posts=posts[:1], input_ids=words, attention_mask=torch.tensor([[1, 1, 1, 0]]), token_type_ids=0 * words,
        word_slots=torch.tensor([[2, 0, 1, 2]]), word_mask=torch.ones(1, 2, dtype=torch.bool),
        post_of_row=torch.zeros(1, dtype=torch.long),
    )  # fmt: skip
    found = encoder.attention(single, ImageFeatures(image.regions[:1], image.mask[:1], image.pooled[:1]))
    embed = encoder.model.get_input_embeddings()
    vocabulary = len(embed.weight)
    ids = torch.tensor([[0, vocabulary - 3, vocabulary - 1, vocabulary - 3, 4, 5]])
    embedded = embed(ids)
    embedded = torch.cat([embedded[:, :3], image.regions[:1], embedded[:, 3:]], dim=1)
    encoder.model.set_attn_implementation("eager")
    layers = encoder.model(inputs_embeds=embedded, output_attentions=True).attentions
    mean = torch.stack(layers).mean(dim=(0, 2))[0]
    torch.testing.assert_close(found[0], mean[[-2, -1], 3 : 3 + PATCHES], rtol=0, atol=1e-5)


def test_checkpoints_need_no_other_file(saved, posts, tmp_path, monkeypatch, make_trainer):
    from torch.utils.data import DataLoader

    tagged = [Post(post.id, post.words, ("O",) * len(post.words), post.image) for post in posts]
    model = TransformerAttention(labels=LABELS, text_encoder=ModernVBertText(str(saved[0])))
    make_trainer(max_steps=1).fit(model, DataLoader(tagged, batch_size=3, collate_fn=model.preprocessor))
    model.trainer.save_checkpoint(tmp_path / "model.ckpt")
    text = json.dumps(to_config(model))
    monkeypatch.setattr("mner.text.pretrained.load_model", None)
    loaded = load_model(tmp_path / "model.ckpt").eval()
    batch = loaded.preprocessor(posts)
    assert batch.pixels.equal(model.preprocessor(posts).pixels)
    with torch.no_grad():
        assert loaded(batch).equal(model.eval()(batch))
    assert text.count('"modernbert"') == 2
    again = from_config(to_config(loaded))
    again.load_state_dict(loaded.state_dict())


def test_the_vision_part(saved, posts):
    frozen = ModernVBertPatches(str(saved[0]))
    assert (frozen.hidden_size, frozen.frozen) == (16, True)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    trained = ModernVBertPatches(str(saved[0]), trainable=True, learning_rate=1e-5)
    image = trained(torch.randn(2, 3, 32, 32), torch.tensor([True, False]))
    assert image.regions.shape == (2, PATCHES, 16)
    assert image.mask.tolist() == [[True] * PATCHES, [False] * PATCHES]
    image.regions.square().sum().backward()
    assert all(parameter.grad is not None for parameter in trained.parameters())


def test_parts_that_do_not_combine(saved, tiny_text_encoder_folder, tmp_path):
    folder = str(saved[0])
    with pytest.raises(ConfigurationError, match=r"patches of its own vision part, got the image encoder TinyGrid"):
        TransformerAttention(labels=LABELS, text_encoder=ModernVBertText(folder), image_encoder=TinyGrid(16))
    for cls in (ModernVBertText, ModernVBertPatches):
        with pytest.raises(ConfigurationError, match=r"expected a model of the type modernvbert, .* is a BertModel"):
            cls(str(tiny_text_encoder_folder))
    save_modernvbert(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"image processor \(preprocessor_config.json\)"):
        ModernVBertPatches(str(tmp_path))


def test_it_is_not_pretrained_without_its_vision_part(saved):
    with pytest.raises(
        ConfigurationError, match=r"a ModernVBertText is one part of a model, .* leave the pre-training"
    ):
        MaskedLanguageModel(text_encoder=ModernVBertText(str(saved[0])))


def test_it_is_not_exported_with_images(saved, tmp_path):
    pytest.importorskip("onnx")
    model = TransformerAttention(labels=LABELS, text_encoder=ModernVBertText(str(saved[0])))
    with pytest.raises(ConfigurationError, match="ModernVBertText cannot be exported: with images, its graph would"):
        export_onnx(model, tmp_path / "exported")
    assert (
        TextOnly(labels=LABELS, text_encoder=ModernVBertText(str(saved[0]))).text_encoder.not_exported_because is None
    )


def test_text_only_does_not_build_the_vision_part(saved):
    assert TextOnly(labels=LABELS, text_encoder=ModernVBertText(str(saved[0]))).image_encoder is None


class NoisePatches:
    """Mixed into a contract: the vision part reads noise seeded by the name of an image that is not there."""

    @pytest.fixture(autouse=True)
    def folder(self, saved):
        type(self).name = str(saved[0])

    def text_encoder(self):
        return ModernVBertText(self.name)

    def build(self, image_encoder):
        torch.manual_seed(0)
        model = self.fusion(labels=LABELS, text_encoder=self.text_encoder(), **self.init_args)
        transform = model.image_encoder.image_transform

        def load(post, read):
            if post.image is None:
                return None
            seed = int.from_bytes(post.image.name.encode()[:4], "little")
            return torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(seed))

        object.__setattr__(transform, "load", load)
        return model


class TestTransformerAttention(NoisePatches, FusionContract):
    fusion = TransformerAttention


class TestRelationGate(NoisePatches, FusionContract):
    fusion = RelationGate
    init_args = {"lstm_size": 8}  # noqa: RUF012
