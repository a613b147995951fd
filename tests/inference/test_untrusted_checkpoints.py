"""A checkpoint of somebody else executes nothing, opens nothing and reaches no network, whatever it names."""

import builtins
import os
import socket
import sys

import pytest
import torch

import mner
from mner.checksum import seal
from mner.cli import main
from mner.errors import CheckpointError
from mner.text import HuggingFaceText
from mner.training import TrainingModule


@pytest.fixture
def load(trained_run, tmp_path, monkeypatch):
    """Load a checkpoint after a change, its checksum being right; nothing but the file may be opened."""

    def load(change, base=TrainingModule):
        checkpoint = torch.load(trained_run / "best.ckpt", weights_only=True)
        change(checkpoint["hyper_parameters"])
        seal(checkpoint)
        torch.save(checkpoint, tmp_path / "hostile.ckpt")
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
            patch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network was asked"))
            patch.setattr(builtins, "input", lambda *_: pytest.fail("a question was put"))
            patch.setattr(os, "system", lambda *_: pytest.fail("a command was run"))
            return base.load_from_checkpoint(tmp_path / "hostile.ckpt")

    return load


def part(path, /, **arguments):
    return {"class_path": path, "init_args": arguments}


def architecture(**settings):
    return lambda parameters: parameters["text_encoder"]["init_args"]["architecture"]["config"].update(settings)


def encoder(**arguments):
    return lambda parameters: parameters["text_encoder"]["init_args"].update(arguments)


def tokenizer(**options):
    return lambda parameters: parameters["text_encoder"]["init_args"]["architecture"]["tokenizer_options"].update(
        options
    )


def subword(id):
    def change(parameters):
        described = parameters["text_encoder"]["init_args"]["architecture"]
        described["tokenizer"] = described["tokenizer"].replace('"z":', f'"kevin":{id},"z":')

    return change


def image_encoder(value):
    def change(parameters):
        parameters["_class_path"] = "mner.fusion.concatenation.Concatenation"
        parameters["image_encoder"] = value

    return change


GRID = part("mner.vision.grid.Grid", name="resnet18", weights=None)
REGIONS = part("mner.vision.precomputed_regions.PrecomputedRegions", path=None, hidden_size=4)
HOSTILE = {
    "a folder of pretrained weights": encoder(architecture=None, name="/tmp"),
    "a hub name": encoder(architecture=None, name="bert-base-uncased"),
    "a kernel of the hub": encoder(attn_implementation="evil/kernel"),
    "a kernel of another library": encoder(attn_implementation="flash_attention_2"),
    "an adapter of a hub model": encoder(lora={"rank": 2}, name="bert-base-uncased"),
    "an adapter of a folder": encoder(lora={"rank": 2}, name="/tmp"),
    "an adapter of a file outside a package": encoder(lora={"rank": 2}, name="pkg://mner/../../../../../../tmp"),
    "an adapter of no name": encoder(lora={"rank": 2}, name=None),
    "an adapter with a regular expression": encoder(lora={"target_modules": "(a+)+"}),
    "an adapter of an option that is none": encoder(lora={"init_lora_weights": "pissa"}),
    "an architecture that is none": encoder(architecture=[]),
    "an empty architecture": encoder(architecture={}),
    "an architecture of numbers": encoder(architecture={"config": 3, "tokenizer": 4, "tokenizer_options": 5}),
    "an unknown model type": architecture(model_type="evil"),
    "no model type": architecture(model_type=None),
    "a model type that is no name": architecture(model_type=["bert"]),
    "an encoder that fetches a kernel": architecture(model_type="mra"),
    "an encoder with a decoder": architecture(model_type="t5"),
    "a model of vision": architecture(model_type="detr", backbone="hf-hub:evil/evil", use_pretrained_backbone=True),
    "a network of timm": architecture(model_type="timm_backbone", backbone="resnet18", use_pretrained_backbone=True),
    "a huge width": architecture(hidden_size=10**12),
    "a large width": architecture(hidden_size=10**5),
    "many layers": architecture(num_hidden_layers=10**12),
    "many layers in a list": architecture(model_type="modernbert", num_hidden_layers=10**12),
    "more layers than weights": architecture(num_hidden_layers=10_000),
    "no layers": architecture(num_hidden_layers=0),
    "no width": architecture(hidden_size=None),
    "a dropout that is no number": architecture(hidden_dropout_prob=float("nan")),
    "an epsilon that is no number": architecture(layer_norm_eps=float("nan")),
    "an infinite epsilon": architecture(layer_norm_eps=float("inf")),
    "a negative epsilon": architecture(layer_norm_eps=-10.0),
    "an epsilon that is a word": architecture(layer_norm_eps="1e-5"),
    "many positions": architecture(max_position_embeddings=10**12),
    "a large vocabulary": architecture(vocab_size=10**12),
    "a negative width": architecture(hidden_size=-1),
    "a width that is a word": architecture(hidden_size="16"),
    "a width that is no number": architecture(hidden_size=float("nan")),
    "no heads": architecture(num_attention_heads=0),
    "a subword without a vector": subword(50_000),
    "a subword whose id would take hours to copy": subword(2**31),
    "a word tokenizer that is none": lambda p: p.update(word_tokenizer=3),
    "a file of the tokenizer": tokenizer(tokenizer_file="/etc/passwd"),
    "another file of the tokenizer": tokenizer(gguf_file="/etc/passwd"),
    "code of the tokenizer": tokenizer(auto_map={"AutoTokenizer": ["evil.Evil", None]}),
    "a token that is none": tokenizer(unk_token=3),
    "a number of subwords that is none": tokenizer(num_subwords="x"),
    "a large number of subwords": tokenizer(num_subwords=10**9),
    "a length that is none": tokenizer(model_max_length="x"),
    "a feature cache": lambda p: (image_encoder(GRID)(p), p.update(feature_cache="CACHE")),
    "an image encoder by name": image_encoder("resnet18"),
    "an image encoder with weights": image_encoder(GRID | {"init_args": {"name": "resnet18", "weights": "hub"}}),
    "an image encoder with a file": image_encoder(GRID | {"init_args": {"name": "resnet18", "weights": "/dev/zero"}}),
    "an image encoder of the hub": image_encoder(GRID | {"init_args": {"name": "hf-hub:evil/evil", "weights": None}}),
    "a detector": image_encoder(part("mner.vision.faster_rcnn.FasterRCNN")),
    "a file of regions": image_encoder(REGIONS | {"init_args": {"path": "/dev/zero", "hidden_size": 4}}),
    "a captioner as an image encoder": image_encoder(
        part("mner.contexts.huggingface_captioner.HuggingFaceCaptioner", name="/tmp")
    ),
    "a decoder of the standard library": lambda p: p.update(decoder=part("subprocess.Popen", args=["true"])),
    "a decoder of an unimported module": lambda p: p.update(decoder=part("antigravity.Decoder")),
    "a part in a list in a part": lambda p: p.update(
        characters=part("mner.text.characters.CharacterCNN", a=[[part("antigravity.Part")]])
    ),
    "another class": lambda p: p.update(_class_path="antigravity.Fusion"),
    "labels that are none": lambda p: p.update(labels=3),
    "labels that are numbers": lambda p: p.update(labels=["O", 3]),
    "contexts in a string": lambda p: p.update(contexts="caption"),
    "a policy that is none": lambda p: p.update(on_bad_image="x"),
    "an encoder that is a decoder": lambda p: p.update(text_encoder=part("mner.decoders.crf.CRF")),
    "a maximum length that is a word": encoder(max_length="64"),
    "no labels": lambda p: p.pop("labels"),
    "many labels": lambda p: p.update(labels=["O", *(f"B-{i}" for i in range(30_000))]),
    "a dropout that is none": lambda p: p.update(dropout=float("nan")),
    "an optimization that is none": lambda p: p.update(optimization=[1]),
    "an optimizer that is none": lambda p: p["optimization"].update(optimizer=3),
    "a learning rate that is none": lambda p: p["optimization"].update(lr=float("nan")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_in_one_line(load, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    with pytest.raises(CheckpointError) as caught:
        load(HOSTILE[name])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert "antigravity" not in set(sys.modules) - before
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.ckpt"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (architecture(layer_norm_eps=float("nan")), "text_encoder.init_args.architecture.config.layer_norm_eps"),
        (architecture(hidden_size=None), "'hidden_size' expected int, got NoneType"),
        (architecture(num_hidden_layers=10**5), "at most 10000 layers .* num_hidden_layers=100000"),
        (encoder(max_length="64"), "expected max_length to be a whole number or None, got '64'"),
        (lambda p: p["optimization"].update(lr=float("inf")), "is inf, under 'optimization.lr'"),
    ],
)
def test_the_key_at_fault_is_named(load, change, key):
    with pytest.raises(CheckpointError, match=key):
        load(change)


def test_a_model_that_fails_on_a_post_is_refused(load, monkeypatch):
    monkeypatch.setattr(HuggingFaceText, "forward", lambda *_: 1 / 0)
    with pytest.raises(CheckpointError, match=r"TextOnly of the checkpoint was built but does not work \(ZeroDiv"):
        load(lambda parameters: None)


@pytest.mark.parametrize(
    "change",
    [
        architecture(chunk_size_feed_forward=3, return_dict=False, output_hidden_states="x"),
        architecture(auto_map={"AutoConfig": "evil--evil.Config", "AutoModel": "evil--evil.Model"}),
        architecture(_name_or_path="evil/evil", attn_implementation="evil/kernel"),
        architecture(num_labels=10**12),
        architecture(quantization_config={"quant_method": "evil"}),
        architecture(nested={"auto_map": {"AutoModel": "evil.Model"}, "id2label": {"0": "A"}}),
        encoder(name="/nowhere/at/all"),
    ],
)
def test_what_would_be_fetched_or_executed_is_left_out(load, change, trained_run):
    model = load(change)
    given = mner.load_model(trained_run / "best.ckpt").state_dict()
    assert all(torch.equal(weight, given[name]) for name, weight in model.state_dict().items())
    assert not {"auto_map", "_name_or_path"} & model.text_encoder.architecture["config"].keys()


@pytest.mark.parametrize("command", ["tag", "attend", "test", "predict", "fit"])
def test_no_command_imports_what_a_checkpoint_names(command, trained_run, experiment, tmp_path, monkeypatch, capsys):
    (tmp_path / "evil.py").write_text("import pathlib\npathlib.Path('run').touch()\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    checkpoint = torch.load(trained_run / "best.ckpt", weights_only=True)
    checkpoint["hyper_parameters"]["_class_path"] = "evil.Fusion"
    torch.save(checkpoint, tmp_path / "evil.ckpt")
    (tmp_path / "posts.txt").write_text("y\n", encoding="utf-8")
    (tmp_path / "config.yaml").write_text("model: {class_path: evil.Fusion}\n", encoding="utf-8")
    arguments = {
        "tag": ["tag", "posts.txt", "--ckpt_path", "evil.ckpt"],
        "attend": ["attend", "posts.txt", "--ckpt_path", "evil.ckpt", "--output", "drawn"],
    }.get(command, [command, "--config", str(experiment), "--ckpt_path", "evil.ckpt", "--run_folder", "again"])
    status = main(arguments)
    if command != "fit":  # which builds the model of its own config
        assert status == 1
        assert "--import evil" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_module_that_is_named_on_the_command_line(trained_run, tmp_path, monkeypatch, capsys):
    (tmp_path / "own_fusion_of_mine.py").write_text(
        "from mner.fusion import TextOnly\nclass Mine(TextOnly):\n    pass\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    checkpoint = torch.load(trained_run / "best.ckpt", weights_only=True)
    checkpoint["hyper_parameters"]["_class_path"] = "own_fusion_of_mine.Mine"
    seal(checkpoint)
    torch.save(checkpoint, "own.ckpt")
    (tmp_path / "posts.txt").write_text("Ana in Lugo\n", encoding="utf-8")
    tag = ["tag", "posts.txt", "--ckpt_path", "own.ckpt"]
    assert main(tag) == 1
    assert "--import own_fusion_of_mine on the command line" in capsys.readouterr().err
    try:
        assert main([*tag, "--import=own_fusion_of_mine"]) == 0
        assert main(["--import", "own_fusion_of_mine", *tag]) == 0
    finally:
        sys.modules.pop("own_fusion_of_mine", None)
    assert main([*tag, "--import", "no_such_module"]) == 1
    assert "the module 'no_such_module' cannot be imported" in capsys.readouterr().err
