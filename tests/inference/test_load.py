"""Checkpoints: self-contained, the same from the command line and from Python, refused where they are none."""

import copy
import json
import pickle
import sys
from collections.abc import Mapping

import pytest
import torch
from pytorch_lightning import seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint

import mner
from mner.checkpoint_file import load_checkpoint
from mner.components import to_config
from mner.data import Twitter2017
from mner.errors import CheckpointError
from mner.fusion import FusionModule, TextOnly
from mner.text import CharacterCNN, HuggingFaceText
from mner.training import Optimization


def emissions(model, posts):
    with torch.no_grad():
        return model.eval()(model.preprocessor(posts))


def plain(value):
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and plain(each) for key, each in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return value is None or isinstance(value, (str, int, float, bool))


def test_a_checkpoint_is_plain_data_and_tensors(trained_run):
    checkpoint = torch.load(trained_run / "best.ckpt", weights_only=True)
    parameters = checkpoint["hyper_parameters"]
    assert plain(parameters)
    assert parameters["_class_path"] == "mner.fusion.text_only.TextOnly"
    assert parameters["labels"] == Twitter2017().labels
    assert parameters["word_tokenizer"]["init_args"] == {"split_marks": True, "split_unspaced": True}


def test_a_checkpoint_needs_nothing_else(trained_run, sample_posts, tmp_path, monkeypatch):
    """Not the folder of the pretrained encoder, nor the run's, nor a network."""
    (tmp_path / "moved.ckpt").write_bytes((trained_run / "best.ckpt").read_bytes())
    monkeypatch.setattr("mner.text.huggingface.load_model", lambda *_: pytest.fail("weights were asked for"))
    one, two = mner.load_model(trained_run / "best.ckpt"), mner.load_model(str(tmp_path / "moved.ckpt"))
    assert isinstance(one, TextOnly)
    assert not any(module.training for module in one.modules())
    assert torch.equal(emissions(one, sample_posts), emissions(two, sample_posts))


def test_python_saves_what_the_command_line_saves(
    trained_run, experiment, make_trainer, tiny_text_encoder_folder, shared_twitter_folder, sample_posts, tmp_path
):
    arguments = json.loads(experiment.read_text(encoding="utf-8"))["model"]["init_args"]
    seed_everything(0)
    data = Twitter2017(shared_twitter_folder, batch_size=4)
    model = TextOnly(
        labels=data.labels,
        text_encoder=HuggingFaceText(str(tiny_text_encoder_folder)),
        characters=CharacterCNN(),
        optimization=Optimization(**arguments["optimization"]),
    )
    best = ModelCheckpoint(tmp_path, "best", monitor="val/f1", mode="max")
    make_trainer(max_epochs=6, callbacks=[best]).fit(model, data.using(model.preprocessor))
    ours, theirs = (load_checkpoint(path) for path in (tmp_path / "best.ckpt", trained_run / "best.ckpt"))
    # The command line writes down every default, Python what was given; built, they are the same.
    assert ours["hyper_parameters"].items() <= theirs["hyper_parameters"].items()
    assert to_config(mner.load_model(tmp_path / "best.ckpt")) == to_config(model)
    assert ours["state_dict"].keys() == theirs["state_dict"].keys()
    assert all(torch.equal(weight, theirs["state_dict"][name]) for name, weight in ours["state_dict"].items())


def test_lightning_loads_it_too(trained_run, sample_posts):
    path = trained_run / "best.ckpt"
    model = TextOnly.load_from_checkpoint(path)
    assert torch.equal(emissions(model, sample_posts), emissions(mner.load_model(path), sample_posts))


def test_what_is_loaded_trains_on_and_is_saved_again(
    trained_run, make_trainer, shared_twitter_folder, sample_posts, tmp_path
):
    path = trained_run / "best.ckpt"
    model = mner.load_model(path)
    before = emissions(model, sample_posts)
    trainer = make_trainer(max_epochs=1)
    trainer.fit(model.train(), Twitter2017(shared_twitter_folder, batch_size=4).using(model.preprocessor))
    trainer.save_checkpoint(tmp_path / "again.ckpt")
    again = mner.load_model(tmp_path / "again.ckpt")
    assert not torch.equal(emissions(model, sample_posts), before)
    assert torch.equal(emissions(again, sample_posts), emissions(model, sample_posts))
    assert load_checkpoint(tmp_path / "again.ckpt")["hyper_parameters"] == load_checkpoint(path)["hyper_parameters"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_equal_and_save_alike(copied, trained_run, sample_posts, make_trainer, tmp_path):
    model = mner.load_model(trained_run / "best.ckpt")
    twin = copied(model)
    assert torch.equal(emissions(twin, sample_posts), emissions(model, sample_posts))
    trainer = make_trainer()
    trainer.strategy.connect(twin)
    trainer.save_checkpoint(tmp_path / "twin.ckpt")
    assert torch.equal(emissions(mner.load_model(tmp_path / "twin.ckpt"), sample_posts), emissions(model, sample_posts))


def test_a_folder_and_a_missing_file_are_no_checkpoints(tmp_path):
    for path in (tmp_path, tmp_path / "none.ckpt"):
        with pytest.raises(CheckpointError, match=r"no checkpoint at .*; mner fit prints the path"):
            mner.load_model(path)


@pytest.mark.parametrize("content", [{"a": torch.zeros(2)}, torch.zeros(2), {"hyper_parameters": {"lr": 1.0}}])
def test_other_tensors_are_no_checkpoint(tmp_path, content):
    torch.save(content, tmp_path / "tensors.ckpt")
    with pytest.raises(CheckpointError, match="not a checkpoint of mner; give one that mner fit wrote"):
        mner.load_model(tmp_path / "tensors.ckpt")


def altered(trained_run, path, change):
    checkpoint = torch.load(trained_run / "best.ckpt", weights_only=True)
    change(checkpoint)
    torch.save(checkpoint, path)
    return path


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda c: c["hyper_parameters"].update(_class_path="nowhere.Fusion"), "nowhere.Fusion is not imported"),
        (lambda c: c["hyper_parameters"].update(_class_path="mner.text.characters.CharacterCNN"), "not a FusionModule"),
        (lambda c: c["hyper_parameters"].update(_class_path="torch.nn.modules.linear.Linear"), "is not a Component"),
        (lambda c: c["hyper_parameters"].update(colour="red"), r"cannot be built as .*'colour'"),
        (lambda c: c["hyper_parameters"]["text_encoder"].update(class_path="mner.text.encoder.No"), "has no class No"),
        (lambda c: c["hyper_parameters"].update(labels=["O", "B-PER"]), "weights of the checkpoint do not fit"),
        (lambda c: c["state_dict"].pop("emission_layer.bias"), r"1 weights .* emission_layer.bias, .*got none"),
        (lambda c: c["state_dict"].update(extra=torch.zeros(2)), r"1 weights .* extra, expected none, got \(2,\)"),
    ],
)
def test_a_checkpoint_of_other_code_is_refused(trained_run, tmp_path, change, complaint):
    with pytest.raises(CheckpointError, match=complaint):
        mner.load_model(altered(trained_run, tmp_path / "altered.ckpt", change))


USERS_CLASS = '''
from torch import nn
from mner.fusion import FusionModule

class Shrunk(FusionModule):
    """Project the words before they are scored."""

    needs_image = False

    def __init__(self, size: int = 4, **kwargs):
        self.size = size
        super().__init__(**kwargs)
        self.project = nn.Linear(self.text_encoder.hidden_size, size)

    @property
    def fused_size(self):
        return self.size

    def fuse(self, text, image):
        return self.project(text.words)
'''


def test_a_users_own_class(make_model, make_trainer, shared_twitter_folder, sample_posts, tmp_path, monkeypatch):
    (tmp_path / "users_fusion.py").write_text(USERS_CLASS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import users_fusion

    model = make_model(users_fusion.Shrunk, size=6)
    trainer = make_trainer(max_epochs=1)
    trainer.fit(model, Twitter2017(shared_twitter_folder, batch_size=4).using(model.preprocessor))
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    for loaded in (
        mner.load_model(tmp_path / "own.ckpt"),
        users_fusion.Shrunk.load_from_checkpoint(tmp_path / "own.ckpt"),
        FusionModule.load_from_checkpoint(tmp_path / "own.ckpt"),
    ):
        assert type(loaded) is users_fusion.Shrunk
        assert loaded.project.out_features == 6
        assert torch.equal(emissions(loaded, sample_posts), emissions(model, sample_posts))
    expected = emissions(model, sample_posts)
    del sys.modules["users_fusion"]
    with pytest.raises(CheckpointError, match=r"users_fusion.Shrunk is not imported: .*--import users_fusion"):
        mner.load_model(tmp_path / "own.ckpt")
    assert "users_fusion" not in sys.modules
    assert torch.equal(emissions(mner.load_model(tmp_path / "own.ckpt", ["users_fusion"]), sample_posts), expected)
    del sys.modules["users_fusion"]
