"""timm networks get the weights they are given, or an error that says what to do."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from mner.errors import ConfigurationError, RegistryError, WeightsNotFoundError
from mner.vision.backbones import create_backbone

NAME = "test_resnet"


@pytest.fixture
def trained():
    torch.manual_seed(1)
    return timm.create_model(NAME, num_classes=7)


def same(network, other):
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in network.state_dict().items())


def test_files_by_name_with_wrappers_and_without_the_classifier(trained, tmp_path):
    state = trained.state_dict()
    torch.save(state, tmp_path / "plain.pth")
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "wrapped.pt")
    save_file(state, tmp_path / "safe.safetensors")
    for file in ("plain.pth", "wrapped.pt", "safe.safetensors"):
        assert same(create_backbone(NAME, tmp_path / file), trained)
    assert same(create_backbone(NAME, str(tmp_path / "plain.pth"), num_classes=7), trained)


def test_another_implementations_names_fit_by_order(trained, tmp_path):
    state = {
        f"x{index}.{name.rpartition('.')[2]}": value for index, (name, value) in enumerate(trained.state_dict().items())
    }
    torch.save({name: value for name, value in state.items() if "num_batches" not in name}, tmp_path / "foreign.pth")
    assert same(create_backbone(NAME, tmp_path / "foreign.pth"), trained)


def test_weights_of_another_network(trained, tmp_path):
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "vit.pth")
    with pytest.raises(ConfigurationError, match=r"do not fit ResNet.*missing for example.*unknown"):
        create_backbone(NAME, tmp_path / "vit.pth")
    state = trained.state_dict()
    state["conv1.0.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "shape.pth")
    with pytest.raises(ConfigurationError, match=r"expected conv1\.0\.weight of shape \(\S+ 3, 3, 3\), got \(1,\)"):
        create_backbone(NAME, tmp_path / "shape.pth")
    swapped = list(trained.state_dict().values())[::-1]
    torch.save({f"a{index}.weight": value for index, value in enumerate(swapped)}, tmp_path / "swapped.pth")
    with pytest.raises(ConfigurationError, match="do not fit"):
        create_backbone(NAME, tmp_path / "swapped.pth")


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 cut"])
def test_files_that_are_no_weights(content, tmp_path):
    for name in ("file.pth", "file.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigurationError, match="not a weights file"):
            create_backbone(NAME, tmp_path / name)


def test_a_file_of_something_else(tmp_path):
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ConfigurationError, match="no state dict"):
        create_backbone(NAME, tmp_path / "list.pth")


def test_weights_that_are_not_there(tmp_path, monkeypatch):
    with pytest.raises(WeightsNotFoundError, match="no weights at"):
        create_backbone(NAME, tmp_path / "absent.pth")
    with pytest.raises(WeightsNotFoundError, match="expected weights to be 'hub'"):
        create_backbone(NAME, "imagenet")
    with pytest.raises(WeightsNotFoundError, match="no pretrained weights for 'efficientnet_lite1'"):
        create_backbone("efficientnet_lite1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(timm, "create_model", _offline)
    with pytest.raises(WeightsNotFoundError, match=r"cannot be fetched.*mner\[offline\]"):
        create_backbone(NAME)


def _offline(*args, **kwargs):
    raise ConnectionError("no network")


def test_unknown_names_and_sizes():
    with pytest.raises(RegistryError, match="no network 'resnet_152'"):
        create_backbone("resnet_152", None)
    with pytest.raises(ConfigurationError, match="cannot build 'test_vit'"):
        create_backbone("test_vit", None, image_size=(0, 0))
