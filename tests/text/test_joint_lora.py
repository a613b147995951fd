"""LoRA in encoders that read words and regions: what is trained and kept, and one base for several adapters."""

import pytest
import torch
from joint_models import save_lxmert, save_modernvbert, save_visualbert
from PIL import Image
from transformers import AutoTokenizer

import mner
from mner.components import to_config
from mner.errors import CheckpointError
from mner.fusion import RelationGate, TransformerAttention
from mner.inference.tagger import Tagger
from mner.posts import Post
from mner.testing import TinyRegions
from mner.text import HuggingFaceText, LxmertText, ModernVBertText, VisualBertText
from mner.text.lora import LoRA, is_adapter
from mner.training import Optimization

pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore")
KINDS = ["visualbert", "visualbert, new projection", "bert", "lxmert, new projection", "modernvbert"]
TEXTS = ("Kevin in an Arena", "good morning a b c", "RT Nike")
TAGS = ("B-PER O O B-LOC", "O O O O O", "O B-ORG")


@pytest.fixture(scope="session")
def bases(tmp_path_factory, tiny_text_encoder_folder):
    """Folders by model type."""
    found = {kind: tmp_path_factory.mktemp(kind) for kind in ("visualbert", "lxmert", "modernvbert")}
    save_visualbert(found["visualbert"], 6)
    AutoTokenizer.from_pretrained(tiny_text_encoder_folder).save_pretrained(found["visualbert"])
    save_lxmert(found["lxmert"], tiny_text_encoder_folder)
    save_modernvbert(found["modernvbert"])
    return {**found, "bert": tiny_text_encoder_folder}


@pytest.fixture
def posts(tmp_path):
    """Three posts, the last without an image."""
    images = [tmp_path / "a.png", tmp_path / "b.png", None]
    for path in images[:2]:
        Image.effect_noise((40, 20), 90).convert("RGB").save(path)
    return [
        Post(str(index), tuple(text.split()), tuple(tags.split()), image=image)
        for index, (text, tags, image) in enumerate(zip(TEXTS, TAGS, images, strict=True))
    ]


@pytest.fixture
def build(bases, labels):
    """A function from a kind to a model."""

    def make(kind, cls=TransformerAttention, name=None, **arguments):
        family = kind.split(",", maxsplit=1)[0]
        encoder = {"lxmert": LxmertText, "modernvbert": ModernVBertText}.get(family, VisualBertText)
        options = {"new_projection": True} if "new" in kind else {}
        text_encoder = encoder(name or str(bases[family]), lora=LoRA(rank=2), **options)
        images = {} if family == "modernvbert" else {"image_encoder": TinyRegions(8 if "new" in kind else 6)}
        optimization = Optimization(lr=1e-2, scheduler="constant")
        return cls(labels=labels, text_encoder=text_encoder, optimization=optimization, **images, **arguments)

    return make


@pytest.fixture
def train(build, train_briefly, posts):
    """A function from a kind to a trained model and its checkpoint."""

    def run(kind, seed=0, **arguments):
        torch.manual_seed(seed)
        return train_briefly(build(kind, **arguments), posts, name=seed)

    return run


def emissions(model, posts):
    with torch.no_grad():
        return model.eval()(model.preprocessor(posts))


def is_of_base(model, name):
    encoder = model.text_encoder
    return not (is_adapter(name) or name.startswith(tuple(f"{layer}." for layer in encoder.own_layers)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_base_stays_as_it_is_and_out_of_the_checkpoint(train, build, bases, posts, kind):
    before = build(kind).text_encoder
    model, path = train(kind)
    after = model.text_encoder.model.state_dict()
    for name, weight in before.model.state_dict().items():
        assert not is_of_base(model, name) or torch.equal(after[name], weight), name
    kept = torch.load(path, weights_only=True)["state_dict"]
    inside = [name.removeprefix("text_encoder.model.") for name in kept if name.startswith("text_encoder.model.")]
    assert inside
    assert not [name for name in inside if is_of_base(model, name)]
    # Each adapter whose output is used is trained, and so is the projection of regions.
    for name, weight in model.text_encoder.model.named_parameters():
        if name.endswith("lora_B.default.weight"):
            assert weight.any() == weight.requires_grad, name
        assert weight.requires_grad <= (not is_of_base(model, name)), name
    for layer in model.text_encoder.own_layers:
        weight = model.text_encoder.model.get_submodule(layer).weight
        assert not torch.equal(weight, before.model.get_submodule(layer).weight)
    loaded = mner.load_model(path, base=bases[kind.split(",", maxsplit=1)[0]])
    assert to_config(loaded) == to_config(model)
    assert torch.equal(emissions(loaded, posts), emissions(model, posts))
    found = [Tagger(each).predict(list(posts[0].words), posts[0].image) for each in (loaded, model)]
    assert list(found[0]) == list(found[1])


@pytest.mark.parametrize(
    "kind",
    ["lxmert, new projection", *(pytest.param(each, marks=pytest.mark.slow) for each in ("bert", "modernvbert"))],
)
def test_adapters_share_one_base_and_tag_as_alone(train, bases, posts, kind):
    folder = bases[kind.split(",", maxsplit=1)[0]]
    paths = [train(kind, seed)[1] for seed in (1, 2)]
    alone = [emissions(mner.load_model(path, base=folder), posts) for path in paths]
    assert not torch.allclose(*alone)
    first = mner.load_model(paths[0], base=folder)
    second = mner.load_model(paths[1], base=first)
    weights = [dict(model.text_encoder.model.named_parameters()) for model in (first, second)]
    for name, weight in weights[0].items():
        assert (weight.data_ptr() == weights[1][name].data_ptr()) == is_of_base(first, name), name
    for model, expected in zip((first, second), alone, strict=True):
        assert torch.equal(emissions(model, posts), expected)


def test_a_relation_gate_trains_an_adapter(train, bases, posts):
    model, path = train("visualbert", cls=RelationGate, lstm_size=4)
    loaded = mner.load_model(path, base=bases["visualbert"])
    assert torch.equal(emissions(loaded, posts), emissions(model, posts))


def test_a_bert_in_memory_is_the_base_of_a_visualbert(train, bases, posts):
    model, path = train("bert")
    bert = HuggingFaceText(str(bases["bert"]))
    loaded = mner.load_model(path, base=bert)
    assert torch.equal(emissions(loaded, posts), emissions(model, posts))
    shared = loaded.text_encoder.model.get_input_embeddings().weight
    assert shared.data_ptr() == bert.model.get_input_embeddings().weight.data_ptr()


def test_a_checkpoint_of_a_packages_model_loads_by_itself(train, bases, posts, monkeypatch, tmp_path):
    package = tmp_path / "package_of_lxmert"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "model").symlink_to(bases["lxmert"])
    monkeypatch.syspath_prepend(str(tmp_path))
    model, path = train("lxmert, new projection", name="pkg://package_of_lxmert/model")
    assert torch.equal(emissions(mner.load_model(path), posts), emissions(model, posts))


def test_another_base_is_refused(train, bases, tiny_text_encoder_folder, tmp_path):
    _, path = train("lxmert")
    with pytest.raises(CheckpointError, match="an adapter without its base model"):
        mner.load_model(path)
    with pytest.raises(CheckpointError, match=r"expected a model of the type lxmert, .* is a BertModel"):
        mner.load_model(path, base=tiny_text_encoder_folder)
    with pytest.raises(CheckpointError, match="of the type lxmert, got one of the type bert"):
        mner.load_model(path, base=HuggingFaceText(str(tiny_text_encoder_folder)))
    other = LxmertText(str(bases["lxmert"]))
    with torch.no_grad():
        other.model.encoder.r_layers[0].output.dense.weight[0, 0] += 1e-3
    with pytest.raises(CheckpointError, match="a base model with other weights"):
        mner.load_model(path, base=other)
