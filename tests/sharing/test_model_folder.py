"""A model as a folder: what it contains, that it is the same model, and that nothing in it is executed."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import mner
from mner.checkpoint_file import load_checkpoint
from mner.errors import CheckpointError, ConfigurationError
from mner.fusion import CoAttention, FusionModule, TextOnly
from mner.sharing.folder import read_folder, write_folder
from mner.testing import TinyGrid

OWN = """
from mner.fusion import TextOnly

class Own(TextOnly):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
"""


@pytest.fixture
def folder(trained_run, tmp_path):
    mner.load_model(trained_run / "best.ckpt").save_pretrained(tmp_path / "model", run=trained_run)
    return tmp_path / "model"


def edit(folder, **changes):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")


def test_it_contains_what_the_checkpoint_does(folder, trained_run):
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "README.md",
    }
    ours, theirs = read_folder(folder), load_checkpoint(trained_run / "best.ckpt")
    assert ours["hyper_parameters"] == theirs["hyper_parameters"]
    assert ours["mner_checksum"] == theirs["mner_checksum"]
    assert all(torch.equal(weight, theirs["state_dict"][name]) for name, weight in ours["state_dict"].items())
    from tokenizers import Tokenizer

    assert Tokenizer.from_file(str(folder / "tokenizer.json")).encode("oslo").tokens[0] == "[CLS]"


def test_it_is_loaded_wherever_a_checkpoint_is(folder, trained_run, capsys, tmp_path):
    from mner.cli import main

    text = "Kevin Durant in Oslo"
    assert mner.load(folder).predict(text) == mner.load(str(trained_run / "best.ckpt")).predict(text)
    (tmp_path / "posts.txt").write_text(text + "\n", encoding="utf-8")
    assert main(["tag", str(tmp_path / "posts.txt"), "--ckpt_path", str(folder), "--accelerator", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == text


def test_a_model_with_images_and_tied_weights(make_model, sample_posts, tmp_path):
    model = make_model(CoAttention, image_encoder=TinyGrid()).eval()
    model.text_encoder.model.encoder.layer[0].attention.self.key.weight = model.text_encoder.model.encoder.layer[
        0
    ].attention.self.query.weight
    model.save_pretrained(tmp_path / "model")
    assert len(load_file(tmp_path / "model" / "model.safetensors")) == len(model.state_dict()) - 1
    loaded = mner.load_model(tmp_path / "model")
    batch = model.preprocessor.using(quiet=True)(sample_posts)
    with torch.no_grad():
        assert torch.equal(loaded(batch), model(batch))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "no checkpoint at"),
        ("config.json", b"{", "invalid JSON"),
        ("config.json", b"\xff", "cannot be read"),
        ("config.json", b"[]", "names no class_path"),
        ("config.json", b'{"class_path": "a.B", "init_args": 3}', "init_args in its config.json are not by name"),
        ("tokenizer.json", None, "it has no tokenizer.json"),
        ("tokenizer.json", b"{}", "checksum differs|cannot be built"),
        ("model.safetensors", None, "has no model.safetensors"),
        ("model.safetensors", b"\x80\x04", "cannot be read"),
        (
            "model.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "fetch it with git lfs pull",
        ),
    ],
)
def test_a_damaged_folder(folder, name, content, message):
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        mner.load(folder)


def test_damaged_weights_and_arguments(folder):
    weights = load_file(folder / "model.safetensors")
    first = next(iter(weights))
    save_file({**weights, first: weights[first] + 1}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="its checksum differs"):
        mner.load(folder)
    save_file(weights, folder / "model.safetensors")
    edit(folder, shared_weights={"a": "nothing"})
    with pytest.raises(CheckpointError, match="do not name weights"):
        mner.load(folder)


def test_a_folder_that_is_larger_than_any_model(folder, monkeypatch):
    """Refused before anything is done per weight, value or file."""
    (folder / "long.json").write_text("a" * 10_000, encoding="utf-8")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    contexts = [{"$file": "long.json"}] * 30
    edit(folder, init_args=config["init_args"] | {"contexts": contexts})
    monkeypatch.setattr("mner.checkpoint_file.MAX_CHARACTERS", 200_000)
    with pytest.raises(CheckpointError, match="more than 200,000 characters"):
        mner.load(folder)
    edit(folder, init_args=config["init_args"] | {"contexts": json.loads("[" * 60 + "]" * 60)})
    with pytest.raises(CheckpointError, match="nested too deeply"):
        mner.load(folder)
    edit(folder, init_args=config["init_args"], shared_weights={"a": ["b"]})
    with pytest.raises(CheckpointError, match="do not name weights"):
        mner.load(folder)
    (folder / "config.json").write_text("[" + "{}," * 1_400_000 + "{}]", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"config.json has more than 4,000,000 bytes"):
        mner.load(folder)
    header = (5_000_000).to_bytes(8, "little") + b"{" + b" " * 5_000_000
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(header)
    with pytest.raises(CheckpointError, match=r"model.safetensors has a header of more than 4,000,000 bytes"):
        mner.load(folder)


@pytest.mark.parametrize("name", ["../secret.json", "/etc/secret.json", "a/b.json", "model.safetensors", 3])
def test_the_config_reads_only_json_files_of_its_folder(folder, name):
    (folder.parent / "secret.json").write_text("{}", encoding="utf-8")
    edit(folder, init_args={"labels": ["O", "B-PER"], "text_encoder": {"$file": name}})
    with pytest.raises(CheckpointError, match="expected the name of a JSON file in the folder"):
        mner.load(folder)


@pytest.mark.parametrize("path", ["os.system", "subprocess.Popen", "evil.Model", "mner.trust.find_class", "evil"])
def test_no_other_class_is_built_and_no_module_imported(folder, path, monkeypatch):
    (folder / "evil.py").write_text("raise SystemExit('executed')", encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    edit(folder, class_path=path)
    with pytest.raises(CheckpointError):
        mner.load(folder)
    assert "evil" not in sys.modules


@pytest.fixture
def own_class(tmp_path, monkeypatch):
    """A class in a module of the user's, which is forgotten afterwards."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "own_fusion.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "code")
    import own_fusion

    yield own_fusion.Own
    sys.modules.pop("own_fusion", None)


def test_own_classes_are_loaded_only_if_trusted(own_class, make_model, tmp_path, monkeypatch):
    make_model(own_class).save_pretrained(tmp_path / "model")
    assert (tmp_path / "model" / "own_fusion.py").read_text(encoding="utf-8") == OWN
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert 'mner.load("model", trust_remote_code=True)' in card
    del sys.modules["own_fusion"]
    (tmp_path / "code" / "own_fusion.py").unlink()
    with pytest.raises(CheckpointError, match="trust_remote_code=True"):
        mner.load(tmp_path / "model")
    assert type(mner.load_model(tmp_path / "model", trust_remote_code=True)).__name__ == "Own"
    assert Path(sys.modules["own_fusion"].__file__) == tmp_path / "model" / "own_fusion.py"


def test_broken_code_is_one_error(own_class, make_model, tmp_path):
    make_model(own_class).save_pretrained(tmp_path / "model")
    del sys.modules["own_fusion"]
    (tmp_path / "model" / "own_fusion.py").write_text("import nothing_of_this_name", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"own_fusion.py cannot be imported \(ModuleNotFoundError"):
        mner.load(tmp_path / "model", trust_remote_code=True)
    assert "own_fusion" not in sys.modules


def test_a_run_folder_is_no_model_folder(trained_run, make_model, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        mner.load(trained_run)
    with pytest.raises(ConfigurationError, match=r"has no metrics.json; give the run folder"):
        make_model().save_pretrained(tmp_path / "model", run=tmp_path)
    assert not (tmp_path / "model").exists()


def test_a_fusion_module_is_saved_as_it_is_now(make_model, tmp_path):
    model = make_model()
    model.decoder.constraints = "decode"
    model.save_pretrained(tmp_path / "model")
    assert FusionModule.load_from_checkpoint(tmp_path / "model").decoder.constraints == "decode"


class Described(TextOnly):
    """Has arguments whose names would be those of other files."""

    def __init__(self, config, notes, **kwargs):
        super().__init__(**kwargs)


def test_long_arguments_are_files_of_their_own_in_the_folder(make_model, tmp_path):
    texts = {"config": "1" * 2000, "notes": {"../outside": "2" * 2000, "config": "3" * 2000}}
    write_folder(make_model(Described, **texts), tmp_path / "model")
    read = read_folder(tmp_path / "model")["hyper_parameters"]
    assert {name: read[name] for name in texts} == texts
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
